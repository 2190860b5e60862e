// SPDX-License-Identifier: MIT
#include "stores/redis/sha1.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace workerid::detail::redis {

namespace {

using State = std::array<std::uint32_t, 5>;

constexpr std::size_t block_size = 64;

// FIPS 180-4, section 6.1.2.
void add_block(State& state, std::string_view block) {
  std::array<std::uint32_t, 80> words{};
  for (std::size_t index = 0; index < block_size; ++index) {
    words[index / 4] = words[index / 4] << 8U | static_cast<unsigned char>(block[index]);
  }
  for (std::size_t index = 16; index < words.size(); ++index) {
    words[index] =
        std::rotl(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (std::size_t index = 0; index < words.size(); ++index) {
    std::uint32_t mixed = 0;
    if (index < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5a827999U;
    } else if (index < 40) {
      mixed = (b ^ c ^ d) + 0x6ed9eba1U;
    } else if (index < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU;
    } else {
      mixed = (b ^ c ^ d) + 0xca62c1d6U;
    }
    const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[index];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const State added{a, b, c, d, e};
  for (std::size_t index = 0; index < state.size(); ++index) state[index] += added[index];
}

}  // namespace

std::string sha1_hex(std::string_view text) {
  std::string padded{text};
  padded += '\x80';
  while (padded.size() % block_size != block_size - 8) padded += '\0';
  const std::uint64_t bits = 8 * std::uint64_t{text.size()};
  for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>(bits >> shift & 0xffU);

  State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (std::size_t begin = 0; begin < padded.size(); begin += block_size) {
    add_block(state, std::string_view{padded}.substr(begin, block_size));
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const std::uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) hex += digits[word >> shift & 0xfU];
  }
  return hex;
}

}  // namespace workerid::detail::redis
