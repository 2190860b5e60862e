// SPDX-License-Identifier: MIT
#include "doctor/finding.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

namespace workerid::cli {

std::string_view name(Severity severity) noexcept {
  switch (severity) {
    case Severity::ok:
      return "ok";
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "unknown";
}

void append(Findings& findings, Findings more) {
  std::move(more.begin(), more.end(), std::back_inserter(findings));
}

Severity worst(const Findings& findings) noexcept {
  Severity worst = Severity::ok;
  for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
  return worst;
}

std::string counts(const Findings& findings) {
  const auto count = [&](Severity severity) {
    return std::count_if(findings.begin(), findings.end(), [severity](const Finding& finding) {
      return finding.severity == severity;
    });
  };
  return counted(count(Severity::error), "error") + ", " +
         counted(count(Severity::warning), "warning") + ", " +
         counted(count(Severity::note), "note");
}

std::string to_text(const Findings& findings) {
  std::vector<std::vector<std::string>> rows;
  for (const Finding& finding : findings) {
    rows.push_back({std::string{name(finding.severity)}, finding.topic, finding.reason});
    if (!finding.change.empty()) rows.push_back({"", "", "change: " + finding.change});
  }
  return table(rows);
}

Json to_json(const Findings& findings) {
  Json json = Json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"severity", name(finding.severity)},
                    {"topic", finding.topic},
                    {"reason", finding.reason},
                    {"change", finding.change.empty() ? Json{} : Json(finding.change)}});
  }
  return json;
}

std::string counted(std::int64_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

std::string bytes_text(double bytes) {
  constexpr std::array<const char*, 5> units{"bytes", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < units.size(); ++unit) bytes /= 1000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 || bytes >= 10 ? "%.0f %s" : "%.1f %s", bytes,
                units.at(unit));
  return text.data();
}

}  // namespace workerid::cli
