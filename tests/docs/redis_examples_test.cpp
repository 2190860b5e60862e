// SPDX-License-Identifier: MIT
//
// Each example that uses Redis does what it says.
#include "../../examples/hiredis_connection.hpp"
#include "docs/examples.hpp"
#include "support/process.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace workerid::tests {

namespace {

using namespace std::chrono_literals;

// Whether the cluster's first worker ID was granted and given back.
bool released(const RedisServer& server, const std::string& cluster) {
  const auto view = open_redis_store(server.url())->inspect(cluster, 5s);
  return view && view->leases.size() == 1 && view->leases.front().worker_id == 1 &&
         (view->leases.front().state == LeaseState::cooling_down ||
          view->leases.front().state == LeaseState::free);
}

// The example on a lease of two seconds, so that it renews soon.
std::vector<std::string> redis_example(const RedisServer& server) {
  return {example("redis"), server.url(), "2"};
}

void expect_graceful_shutdown(int signal) {
  const RedisServer server;
  Process process(redis_example(server));
  ASSERT_TRUE(process.wait_for_output("renewed worker ID 1\n")) << process.errors();
  process.signal(signal);
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.errors();
  EXPECT_NE(process.output().find("released worker ID 1\n"), std::string::npos) << process.output();
  EXPECT_TRUE(released(server, "my-app-cluster"));
}

}  // namespace

TEST(RedisExamples, LeaseHoldsAndReleases) {
  const RedisServer server;
  Process process({example("lease"), server.url()});
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.errors();
  EXPECT_NE(process.output().find("order 3 taken by worker 1\n"), std::string::npos)
      << process.output();
  EXPECT_TRUE(released(server, "mycluster"));
}

TEST(RedisExamples, RedisReleasesOnSigterm) {
  expect_graceful_shutdown(SIGTERM);
}

TEST(RedisExamples, RedisReleasesOnSigint) {
  expect_graceful_shutdown(SIGINT);
}

TEST(RedisExamples, RedisStopsWhenItsLeaseRunsOut) {
  RedisServer server;
  Process process(redis_example(server));
  ASSERT_TRUE(process.wait_for_output("got worker ID 1\n")) << process.errors();
  server.kill();
  EXPECT_EQ(process.wait(), (ExitStatus{.code = 1}));
  EXPECT_NE(process.errors().find("worker ID 1 expired\n"), std::string::npos) << process.errors();
}

TEST(RedisExamples, OwnClientHoldsAndReleases) {
  const RedisServer server;
  Process process({example("own_redis_client"), "127.0.0.1", std::to_string(server.port())});
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.errors();
  EXPECT_NE(process.output().find("worker ID 1 from 127.0.0.1:"), std::string::npos)
      << process.output();
  EXPECT_TRUE(released(server, "mycluster"));
}

// The contract of RedisConnection, on the example's class.
TEST(RedisExamples, OwnClientTellsWhatMayHaveHappenedAndReconnects) {
  std::signal(SIGPIPE, SIG_IGN);
  RedisServer server;
  HiredisConnection connection("127.0.0.1", server.port());
  const auto code_of_ping = [&]() -> std::optional<ErrorCode> {
    try {
      connection.command({"PING"}, 5s);
      return std::nullopt;
    } catch (const Error& error) {
      return error.error_code();
    }
  };
  EXPECT_EQ(code_of_ping(), std::nullopt);
  server.kill();
  EXPECT_EQ(code_of_ping(), ErrorCode::outcome_unknown);  // sent on the connection that is gone
  EXPECT_EQ(code_of_ping(), ErrorCode::unavailable);      // not even connected
  server.restart();
  EXPECT_EQ(code_of_ping(), std::nullopt);
}

TEST(RedisExamples, OwnClientTranslatesEveryKindOfReply) {
  const RedisServer server;
  HiredisConnection connection("127.0.0.1", server.port());
  const auto reply = [&](const std::string& lua) {
    return connection.command({"EVAL", lua, "0"}, 5s);
  };
  EXPECT_EQ(reply("return false"), RedisReply{RedisReply::Nil{}});
  EXPECT_EQ(reply("return 7"), RedisReply{std::int64_t{7}});
  EXPECT_EQ(reply("return 'a\\0b'"), RedisReply{std::string("a\0b", 3)});
  EXPECT_EQ(reply("return redis.status_reply('FINE')"), RedisReply{std::string("FINE")});
  EXPECT_EQ(reply("return redis.error_reply('BAD luck')"),
            (RedisReply{RedisReply::ServerError{"BAD luck"}}));
  EXPECT_EQ(
      reply("return {1, {'x'}}"),
      (RedisReply{RedisReply::Array{{std::int64_t{1}}, {RedisReply::Array{{std::string("x")}}}}}));
}

}  // namespace workerid::tests
