// SPDX-License-Identifier: MIT
//
// A cluster's name is accepted exactly if it is what the documentation says.
#include "fuzz/require.hpp"

#include <workerid/store.hpp>

#include <algorithm>

using namespace workerid;

namespace {

bool allowed(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || fuzz::contains("._-:/", {&character, 1});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  constexpr std::size_t longest = 100;
  const bool good = size >= 1 && size <= longest && std::all_of(text.begin(), text.end(), allowed);
  try {
    check_cluster_name(text);
    fuzz::require(good, "what is accepted is a name");
  } catch (const Error& error) {
    fuzz::require(!good, "a name is accepted");
    fuzz::require(error.error_code() == ErrorCode::invalid_argument,
                  "the code is invalid_argument");
    const std::string_view message = error.what();
    fuzz::require(std::none_of(message.begin(), message.end(),
                               [](char character) { return character >= 0 && character < ' '; }),
                  "the message has no control characters");
  }
  return 0;
}
