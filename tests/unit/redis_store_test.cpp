// SPDX-License-Identifier: MIT
//
// What the store sends over a connection, and what it makes of the answers.
#include "stores/redis/packed.hpp"
#include "stores/redis/scripts.hpp"
#include "stores/redis/sha1.hpp"
#include "support/expect_error.hpp"

#include <workerid/redis_store.hpp>

#include <chrono>
#include <deque>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using Array = RedisReply::Array;
using Words = std::vector<std::string>;
using detail::redis::packed;

RedisReply whole(std::int64_t value) {
  return {value};
}
RedisReply text(std::string value) {
  return {std::move(value)};
}
RedisReply array(Array values) {
  return {std::move(values)};
}
RedisReply error(std::string value) {
  return {RedisReply::ServerError{std::move(value)}};
}

// Answers what it is told to, and remembers what it was sent.
class ScriptedConnection final : public RedisConnection {
 public:
  RedisReply command(const Words& words, std::chrono::milliseconds timeout) override {
    if (words.size() > 1 && words[1].starts_with("return 1 -- workerid knows")) {
      marks.push_back(words);
      return {RedisReply::Nil{}};
    }
    if (words.size() > 1 &&
        words[1] == detail::redis::sha1_hex("return 1 -- workerid knows the cluster c")) {
      ++questions;
      return marked ? whole(1) : error("NOSCRIPT No matching script. Please use EVAL.");
    }
    commands.push_back(words);
    timeouts.push_back(timeout);
    RedisReply reply = std::move(replies.front());
    replies.pop_front();
    return reply;
  }
  std::string description() const override { return "scripted:"; }

  std::deque<RedisReply> replies;
  std::vector<Words> commands;
  std::vector<Words> marks;
  int questions = 0;  // whether the server has the mark of "c"
  bool marked = false;
  std::vector<std::chrono::milliseconds> timeouts;
};

class RedisStoreTest : public ::testing::Test {
 protected:
  Grant acquire() { return store->acquire(request, 5s); }
  Grant renew() {
    return store->renew({.cluster = "c", .worker_id = 5, .token = request.token, .client = {}}, 5s);
  }
  void release() {
    store->release({.cluster = "c",
                    .worker_id = 5,
                    .token = request.token,
                    .last_timestamp_ms = 30,
                    .client = {}},
                   5s);
  }

  void answer(RedisReply reply) { connection->replies.push_back(std::move(reply)); }

  const std::shared_ptr<ScriptedConnection> connection = std::make_shared<ScriptedConnection>();
  const std::shared_ptr<Store> store = open_redis_store(connection);
  const Token owner = Token::random();
  const AcquireRequest request{.cluster = "c",
                               .configuration = {1, 10, 60s, 30s, 1s},
                               .token = Token::random(),
                               .instance = "pod-0",
                               .takeover = {{owner}, 9},
                               .owner = "host 1",
                               .seen_epoch = 7,
                               .client = {{BootTime{7'999'999ns}, WallTime{1234ms}}, "machine"}};
};

const RedisReply granted = text(packed({5, 1790000000000001, 10, 20, 60'000}));

TEST_F(RedisStoreTest, SendsOneScriptWithAllKeysInOneSlot) {
  answer(granted);
  EXPECT_EQ(acquire(), (Grant{5, 1790000000000001, {10, 20}, 60s}));
  const auto& bytes = request.token.bytes();
  EXPECT_EQ(connection->commands,
            (std::vector<Words>{{"EVALSHA",
                                 std::string{detail::redis::acquire_script.sha1},
                                 "3",
                                 "{workerid:c}:cluster",
                                 "{workerid:c}:order",
                                 "{workerid:c}:instances",
                                 {bytes.begin(), bytes.end()},
                                 packed({1, 10, 60000, 30000, 1000}),
                                 packed({1234, 7}) + "machine",
                                 "pod-0",
                                 "host 1",
                                 // fresh, seen epoch, the epoch and the tokens of a takeover
                                 std::string{'\0'} + packed({7, 9}) +
                                     std::string{owner.bytes().begin(), owner.bytes().end()}}}));
  EXPECT_LE(connection->timeouts.front(), 5s);
  EXPECT_GT(connection->timeouts.front(), 0s);
}

// G7: whoever has a lease keeps the cluster known to this life of the server.
TEST_F(RedisStoreTest, MarksTheClusterOnceInAFifthOfTheLease) {
  for (int count = 0; count < 3; ++count) {
    answer(granted);
    renew();
  }
  EXPECT_EQ(connection->marks,
            (std::vector<Words>{{"EVAL", "return 1 -- workerid knows the cluster c", "1",
                                 "{workerid:c}:cluster"}}));
}

// A process that starts after others has nothing to mark, and waits for nothing more.
TEST_F(RedisStoreTest, LeavesAMarkAloneThatIsThere) {
  connection->marked = true;
  answer(granted);
  acquire();
  answer(granted);
  renew();
  EXPECT_EQ(connection->questions, 1);
  EXPECT_EQ(connection->marks, std::vector<Words>{});
}

TEST_F(RedisStoreTest, MarksWhatItFindsUnmarked) {
  answer(granted);
  acquire();
  answer(granted);
  acquire();
  EXPECT_EQ(connection->questions, 1);
  EXPECT_EQ(connection->marks.size(), 1U);
}

// The mark says that something was granted.
TEST_F(RedisStoreTest, MarksNothingWhenItIsRefused) {
  answer(array({text("token_used_up")}));
  expect_error(ErrorCode::invalid_token, [&] { acquire(); });
  EXPECT_EQ(connection->marks, std::vector<Words>{});
}

// FIPS 180-4's examples, and what Redis itself says.
TEST(Sha1, IsThatOfEveryone) {
  using detail::redis::sha1_hex;
  EXPECT_EQ(sha1_hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(sha1_hex(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  for (const auto& script : {detail::redis::acquire_script, detail::redis::renew_script}) {
    EXPECT_EQ(sha1_hex(script.text), script.sha1);
  }
}

TEST_F(RedisStoreTest, AsksTheScriptCacheForAClusterThatIsNotThere) {
  const RedisReply unknown = array({text("unknown_cluster"), text("incarnation")});
  answer(unknown);
  answer(granted);
  acquire();
  EXPECT_EQ(connection->questions, 2);
  EXPECT_EQ(connection->commands.at(1).back(), "incarnation");

  // It was marked a moment ago, so it is asked where the server does not know the cluster.
  connection->marked = true;
  answer(unknown);
  answer(unknown);
  answer(array({text("holding_back"), whole(90'000), whole(1)}));
  const Error refused = expect_error_naming(
      ErrorCode::holding_back, [&] { acquire(); }, "90000 ms", "--fresh");
  EXPECT_EQ(refused.retry_after(), 90s);
  EXPECT_EQ(connection->questions, 4);
  EXPECT_EQ(connection->commands.at(3), connection->commands.at(2));
  EXPECT_EQ(connection->commands.at(4).back(), "seen");
}

TEST_F(RedisStoreTest, EndsWhereAServerForgetsAgainAndAgain) {
  for (int count = 0; count < 4; ++count) {
    answer(array({text("unknown_cluster"), text("incarnation")}));
  }
  expect_error(ErrorCode::unavailable, [&] { acquire(); });
}

TEST_F(RedisStoreTest, SendsTheTextOfAScriptThatTheServerForgot) {
  answer(error("NOSCRIPT No matching script. Please use EVAL."));
  answer(granted);
  EXPECT_EQ(acquire().worker_id, 5);
  ASSERT_EQ(connection->commands.size(), 2U);
  Words expected = connection->commands.at(0);
  expected.at(0) = "EVAL";
  expected.at(1) = detail::redis::acquire_script.text;
  EXPECT_EQ(connection->commands.at(1), expected);
}

// One of several brings the script along for the others.
TEST_F(RedisStoreTest, SendsAForgottenScriptOnceForSeveralRenewals) {
  const RenewRequest renewal{.cluster = "c", .worker_id = 5, .token = request.token, .client = {}};
  for (int count = 0; count < 3; ++count) answer(error("NOSCRIPT No matching script."));
  answer(granted);
  answer(granted);
  answer(array({text("never_granted")}));
  const auto answers = store->renew_all(std::vector<RenewRequest>(3, renewal), 5s);
  std::vector<std::string> verbs;
  for (const Words& words : connection->commands) verbs.push_back(words.at(0));
  EXPECT_EQ(verbs, (Words{"EVALSHA", "EVALSHA", "EVALSHA", "EVAL", "EVALSHA", "EVALSHA"}));
  EXPECT_EQ(connection->commands.at(3).at(1), detail::redis::renew_script.text);
  EXPECT_EQ(std::get<Grant>(answers.at(0)).worker_id, 5);
  EXPECT_EQ(std::get<Grant>(answers.at(1)).worker_id, 5);
  EXPECT_EQ(std::get<Error>(answers.at(2)).error_code(), ErrorCode::not_assigned);
}

TEST_F(RedisStoreTest, GivesUpOnAServerThatForgetsAtOnceForSeveralRenewals) {
  const RenewRequest renewal{.cluster = "c", .worker_id = 5, .token = request.token, .client = {}};
  for (int count = 0; count < 5; ++count) answer(error("NOSCRIPT No matching script."));
  const auto answers = store->renew_all(std::vector<RenewRequest>(2, renewal), 5s);
  for (const RenewAnswer& refused : answers) {
    EXPECT_EQ(std::get<Error>(refused).error_code(), ErrorCode::unsupported_server);
  }
}

TEST_F(RedisStoreTest, GivesUpOnAServerThatForgetsAtOnce) {
  answer(error("NOSCRIPT No matching script."));
  answer(error("NOSCRIPT No matching script."));
  expect_error(ErrorCode::unsupported_server, [&] { acquire(); });
}

TEST_F(RedisStoreTest, MapsServerErrors) {
  answer(error("LOADING Redis is loading the dataset in memory"));
  expect_error_naming(
      ErrorCode::unavailable, [&] { renew(); }, "scripted:", "LOADING");
  answer(error("NOPERM this user has no permissions to run the 'evalsha' command"));
  expect_error_naming(
      ErrorCode::denied, [&] { release(); }, "evalsha");
}

TEST_F(RedisStoreTest, MapsRefusedAcquisitions) {
  answer(array({text("all_taken"), whole(10), whole(4500)}));
  const Error exhausted = expect_error(ErrorCode::no_available_id, [&] { acquire(); });
  EXPECT_EQ(exhausted.retry_after(), 4500ms);

  answer(array({text("other_configuration"), whole(1), whole(20), whole(1), whole(2), whole(3)}));
  expect_error_naming(
      ErrorCode::configuration_mismatch, [&] { acquire(); }, "1 to 20", "1 to 10");

  answer(array({text("token_used_up")}));
  expect_error_naming(
      ErrorCode::invalid_token, [&] { acquire(); }, "released");
}

TEST_F(RedisStoreTest, MapsRefusedLeases) {
  const std::vector<std::pair<RedisReply, ErrorCode>> table{
      {array({text("unknown_cluster")}), ErrorCode::not_assigned},
      {array({text("outside_range"), whole(6), whole(9)}), ErrorCode::invalid_worker_id},
      {array({text("never_granted")}), ErrorCode::not_assigned},
      {array({text("released_by_another"), whole(7)}), ErrorCode::not_assigned},
      {array({text("granted_to_another"), whole(7)}), ErrorCode::token_mismatch},
      {array({text("released_before")}), ErrorCode::not_assigned},
      {array({text("ended"), whole(12)}), ErrorCode::token_expired},
  };
  for (const auto& [reply, code] : table) {
    answer(reply);
    expect_error_naming(
        code, [&] { renew(); }, "worker ID 5", "\"c\"");
    answer(reply);
    expect_error_naming(
        code, [&] { release(); }, "worker ID 5", "\"c\"");
  }
  answer(array({text("timestamp_above"), whole(20)}));
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { release(); }, "30", "20");
}

TEST_F(RedisStoreTest, ListsClustersBatchByBatch) {
  answer(array({text("7"), array({text("{workerid:b}:cluster"), text("{workerid:a/1}:cluster")})}));
  answer(array({text("0"), array({text("{workerid:b}:cluster"), text("{workerid:c d}:cluster")})}));
  EXPECT_EQ(store->clusters(5s), (Words{"a/1", "b"}));
  EXPECT_EQ(connection->commands.at(0),
            (Words{"SCAN", "0", "MATCH", "{workerid:*}:cluster", "COUNT", "1000"}));
  EXPECT_EQ(connection->commands.at(1).at(1), "7");
  for (const RedisReply& shape :
       {text("0"), array({text("0")}), array({text("0"), text("x")}), array({text(""), array({})}),
        array({text("-1"), array({})}), array({text("1x"), array({})}),
        array({text(std::string(41, '1')), array({})}), array({text("0"), array({whole(1)})}),
        array({text("0"), array({text(":cluster")})})}) {
    answer(shape);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { store->clusters(5s); }, "wrong shape");
  }
}

TEST_F(RedisStoreTest, MapsAnswersToAdministration) {
  const ResizeRequest wider{"c", 1, 20, {}};
  answer(array({text("resized"), whole(1), whole(20), whole(1), whole(2), whole(3)}));
  EXPECT_EQ(store->resize(wider, 5s), (Configuration{1, 20, 1ms, 2ms, 3ms}));
  EXPECT_EQ(connection->commands.at(0).at(6), packed({1, 20}));
  answer(array({text("resized"), whole(1), whole(10), whole(1), whole(2), whole(3)}));
  expect_error(ErrorCode::corrupt_record, [&] { store->resize(wider, 5s); });
  answer(array({text("unknown_cluster")}));
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { store->resize(wider, 5s); }, "\"c\"");

  const EvictRequest eviction{"c", 5, 77, {}};
  answer(array({text("evicted"), whole(1234)}));
  EXPECT_EQ(store->evict(eviction, 5s), 1234ms);
  EXPECT_EQ(connection->commands.back().at(7), packed({77}));
  const std::vector<std::pair<RedisReply, ErrorCode>> refusals{
      {array({text("unknown_cluster")}), ErrorCode::not_assigned},
      {array({text("never_granted")}), ErrorCode::not_assigned},
      {array({text("another_epoch"), whole(78)}), ErrorCode::not_assigned},
      {array({text("free")}), ErrorCode::not_assigned},
      {array({text("outside_range"), whole(6), whole(9)}), ErrorCode::invalid_worker_id},
  };
  for (const auto& [reply, code] : refusals) {
    answer(reply);
    expect_error_naming(
        code, [&] { store->evict(eviction, 5s); }, "worker ID 5", "\"c\"");
  }
  answer(array({text("outside_range"), whole(6), whole(9)}));
  expect_error_naming(
      ErrorCode::invalid_worker_id, [&] { acquire(); }, "6 to 9");
}

TEST_F(RedisStoreTest, NamesDataThatIsNotItsOwn) {
  answer(array({text("damaged"), text("{workerid:c}:cluster"), text("the record of worker ID 3")}));
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { acquire(); }, "{workerid:c}:cluster", "worker ID 3");
  answer(array({text("other_format"), whole(3), whole(2)}));
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { renew(); }, "format 3");
}

TEST_F(RedisStoreTest, RefusesRepliesOfTheWrongShape) {
  const std::vector<RedisReply> shapes{
      {RedisReply::Nil{}},
      whole(1),
      text("OK"),
      array({}),
      array({whole(1)}),
      array({text("granted")}),
      text(packed({5, 1, 10, 20})),
      text("\x7f\xf8" + std::string(38, '\0')),  // not a number
      text("\x3f\xe0" + std::string(38, '\0')),  // a half
      array({text("all_taken"), whole(10)}),
      array({text("ended"), {RedisReply::Nil{}}}),
      array({text("page"), text("0")}),
      array({text("something else")}),
  };
  for (const RedisReply& shape : shapes) {
    answer(shape);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { acquire(); }, "wrong shape");
    answer(shape);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { renew(); }, "wrong shape");
    answer(shape);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { release(); }, "wrong shape");
    answer(shape);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { store->inspect("c", 5s); }, "wrong shape");
  }
}

TEST_F(RedisStoreTest, RefusesNumbersThatMakeNoSense) {
  constexpr std::int64_t too_late = std::int64_t{1} << 53U;
  const std::vector<RedisReply> of_acquisitions{
      array({text("holding_back"), whole(-1), whole(0)}),
      array({text("holding_back"), whole(std::numeric_limits<std::int64_t>::min()), whole(0)}),
      array({text("holding_back"), whole(std::numeric_limits<std::int64_t>::max()), whole(0)}),
      array({text("holding_back"), whole(std::int64_t{1} << 40U), whole(0)}),  // 34 years
      array({text("holding_back"), whole(1), whole(2)}),
      array({text("all_taken"), whole(10), whole(-1)}),
      array({text("all_taken"), whole(10), whole(too_late)}),
      array({text("all_taken"), whole(0), whole(1)}),
      array({text("outside_range"), whole(-1), whole(9)}),
      array({text("outside_range"), whole(1), whole(largest_worker_id + 1)}),
      array({text("other_configuration"), whole(-1), whole(20), whole(1), whole(2), whole(3)}),
      array({text("other_configuration"), whole(1), whole(20), whole(-1), whole(2), whole(3)}),
      text(packed({11, 1, 10, 20, 60'000})),
      text(packed({-1, 1, 10, 20, 60'000})),
      text(packed({5, 0, 10, 20, 60'000})),
      text(packed({5, -1, 10, 20, 60'000})),
      text(packed({5, 1, -1, 20, 60'000})),
      text(packed({5, 1, 20, 10, 60'000})),
      text(packed({5, 1, 10, 20, 0})),
      text(packed({5, 1, 10, 20, -1})),
      text(packed({5, 1, 10, 20, too_late - 1})),
  };
  for (const RedisReply& reply : of_acquisitions) {
    SCOPED_TRACE(testing::PrintToString(&reply - of_acquisitions.data()));
    answer(reply);
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { acquire(); }, "scripted:");
  }
  const std::vector<RedisReply> of_leases{
      array({text("granted_to_another"), whole(0)}),
      array({text("granted_to_another"), whole(too_late)}),
      array({text("another_epoch"), whole(-1)}),
      array({text("ended"), whole(-1)}),
      array({text("evicted"), whole(-1)}),
      array({text("evicted"), whole(std::int64_t{1} << 40U)}),
  };
  for (const RedisReply& reply : of_leases) {
    SCOPED_TRACE(testing::PrintToString(&reply - of_leases.data()));
    answer(reply);
    expect_error(ErrorCode::corrupt_record, [&] { store->evict({"c", 5, 77, {}}, 5s); });
  }
}

RedisReply row(std::int64_t worker_id, std::int64_t lease_end) {
  return array({whole(worker_id), whole(worker_id + 100), whole(lease_end), whole(lease_end + 50),
                whole(10), whole(20), whole(0), text("pod"), text("host")});
}

RedisReply page(const std::string& cursor, Array rows, std::int64_t clock) {
  return array({text("page"), text(cursor), array(std::move(rows)), whole(clock), whole(999),
                whole(3), whole(800), whole(1), whole(10), whole(100), whole(50), whole(0)});
}

// A scan of a table that grows meanwhile may show a record twice.
TEST_F(RedisStoreTest, MergesThePagesOfAnInspection) {
  answer(page("17", {row(3, 1000), row(1, 1000)}, 500));
  answer(page("0", {row(2, 1000), row(3, 2000)}, 600));
  const auto view = store->inspect("c", 5s);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->configuration, (Configuration{1, 10, 100ms, 50ms, 0ms}));
  EXPECT_EQ(view->last_epoch, 999U);
  EXPECT_EQ(view->never_granted, 7);
  EXPECT_EQ(view->hold_back, 200ms);
  ASSERT_EQ(view->leases.size(), 3U);
  EXPECT_EQ(view->leases.at(0).worker_id, 1);
  EXPECT_EQ(view->leases.at(0).lease_left, 500ms);
  EXPECT_EQ(view->leases.at(1).worker_id, 2);
  EXPECT_EQ(view->leases.at(1).lease_left, 400ms);
  EXPECT_EQ(view->leases.at(2).worker_id, 3);
  EXPECT_EQ(view->leases.at(2).lease_left, 1400ms);
  EXPECT_EQ(view->leases.at(2).epoch, 103U);
  EXPECT_EQ(connection->commands.at(0).at(6), "0");
  EXPECT_EQ(connection->commands.at(1).at(6), "17");
}

TEST_F(RedisStoreTest, KnowsNothingOfAnUnknownCluster) {
  answer(array({text("unknown_cluster")}));
  EXPECT_FALSE(store->inspect("c", 5s).has_value());
}

TEST_F(RedisStoreTest, RefusesTimesThatTheScriptsCannotCount) {
  AcquireRequest longer = request;
  longer.configuration.reuse_delay = std::chrono::milliseconds::max();
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { store->acquire(longer, 5s); },
      std::to_string(std::chrono::milliseconds::max().count()));
  EXPECT_TRUE(connection->commands.empty());
}

TEST(RedisStore, NeedsAConnection) {
  expect_error(ErrorCode::invalid_argument,
               [] { open_redis_store(std::shared_ptr<RedisConnection>{}); });
}

}  // namespace
}  // namespace workerid::tests
