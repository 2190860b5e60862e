// SPDX-License-Identifier: MIT
#include <workerid/error.hpp>

#include <array>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace workerid::tests {
namespace {

struct Expected {
  ErrorCode code;
  std::string_view name;
  bool may_have_changed;
};

constexpr std::array<Expected, 14> codes{{
    {ErrorCode::no_available_id, "no_available_id", false},
    {ErrorCode::invalid_worker_id, "invalid_worker_id", false},
    {ErrorCode::token_mismatch, "token_mismatch", false},
    {ErrorCode::token_expired, "token_expired", false},
    {ErrorCode::not_assigned, "not_assigned", false},
    {ErrorCode::invalid_token, "invalid_token", false},
    {ErrorCode::configuration_mismatch, "configuration_mismatch", false},
    {ErrorCode::unavailable, "unavailable", false},
    {ErrorCode::outcome_unknown, "outcome_unknown", true},
    {ErrorCode::holding_back, "holding_back", false},
    {ErrorCode::invalid_argument, "invalid_argument", false},
    {ErrorCode::denied, "denied", false},
    {ErrorCode::corrupt_record, "corrupt_record", false},
    {ErrorCode::unsupported_server, "unsupported_server", false},
}};

TEST(Error, EachCodeSaysWhatItIsAndWhatToDo) {
  std::set<std::string> messages;
  for (const Expected& expected : codes) {
    SCOPED_TRACE(expected.name);
    EXPECT_EQ(name(expected.code), expected.name);
    EXPECT_EQ(store_may_have_changed(expected.code), expected.may_have_changed);
    EXPECT_EQ(advice(expected.code).back(), '.');
    EXPECT_TRUE(messages.insert(make_error_code(expected.code).message()).second);
  }
}

TEST(Error, ListIsClosed) {
  const auto beyond = static_cast<ErrorCode>(codes.size() + 1);
  EXPECT_EQ(name(beyond), "unknown");
  EXPECT_EQ(make_error_code(beyond).message(), "unknown error");
}

TEST(Error, CodesAreStandardErrorCodes) {
  const std::error_code code = ErrorCode::token_mismatch;
  EXPECT_EQ(code, ErrorCode::token_mismatch);
  EXPECT_NE(code, ErrorCode::token_expired);
  EXPECT_EQ(code.category(), error_category());
  EXPECT_STREQ(code.category().name(), "workerid");
  EXPECT_NE(code, std::error_code(code.value(), std::generic_category()));
}

TEST(Error, TextHasTheFactsAndTheMeaning) {
  const Error error(ErrorCode::not_assigned, "worker ID 7 of cluster \"c\"");
  const std::string text = error.what();
  EXPECT_NE(text.find("worker ID 7 of cluster \"c\""), std::string::npos) << text;
  EXPECT_NE(text.find("not assigned"), std::string::npos) << text;
  EXPECT_FALSE(error.retry_after().has_value());
}

TEST(Error, SaysWhenToRetry) {
  const Error error(ErrorCode::no_available_id, "all taken", std::chrono::milliseconds{1234});
  EXPECT_EQ(error.retry_after(), std::chrono::milliseconds{1234});
}

TEST(Error, IsCaughtAsAStandardException) {
  try {
    throw Error(ErrorCode::denied, "no permission");
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), ErrorCode::denied);
  }
  EXPECT_THROW(throw Error(ErrorCode::denied, "no permission"), std::runtime_error);
}

}  // namespace
}  // namespace workerid::tests
