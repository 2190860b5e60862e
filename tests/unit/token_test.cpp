// SPDX-License-Identifier: MIT
#include "support/expect_error.hpp"

#include <workerid/token.hpp>

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace workerid::tests {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

TEST(Token, RandomOnesDifferAndReadBack) {
  std::set<Token> tokens;
  for (int count = 0; count < 1000; ++count) {
    const Token token = Token::random();
    const std::string text = token.text();
    EXPECT_EQ(text.size(), Token::text_length);
    EXPECT_EQ(text.find_first_not_of(alphabet), std::string::npos) << text;
    EXPECT_EQ(Token::parse(text), token);
    EXPECT_FALSE(token.empty());
    EXPECT_TRUE(tokens.insert(token).second) << "drawn twice: " << text;
  }
}

TEST(Token, TextIsThatOfRfc4648) {
  // Section 10: "foobar" is "Zm9vYmFy", "foob" is "Zm9vYg".
  const std::string foobarfoobarfoob = "Zm9vYmFyZm9vYmFyZm9vYg";
  EXPECT_EQ(Token::parse(foobarfoobarfoob).text(), foobarfoobarfoob);
}

TEST(Token, OrderIsThatOfTheBytes) {
  const std::string rest(Token::text_length - 1, 'A');
  for (std::size_t digit = 1; digit < alphabet.size(); ++digit) {
    EXPECT_LT(Token::parse(alphabet[digit - 1] + rest), Token::parse(alphabet[digit] + rest));
  }
}

TEST(Token, EmptyOneIsAllZero) {
  EXPECT_TRUE(Token{}.empty());
  EXPECT_EQ(Token{}.text(), std::string(Token::text_length, 'A'));
  EXPECT_TRUE(Token::parse(Token{}.text()).empty());
}

TEST(Token, WrongLengthIsRefused) {
  for (const std::size_t length : {0U, 1U, 21U, 23U, 44U}) {
    expect_error_naming(
        ErrorCode::invalid_token, [&] { Token::parse(std::string(length, 'A')); }, "22",
        std::to_string(length));
  }
}

TEST(Token, WrongCharactersAreRefused) {
  const std::string good = Token::random().text();
  for (const char wrong : {'+', '/', '=', ' ', '\0', '\n', '.', '\xc3'}) {
    for (const std::size_t position : {std::size_t{0}, std::size_t{10}, Token::text_length - 1}) {
      std::string text = good;
      text.at(position) = wrong;
      expect_error(ErrorCode::invalid_token, [&] { Token::parse(text); });
    }
  }
}

// 22 characters are 132 bits: the last four must be zero, or one token would have 16 texts.
TEST(Token, StrayBitsAreRefused) {
  const std::string start(Token::text_length - 1, 'k');
  for (const char last : alphabet) {
    const std::string text = start + last;
    if (std::string_view{"AQgw"}.find(last) != std::string_view::npos) {
      EXPECT_EQ(Token::parse(text).text(), text);
    } else {
      expect_error(ErrorCode::invalid_token, [&] { Token::parse(text); });
    }
  }
}

TEST(Token, RefusalKeepsTheSecret) {
  const std::string secret = Token::random().text();
  for (const std::string& text : {secret + "x", secret.substr(1), "+" + secret.substr(1)}) {
    const Error error = expect_error(ErrorCode::invalid_token, [&] { Token::parse(text); });
    EXPECT_EQ(std::string{error.what()}.find(text.substr(2, 10)), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace workerid::tests
