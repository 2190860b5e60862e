// SPDX-License-Identifier: MIT
//
// A token has one text: what is accepted is written the same again.
#include "fuzz/require.hpp"

#include <workerid/error.hpp>
#include <workerid/token.hpp>

using namespace workerid;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  try {
    fuzz::require(Token::parse(text).text() == text, "a token is written as it was read");
  } catch (const Error& error) {
    fuzz::require(error.error_code() == ErrorCode::invalid_token, "the code is invalid_token");
    // Shorter texts, and those with blanks, may be words of the message.
    const bool telling = size >= 12 && !fuzz::contains(text, " ");
    fuzz::require(!telling || !fuzz::contains(error.what(), text),
                  "the message does not repeat the token");
  }
  return 0;
}
