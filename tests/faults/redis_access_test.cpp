// SPDX-License-Identifier: MIT
//
// Passwords, users and what they may do.
#include "redis_subject.hpp"
#include "stores/redis/permissions.hpp"
#include "support/expect_error.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

// What docs/stores.md says that a user needs.
const std::vector<std::string> needed = [] {
  std::vector<std::string> rules;
  for (const auto& command : detail::redis::needed_commands) {
    rules.push_back("+" + std::string{command.name});
  }
  return rules;
}();

class RedisAccess : public testing::Test {
 protected:
  void set_user(const std::vector<std::string>& rules) const {
    std::vector<std::string> words{"ACL", "SETUSER", "worker", "reset", "on", ">s%cret"};
    words.insert(words.end(), rules.begin(), rules.end());
    ASSERT_EQ(server.cli(words), "OK");
  }

  std::shared_ptr<Store> open(const std::string& credentials) const {
    return open_redis_store("redis://" + credentials +
                            "@127.0.0.1:" + std::to_string(server.port()));
  }

  RedisServer server;
};

TEST_F(RedisAccess, NeedsNoMoreThanIsDocumented) {
  std::vector<std::string> rules = needed;
  rules.emplace_back("~{workerid:*}:*");
  set_user(rules);
  const auto store = open("worker:s%25cret");
  const Client holder;
  const Grant grant = holder.acquire(*store);
  holder.renew(*store, grant.worker_id);
  holder.renew(*store, grant.worker_id, Renewal::resume);
  EXPECT_EQ(store->inspect("jobs", patience)->leases.size(), 1U);
  holder.release(*store, grant.worker_id);
}

TEST_F(RedisAccess, MissingPermissionsAreDenied) {
  for (const std::string& missing : needed) {
    if (missing == "+info") continue;  // Without it only G7 is off.
    SCOPED_TRACE(missing);
    server.cli({"FLUSHALL"});
    server.cli({"SCRIPT", "FLUSH"});
    std::vector<std::string> rules;
    for (const std::string& rule : needed) {
      if (rule != missing) rules.push_back(rule);
    }
    rules.emplace_back("~{workerid:*}:*");
    set_user(rules);
    const auto store = open("worker:s%25cret");
    expect_error(ErrorCode::denied, [&] {
      Client client;
      client.configuration.max_worker_id = 1;
      client.acquire(*store);
      client.renew(*store, 1);
      store->inspect("jobs", patience);
      const auto acquire_refused = [&](ErrorCode code) {
        client.token = Token::random();
        try {
          client.acquire(*store);
        } catch (const Error& error) {
          if (error.error_code() != code) throw;
        }
      };
      acquire_refused(ErrorCode::no_available_id);  // the order is looked at
      server.cli({"DEL", "{workerid:jobs}:order"});
      acquire_refused(ErrorCode::holding_back);  // and made anew
    });
  }
}

TEST_F(RedisAccess, AdministrationNeedsScanBesides) {
  std::vector<std::string> rules = needed;
  rules.emplace_back("~{workerid:*}:*");
  set_user(rules);
  const auto store = open("worker:s%25cret");
  const Client holder;
  const Grant grant = holder.acquire(*store);
  store->resize({"jobs", 1, 20, holder.time}, patience);
  store->evict({"jobs", grant.worker_id, grant.epoch, holder.time}, patience);
  expect_error_naming(
      ErrorCode::denied, [&] { store->clusters(patience); }, "scan");
  rules.emplace_back("+scan");
  set_user(rules);
  EXPECT_EQ(store->clusters(patience), std::vector<std::string>{"jobs"});
}

TEST_F(RedisAccess, DeniedCommandIsNamed) {
  set_user({"+@all", "-evalsha", "~*"});
  expect_error_naming(
      ErrorCode::denied, [&] { Client{}.acquire(*open("worker:s%25cret")); }, "NOPERM", "evalsha");
}

TEST_F(RedisAccess, ForeignKeysAreDenied) {
  set_user({"+@all", "~other:*"});
  expect_error(ErrorCode::denied, [&] { Client{}.acquire(*open("worker:s%25cret")); });
}

TEST_F(RedisAccess, WrongPasswordIsDeniedWithoutRepeatingIt) {
  set_user({"+@all", "~*"});
  const Error error =
      expect_error(ErrorCode::denied, [&] { Client{}.acquire(*open("worker:hunter2")); });
  const std::string text = error.what();
  EXPECT_NE(text.find("WRONGPASS"), std::string::npos) << text;
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
}

TEST_F(RedisAccess, PasswordThatTheServerDoesNotHaveIsDenied) {
  expect_error_naming(
      ErrorCode::denied, [&] { Client{}.acquire(*open(":hunter2")); }, "the server has none");
}

TEST_F(RedisAccess, MissingPasswordIsDenied) {
  server.cli({"CONFIG", "SET", "requirepass", "secret"});
  expect_error_naming(
      ErrorCode::denied, [&] { Client{}.acquire(*open_redis_store(server.url())); }, "NOAUTH",
      "password into the URL");
  EXPECT_EQ(Client{}.acquire(*open(":secret")).worker_id, 1);
  EXPECT_EQ(Client{}.acquire(*open("default:secret")).worker_id, 2);
}

TEST_F(RedisAccess, AFullServerSaysSo) {
  const auto inside = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*inside);
  server.cli({"CONFIG", "SET", "maxclients", "1"});
  for (const std::string& url : {server.url(), server.socket_url()}) {
    expect_error_naming(
        ErrorCode::unavailable, [&] { Client{}.acquire(*open_redis_store(url)); },
        "max number of clients reached", "maxclients");
  }
  EXPECT_EQ(holder.renew(*inside, grant.worker_id).epoch, grant.epoch);
}

TEST_F(RedisAccess, DatabasesAreApart) {
  const auto store = open_redis_store(server.url() + "/3");
  EXPECT_EQ(Client{}.acquire(*store).worker_id, 1);
  EXPECT_EQ(Client{}.acquire(*open_redis_store(server.socket_url() + "?db=3")).worker_id, 2);
  EXPECT_EQ(Client{}.acquire(*open_redis_store(server.url())).worker_id, 1);
  expect_error_naming(
      ErrorCode::invalid_argument,
      [&] { Client{}.acquire(*open_redis_store(server.url() + "/16")); }, "databases");
}

}  // namespace
}  // namespace workerid::tests
