// SPDX-License-Identifier: MIT
//
// Values on the command line: numbers and times, as they are written and read.
#pragma once

#include <charconv>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>

namespace workerid::cli {

/// What the command line says cannot be: the text names the option, the value and what is allowed.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads a decimal whole number, the value of `option`. Errors: UsageError.
template <typename Integer>
Integer parse_integer(const std::string& option, const std::string& text) {
  Integer value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) {
    throw UsageError(option + ": " + text + " is too large");
  }
  if (error != std::errc{} || stop != end) {
    throw UsageError(option + ": \"" + text + "\" is not a whole number");
  }
  return value;
}

/// Reads a time, the value of `option`: a whole number and its unit, "500ms", "30s", "5m", "2h" or
/// "1d". Errors: UsageError.
std::chrono::milliseconds parse_duration(const std::string& option, const std::string& text);

/// Refuses an empty value of `option`. Errors: UsageError.
std::string parse_text(const std::string& option, const std::string& text);

/// A time for people, in its two largest units: "4m59s", "850ms", "0s".
std::string to_text(std::chrono::milliseconds time);

}  // namespace workerid::cli
