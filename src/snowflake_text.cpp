// SPDX-License-Identifier: MIT
#include "checks.hpp"

#include <workerid/snowflake.hpp>

#include <cctype>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace workerid {

namespace {

using detail::refuse;

// How a form writes numbers.
struct Digits {
  std::string_view name;
  std::string_view alphabet;
  std::size_t width;  // what texts are filled up to
};

Digits digits_of(SnowflakeText form) {
  switch (form) {
    case SnowflakeText::base62:
      return {"base62", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 11};
    case SnowflakeText::base32:
      return {"base32", "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 13};
    case SnowflakeText::decimal:
      break;
  }
  return {"decimal", "0123456789", 1};
}

// What Crockford's alphabet reads as one of its own.
char canonical(char character, SnowflakeText form) {
  if (form != SnowflakeText::base32) return character;
  const auto capital = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
  if (capital == 'O') return '0';
  return capital == 'I' || capital == 'L' ? '1' : capital;
}

}  // namespace

std::string to_text(std::int64_t id, SnowflakeText form) {
  if (id < 0) refuse("the ID is " + std::to_string(id) + "; it must not be below 0");
  const Digits digits = digits_of(form);
  const auto base = static_cast<std::int64_t>(digits.alphabet.size());
  std::string text;
  for (std::int64_t rest = id; rest != 0; rest /= base) {
    text.insert(text.begin(), digits.alphabet[static_cast<std::size_t>(rest % base)]);
  }
  if (text.size() < digits.width) text.insert(0, digits.width - text.size(), '0');
  return text;
}

std::int64_t parse_snowflake(std::string_view text, SnowflakeText form) {
  const Digits digits = digits_of(form);
  const std::string shown = "the " + std::string{digits.name} + " ID \"" + std::string{text} + "\"";
  if (text.empty()) refuse(shown + " is empty");
  const auto base = static_cast<std::int64_t>(digits.alphabet.size());
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::int64_t id = 0;
  for (const char character : text) {
    const std::size_t place = digits.alphabet.find(canonical(character, form));
    if (place == std::string_view::npos) {
      refuse(shown + " has a character that is none of " + std::string{digits.alphabet});
    }
    const auto digit = static_cast<std::int64_t>(place);
    if (id > (largest - digit) / base) {
      refuse(shown + " is above the largest, " + to_text(largest, form));
    }
    id = id * base + digit;
  }
  return id;
}

}  // namespace workerid
