// SPDX-License-Identifier: MIT
//
// The token that proves ownership of a lease.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace workerid {

/// 128 random bits, written as 22 base64url characters (RFC 4648, section 5, without padding).
/// Chosen by the client for one acquisition and never used for another; who knows it may renew and
/// release the lease, so it is a secret. A regular value type.
class Token {
 public:
  static constexpr std::size_t text_length = 22;

  /// The empty token, which owns nothing.
  Token() = default;

  /// A new token from the kernel's random source (getrandom(2)). Never blocks on a booted machine.
  static Token random();

  /// Reads the text form.
  /// Errors: `invalid_token` if `text` is not exactly 22 base64url characters whose last one
  /// carries no stray bits.
  static Token parse(std::string_view text);

  /// The 22 characters.
  std::string text() const;

  /// The 128 bits, the first six of which are the text's first character.
  const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }

  bool empty() const noexcept { return bytes_ == std::array<std::uint8_t, 16>{}; }

  friend bool operator==(const Token&, const Token&) = default;
  friend auto operator<=>(const Token&, const Token&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace workerid
