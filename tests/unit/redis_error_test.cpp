// SPDX-License-Identifier: MIT
//
// Every answer of a server that matters, in the words of the servers.
#include "stores/redis/cluster_connection.hpp"
#include "stores/redis/server_error.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using detail::redis::is_unknown_script;
using detail::redis::server_error;
using detail::redis::shown;

struct Answer {
  std::string text;
  ErrorCode code;
  std::string advice;  // part of what the message says to do
};

const std::vector<Answer>& answers() {
  static const std::vector<Answer> table{
      {"LOADING Redis is loading the dataset in memory", ErrorCode::unavailable, "answer soon"},
      {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
       ErrorCode::unavailable, "SCRIPT KILL"},
      {"UNKILLABLE Sorry the script already executed write commands against the dataset.",
       ErrorCode::unavailable, "script"},
      {"READONLY You can't write against a read only replica.", ErrorCode::unavailable, "master"},
      {"READONLY You can't write against a read only replica. script: "
       "5d0c3a2b, on @user_script:37.",
       ErrorCode::unavailable, "master"},
      {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
       ErrorCode::unavailable, "master"},
      {"NOREPLICAS Not enough good replicas to write.", ErrorCode::unavailable,
       "min-replicas-to-write"},
      {"OOM command not allowed when used memory > 'maxmemory'.", ErrorCode::unavailable,
       "maxmemory"},
      {"@user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
       ErrorCode::unavailable, "maxmemory"},
      {"ERR Error running script (call to f_2f): @user_script:1: @user_script: 1: -READONLY You "
       "can't write against a read only replica.",
       ErrorCode::unavailable, "master"},
      {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
       "disk.",
       ErrorCode::unavailable, "disk"},
      {"CLUSTERDOWN The cluster is down", ErrorCode::unavailable, "CLUSTER INFO"},
      {"TRYAGAIN Multiple keys request during rehashing of slot", ErrorCode::unavailable, "repeat"},
      {"MOVED 3999 127.0.0.1:6381", ErrorCode::unavailable, "another node"},
      {"ASK 3999 127.0.0.1:6381", ErrorCode::unavailable, "another node"},
      {"ERR max number of clients reached", ErrorCode::unavailable, "maxclients"},
      {"ERR Error running script: Script killed by user with SCRIPT KILL.", ErrorCode::unavailable,
       "repeat"},
      {"NOAUTH Authentication required.", ErrorCode::denied, "password into the URL"},
      {"WRONGPASS invalid username-password pair or user is disabled.", ErrorCode::denied,
       "user or the password"},
      {"NOPERM this user has no permissions to run the 'evalsha' command", ErrorCode::denied,
       "permissions"},
      {"ERR The user executing the script can't run this command or subcommand", ErrorCode::denied,
       "permissions"},
      {"DENIED Redis is running in protected mode because protected mode is enabled",
       ErrorCode::denied, "protected mode"},
      {"ERR AUTH <password> called without any password configured for the default user. Are you "
       "sure your configuration is correct?",
       ErrorCode::denied, "the server has none"},
      {"ERR Client sent AUTH, but no password is set", ErrorCode::denied, "the server has none"},
      {"ERR DB index is out of range", ErrorCode::invalid_argument, "fewer databases"},
      {"ERR SELECT is not allowed in cluster mode", ErrorCode::invalid_argument, "database 0"},
      {"WRONGTYPE Operation against a key holding the wrong kind of value",
       ErrorCode::corrupt_record, "another program"},
      {"CROSSSLOT Keys in request don't hash to the same slot", ErrorCode::unsupported_server,
       "hash tags"},
      {"NOSCRIPT No matching script. Please use EVAL.", ErrorCode::unsupported_server, "keep"},
      {"ERR unknown command 'EVALSHA', with args beginning with: ", ErrorCode::unsupported_server,
       "6.2"},
      {"ERR Unknown Redis command called from script script: 5d0c3a2b, on @user_script:37.",
       ErrorCode::unsupported_server, "renamed"},
      {"ERR Protocol error: invalid multibulk length", ErrorCode::unsupported_server,
       "Redis commands"},
      {"ERR something new", ErrorCode::unsupported_server, "unexpected"},
      {"", ErrorCode::unsupported_server, "unexpected"},
      {"OOMPH", ErrorCode::unsupported_server, "unexpected"},
  };
  return table;
}

TEST(RedisServerError, HasTheCodeThatSaysWhatToDo) {
  for (const Answer& answer : answers()) {
    const Error error = server_error("redis://db:6379/0", answer.text);
    const std::string text = error.what();
    EXPECT_EQ(name(error.error_code()), name(answer.code)) << answer.text;
    EXPECT_NE(text.find(answer.advice), std::string::npos) << text;
    EXPECT_NE(text.find("redis://db:6379/0"), std::string::npos) << text;
  }
}

TEST(RedisServerError, KnowsAScriptThatWasForgottenByItsFirstWord) {
  EXPECT_TRUE(is_unknown_script("NOSCRIPT No matching script. Please use EVAL."));
  EXPECT_TRUE(is_unknown_script("NOSCRIPT No matching script."));
  EXPECT_FALSE(is_unknown_script("NOSCRIPTS"));
  EXPECT_FALSE(is_unknown_script("ERR NOSCRIPT"));
}

TEST(RedisServerError, ShowsNoWordOfTheCommand) {
  const Error error = server_error(
      "redis://db:6379/0", "ERR unknown command 'AUTH', with args beginning with: 'hunter2'");
  EXPECT_EQ(std::string{error.what()}.find("hunter2"), std::string::npos) << error.what();
}

TEST(RedisServerError, IsFitToBeShown) {
  EXPECT_EQ(shown("ERR a\nb\x1b[2J\xff"), "ERR a?b?[2J?");
  const std::string cut = shown(std::string(1000, 'x'));
  EXPECT_EQ(cut.size(), 203U);
  EXPECT_EQ(cut.find_first_not_of('x'), 200U);
  EXPECT_TRUE(cut.ends_with("..."));
}

TEST(RedisErrors, TellWhereAKeyWent) {
  using detail::redis::redirection;
  const auto moved = redirection("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_TRUE(moved->moved);
  EXPECT_EQ(moved->node.host, "127.0.0.1");
  EXPECT_EQ(moved->node.port, 6381);
  const auto asked = redirection("ASK 3999 2001:db8::7:6381");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->moved);
  EXPECT_EQ(asked->node.host, "2001:db8::7");
  EXPECT_EQ(redirection("MOVED 3999 :6381")->node.host, "") << "the host that was asked";
  EXPECT_EQ(redirection("MOVED 3999 ?:6381")->node.host, "") << "the same";
  for (const std::string text :
       {"MOVED", "MOVED 3999", "MOVED a:1", "MOVED 3999 a:b", "MOVED 3999 a:", "MOVED 3999 a:0",
        "MOVED 3999 a:-1", "MOVED 3999 a:70000", "MOVED 3999 a:6381x", "MOVED 16384 a:1",
        "MOVED -1 a:1", "MOVED x a:1", "MOVED 3999 a b:1", "MOVED 3999 a\x1b[2J:1",
        "MOVED 3999 a\r\n:1", "MOVED 3999 \xe2\x80\xae:1", "ASKING 1 a:1", "ERR MOVED 3999 a:1"}) {
    EXPECT_FALSE(redirection(text)) << text;
  }
  EXPECT_FALSE(redirection("MOVED 3999 " + std::string(254, 'a') + ":1"));
}

// A node may be of any make: what makes no sense is left out, and a replica never stands for a master.
TEST(RedisErrors, SlotsAreReadWithTheirRanges) {
  using Array = RedisReply::Array;
  const auto number = [](std::int64_t value) { return RedisReply{value}; };
  const auto node = [&](const std::string& host, std::int64_t port) {
    return RedisReply{Array{{host}, number(port), {std::string{"id"}}}};
  };
  const auto ranges = [](std::vector<RedisReply> entries) {
    return detail::redis::slot_ranges(RedisReply{Array{std::move(entries)}});
  };
  const auto entry = [&](std::int64_t first, std::int64_t last, const RedisReply& master,
                         const RedisReply& replica) {
    return RedisReply{Array{number(first), number(last), master, replica}};
  };
  const RedisReply good = node("::1", 7000);
  const auto read = ranges({entry(0, 16383, good, node("replica.example", 7001))});
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read.front().last, 16383);
  ASSERT_EQ(read.front().nodes.size(), 2U);
  EXPECT_EQ(read.front().nodes[1].host, "replica.example");
  EXPECT_EQ(ranges({entry(5, 5, node("?", 7000), good)}).front().nodes[0].host, "");
  EXPECT_EQ(ranges({entry(5, 5, good, node("a b", 7000))}).front().nodes.size(), 1U);
  for (const RedisReply& wrong : {node("a\x1b[2J", 7000), node(std::string(254, 'a'), 7000),
                                  node("a", 0), node("a", -1), node("a", 65'536), number(1)}) {
    EXPECT_TRUE(ranges({entry(0, 5, wrong, good)}).empty());
  }
  for (const auto& [first, last] : {std::pair{-1, 5}, {6, 5}, {0, 16'384}}) {
    EXPECT_TRUE(ranges({entry(first, last, good, good)}).empty());
  }
  EXPECT_TRUE(ranges({entry(0, 16'383, good, good), entry(0, 0, good, good)}).empty()) << "twice";
}

TEST(RedisErrors, TellAReplica) {
  using detail::redis::is_replica;
  EXPECT_TRUE(is_replica("READONLY You can't write against a read only replica."));
  EXPECT_TRUE(
      is_replica("ERR Error running script (call to f_1): @user_script:1: -READONLY You "
                 "can't write against a read only replica. "));
  EXPECT_TRUE(is_replica("MASTERDOWN Link with MASTER is down"));
  EXPECT_FALSE(is_replica("ERR READONLYX"));
}

// The key of the specification's own example, and what a hash tag is.
TEST(RedisSlots, AreThoseOfTheSpecification) {
  using detail::redis::slot_of;
  EXPECT_EQ(slot_of("123456789"), 0x31c3);
  EXPECT_EQ(slot_of("a{123456789}b{c}"), 0x31c3);
  EXPECT_EQ(slot_of("{}123456789") == 0x31c3, false);
  EXPECT_EQ(slot_of(""), 0);
}

}  // namespace
}  // namespace workerid::tests
