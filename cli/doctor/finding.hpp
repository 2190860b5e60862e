// SPDX-License-Identifier: MIT
//
// What doctor reports.
#pragma once

#include "output.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace workerid::cli {

enum class Severity {
  ok,       ///< As it should be.
  note,     ///< Good to know; nothing has to be changed.
  warning,  ///< A promise holds under a condition only, or operation may stop.
  error,    ///< A promise is broken, or leases cannot be granted or renewed.
};

/// The severity's name as it stands in the enumeration.
std::string_view name(Severity severity) noexcept;

struct Finding {
  Severity severity;
  std::string topic;     ///< A word or two for what it is about: stays the same between versions.
  std::string reason;    ///< What was found and what it means.
  std::string change{};  ///< The setting to change, or the command; empty for none.

  friend bool operator==(const Finding&, const Finding&) = default;
};

using Findings = std::vector<Finding>;

/// Puts `more` behind `findings`.
void append(Findings& findings, Findings more);

/// The most severe one; `ok` if there is none.
Severity worst(const Findings& findings) noexcept;

/// "1 error, 2 warnings, 3 notes".
std::string counts(const Findings& findings);

std::string to_text(const Findings& findings);
Json to_json(const Findings& findings);

/// "1 ID", "2 IDs": a number with its word.
std::string counted(std::int64_t count, const std::string& word);

/// A number of bytes for people: "12 kB", "3.4 GB".
std::string bytes_text(double bytes);

}  // namespace workerid::cli
