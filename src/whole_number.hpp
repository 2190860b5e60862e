// SPDX-License-Identifier: MIT
//
// Internal: the one place where the library reads a decimal number that others wrote.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace workerid::detail {

/// The decimal number that all of `text` is, from `least` to `most`; nothing if it is none.
template <typename Number>
std::optional<Number> whole_number(std::string_view text, Number least, Number most) noexcept {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value < least || value > most) return std::nullopt;
  return value;
}

}  // namespace workerid::detail
