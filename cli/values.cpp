// SPDX-License-Identifier: MIT
#include "values.hpp"

#include <array>
#include <string_view>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  milliseconds length;
};

constexpr std::array<Unit, 5> units{{{"d", std::chrono::hours{24}},
                                     {"h", std::chrono::hours{1}},
                                     {"m", std::chrono::minutes{1}},
                                     {"s", std::chrono::seconds{1}},
                                     {"ms", milliseconds{1}}}};

constexpr milliseconds longest = std::chrono::hours{24 * 36500};

}  // namespace

milliseconds parse_duration(const std::string& option, const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string::npos || digits == 0) {
    throw UsageError(option + ": \"" + text +
                     "\" is not a time: write a whole number and its unit, such as 500ms, 30s, 5m, "
                     "2h or 1d");
  }
  const auto count = parse_integer<milliseconds::rep>(option, text.substr(0, digits));
  const std::string_view unit_name = std::string_view{text}.substr(digits);
  for (const Unit& unit : units) {
    if (unit.name != unit_name) continue;
    if (count > longest / unit.length) {
      throw UsageError(option + ": " + text + " is too long: the longest time is 36500d");
    }
    return count * unit.length;
  }
  throw UsageError(option + ": \"" + text + "\" has the unknown unit \"" + std::string{unit_name} +
                   "\": use ms, s, m, h or d");
}

std::string parse_text(const std::string& option, const std::string& text) {
  if (text.empty()) throw UsageError(option + ": the value is empty");
  return text;
}

std::string to_text(milliseconds time) {
  std::string text;
  for (std::size_t index = 0; index < units.size(); ++index) {
    const auto& [name, length] = units.at(index);
    const auto count = time / length;
    if (count == 0) continue;
    text = std::to_string(count) + std::string{name};
    if (index + 1 < units.size()) {
      const auto& [next_name, next_length] = units.at(index + 1);
      const auto rest = time % length / next_length;
      if (rest != 0) text += std::to_string(rest) + std::string{next_name};
    }
    return text;
  }
  return "0s";
}

}  // namespace workerid::cli
