// SPDX-License-Identifier: MIT
//
// What a test expects of an operation that is refused.
#pragma once

#include <workerid/error.hpp>

#include <gtest/gtest.h>
#include <string>

namespace workerid::tests {

/// The error that `operation` throws. The test fails if it throws none, or one with another code.
template <typename Operation>
Error expect_error(ErrorCode code, Operation operation) {
  try {
    operation();
  } catch (const Error& error) {
    EXPECT_EQ(name(error.error_code()), name(code)) << error.what();
    return error;
  }
  ADD_FAILURE() << "expected the error " << name(code);
  return {code, "nothing was thrown"};
}

/// The same, where the text has to name each of `words`.
template <typename Operation, typename... Words>
Error expect_error_naming(ErrorCode code, Operation operation, const Words&... words) {
  const Error error = expect_error(code, operation);
  const std::string text = error.what();
  for (const std::string& word : {std::string{words}...}) {
    EXPECT_NE(text.find(word), std::string::npos) << "\"" << word << "\" is not in: " << text;
  }
  return error;
}

}  // namespace workerid::tests
