// SPDX-License-Identifier: MIT
//
// What strangers wrote, cleaned.
#include "printable.hpp"

#include <workerid/error.hpp>
#include <workerid/memory_store.hpp>

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::detail {
namespace {

std::string utf8(char32_t code) {
  const auto byte = [](char32_t bits) {
    return static_cast<char>(static_cast<unsigned char>(bits));
  };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f))};
  if (code < 0x10000) {
    return {byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f))};
  }
  return {byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f)),
          byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f))};
}

}  // namespace

TEST(Printable, LeavesTextAsItIs) {
  for (const std::string text :
       {"", "worker ID 7, \"~!\\", "Zürich", "東京", "Ελλάδα", "שלום", "🦊", "a\u00a0b"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ReplacesWhatMovesHidesOrTurnsText) {
  std::vector<char32_t> hidden{0x7f,   0xad,   0x61c,  0x180e, 0x200e, 0x200f,
                               0x2028, 0x2029, 0x2060, 0xfeff, 0xfff9, 0xe0041};
  for (char32_t code = 0; code < 0x20; ++code) hidden.push_back(code);
  for (char32_t code = 0x80; code < 0xa0; ++code) hidden.push_back(code);
  for (char32_t code = 0x200b; code <= 0x200d; ++code) hidden.push_back(code);
  for (char32_t code = 0x202a; code <= 0x202e; ++code) hidden.push_back(code);
  for (char32_t code = 0x2066; code <= 0x2069; ++code) hidden.push_back(code);
  for (const char32_t code : hidden) {
    EXPECT_EQ(printable("a" + utf8(code) + "b"), "a?b") << std::hex << static_cast<unsigned>(code);
  }
}

TEST(Printable, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(printable("a\xff"
                      "b"),
            "a?b");
  EXPECT_EQ(printable("\x9b"
                      "31m"),
            "?31m")
      << "a control character of one byte";
  EXPECT_EQ(printable("a\xc3"), "a?") << "cut off";
  EXPECT_EQ(printable("\xe2\x80"), "??");
  EXPECT_EQ(printable("\xc0\x9b"), "??") << "longer than it need be";
  EXPECT_EQ(printable("\xe0\x80\x9b"), "???");
  EXPECT_EQ(printable("\xed\xa0\x80"), "???") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????") << "above the last character";
  EXPECT_EQ(printable("\xc3("), "?(") << "what follows is kept";
  EXPECT_EQ(printable(std::string{"a\0b", 3}), "a?b");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("Zürich", 2), "Z");
  EXPECT_EQ(printable("Zürich", 3), "Zü");
  EXPECT_EQ(printable("a\x1b[m", 3), "a?[");
  EXPECT_EQ(printable("abc", 0), "");
}

TEST(Printable, AnErrorSaysNothingElse) {
  const Error error(ErrorCode::unavailable, "the server said \x1b]0;mine\x07\r\nOK \xe2\x80\xae");
  EXPECT_EQ(std::string{error.what()},
            "the server said ?]0;mine???OK ?: " + error.code().message());
}

}  // namespace workerid::detail
