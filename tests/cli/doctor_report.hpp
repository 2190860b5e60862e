// SPDX-License-Identifier: MIT
//
// What workerid doctor reports, as its tests look at it.
#pragma once

#include "cli/tool.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

namespace workerid::tests {

struct Report {
  int exit_code = 0;
  nlohmann::json json;
  std::string errors;

  /// The first finding on this topic with this severity.
  std::optional<nlohmann::json> find(const std::string& topic, const std::string& severity) const {
    for (const nlohmann::json& finding : json.at("findings")) {
      if (finding.at("topic") == topic && finding.at("severity") == severity) return finding;
    }
    return std::nullopt;
  }
};

inline Report parsed_report(const Result& result) {
  EXPECT_EQ(result.status.signal, 0);
  EXPECT_EQ(result.errors, "");
  Report report{result.status.code, nlohmann::json::parse(result.output, nullptr, false),
                result.errors};
  if (report.json.is_discarded()) {
    ADD_FAILURE() << "no JSON: " << result.output;
    report.json = {{"findings", nlohmann::json::array()}};
  }
  return report;
}

/// Without watching for longer than it takes.
inline Report report_of(const Tool& tool, std::vector<std::string> more = {"--seconds", "0"}) {
  std::vector<std::string> words{"doctor", "--output", "json"};
  words.insert(words.end(), more.begin(), more.end());
  return parsed_report(tool(words));
}

/// The report has such a finding, with these words in its reason or in what to change.
inline void expect_finding(const Report& report, const std::string& severity,
                           const std::string& topic, const std::vector<std::string>& words = {}) {
  const auto finding = report.find(topic, severity);
  ASSERT_TRUE(finding) << "no " << severity << " on " << topic << ": " << report.json.dump(1);
  for (const std::string& word : words) {
    EXPECT_NE(finding->dump().find(word), std::string::npos) << word << "\n" << finding->dump(1);
  }
  if (severity == "warning" || severity == "error") {
    EXPECT_FALSE(finding->at("change").is_null()) << finding->dump(1);
    EXPECT_GE(report.exit_code, severity == "error" ? 97 : 96);
  }
}

/// Nothing worse than a note on this topic.
inline void expect_nothing_wrong(const Report& report, const std::string& topic) {
  EXPECT_TRUE(report.find(topic, "ok") || report.find(topic, "note")) << topic;
  for (const char* const severity : {"warning", "error"}) {
    const auto finding = report.find(topic, severity);
    EXPECT_FALSE(finding) << finding->dump(1);
  }
}

}  // namespace workerid::tests
