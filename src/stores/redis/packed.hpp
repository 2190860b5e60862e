// SPDX-License-Identifier: MIT
//
// Internal: numbers as the scripts pack and unpack them (Redis' Lua library struct): whole numbers as
// doubles, worker IDs in four bytes, each the most significant byte first.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace workerid::detail::redis {

template <typename Unsigned>
void append_bytes(std::string& text, Unsigned value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    text.push_back(static_cast<char>(value >> static_cast<unsigned>(shift)));
  }
}

inline std::string packed(std::initializer_list<std::int64_t> numbers) {
  std::string text;
  text.reserve(8 * numbers.size());
  for (const std::int64_t number : numbers) {
    append_bytes(text, std::bit_cast<std::uint64_t>(static_cast<double>(number)));
  }
  return text;
}

inline std::string packed_id(std::int64_t worker_id) {
  std::string text;
  append_bytes(text, static_cast<std::uint32_t>(worker_id));
  return text;
}

/// The numbers of `text`, or nothing if it is not `count` of them, each exact in a double.
inline std::optional<std::vector<std::int64_t>> unpacked(std::string_view text, std::size_t count) {
  constexpr double largest = 9007199254740992.0;  // 2^53
  if (text.size() != 8 * count) return std::nullopt;
  std::vector<std::int64_t> numbers;
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::uint64_t bits = 0;
    for (const char byte : text.substr(at, 8)) bits = bits << 8U | static_cast<std::uint8_t>(byte);
    const auto number = std::bit_cast<double>(bits);
    if (!(number > -largest && number < largest)) return std::nullopt;
    numbers.push_back(static_cast<std::int64_t>(number));
    if (static_cast<double>(numbers.back()) != number) return std::nullopt;
  }
  return numbers;
}

}  // namespace workerid::detail::redis
