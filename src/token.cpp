// SPDX-License-Identifier: MIT
#include <workerid/error.hpp>
#include <workerid/token.hpp>

#include <cerrno>
#include <sys/random.h>
#include <system_error>

namespace workerid {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr unsigned token_bits = 128;

}  // namespace

Token Token::random() {
  Token token;
  std::size_t filled = 0;
  while (filled < token.bytes_.size()) {
    const ssize_t count =
        ::getrandom(token.bytes_.data() + filled, token.bytes_.size() - filled, 0);
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
  }
  return token;
}

Token Token::parse(std::string_view text) {
  // The text may be a secret with a typing error: it is not repeated in the message.
  if (text.size() != text_length) {
    throw Error(ErrorCode::invalid_token, "a token has " + std::to_string(text_length) +
                                              " characters, this one has " +
                                              std::to_string(text.size()));
  }
  Token token;
  unsigned bits = 0;
  unsigned value = 0;
  std::size_t filled = 0;
  for (const char character : text) {
    const std::size_t digit = alphabet.find(character);
    if (digit == std::string_view::npos) {
      throw Error(
          ErrorCode::invalid_token,
          "a token consists of letters, digits, '-' and '_'; this one has another character");
    }
    value = (value << 6U) | static_cast<unsigned>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      token.bytes_.at(filled++) = static_cast<std::uint8_t>(value >> bits);
      value &= (1U << bits) - 1;
    }
  }
  if (value != 0) throw Error(ErrorCode::invalid_token, "the last character of the token is wrong");
  return token;
}

std::string Token::text() const {
  std::string text;
  text.reserve(text_length);
  for (unsigned bit = 0; bit < token_bits; bit += 6) {
    unsigned digit = 0;
    for (unsigned index = bit; index < bit + 6; ++index) {
      const unsigned byte = index < token_bits ? bytes_.at(index / 8) : 0U;
      digit = (digit << 1U) | ((byte >> (7 - index % 8)) & 1U);
    }
    text += alphabet[digit];
  }
  return text;
}

}  // namespace workerid
