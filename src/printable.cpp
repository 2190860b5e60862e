// SPDX-License-Identifier: MIT
#include "printable.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace workerid::detail {

namespace {

struct Character {
  std::size_t size = 0;  // in bytes; 0 if it is no UTF-8
  std::uint32_t code = 0;
};

// The one that `text`, which is not empty, begins with.
Character first_of(std::string_view text) noexcept {
  struct Form {
    unsigned char mask;
    unsigned char lead;
    std::uint32_t lowest;  // a lower one has a shorter form
  };
  constexpr std::array<Form, 4> forms{
      {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}}};
  const auto byte = [text](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  for (std::size_t more = 0; more < forms.size(); ++more) {
    const auto [mask, lead, lowest] = forms.at(more);
    if ((byte(0) & mask) != lead) continue;
    if (text.size() <= more) return {};
    std::uint32_t code = byte(0) & static_cast<unsigned char>(~mask);
    for (std::size_t index = 1; index <= more; ++index) {
      if ((byte(index) & 0xc0U) != 0x80) return {};
      code = code << 6U | (byte(index) & 0x3fU);
    }
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < lowest || code > 0x10ffff || surrogate) return {};
    return {more + 1, code};
  }
  return {};
}

bool may_be_shown(std::uint32_t code) noexcept {
  struct Range {
    std::uint32_t first;
    std::uint32_t last;
  };
  constexpr std::array<Range, 11> hidden{{
      {0x00, 0x1f},        // control characters
      {0x7f, 0x9f},        // and those of ISO 6429
      {0xad, 0xad},        // soft hyphen
      {0x61c, 0x61c},      // Arabic letter mark
      {0x180e, 0x180e},    // Mongolian vowel separator
      {0x200b, 0x200f},    // zero width; marks of direction
      {0x2028, 0x202e},    // separators of lines and paragraphs; embeddings and overrides
      {0x2060, 0x206f},    // invisible operators; isolates
      {0xfeff, 0xfeff},    // byte order mark
      {0xfff9, 0xfffb},    // interlinear annotations
      {0xe0000, 0xe007f},  // tags
  }};
  return std::none_of(hidden.begin(), hidden.end(), [code](const Range& range) {
    return code >= range.first && code <= range.last;
  });
}

}  // namespace

std::string printable(std::string_view text, std::size_t longest) {
  std::string shown;
  shown.reserve(std::min(text.size(), longest));
  while (!text.empty()) {
    const auto special = std::find_if(text.begin(), text.end(), [](char character) {
      return character < ' ' || character > '~';
    });
    const auto plain =
        std::min(static_cast<std::size_t>(special - text.begin()), longest - shown.size());
    shown += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto [size, code] = first_of(text);
    const bool as_it_is = size != 0 && may_be_shown(code);
    const std::string_view next = as_it_is ? text.substr(0, size) : "?";
    if (next.size() > longest - shown.size()) break;
    shown += next;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return shown;
}

}  // namespace workerid::detail
