// SPDX-License-Identifier: MIT
//
// Passwords, users and what they may do.
#include "redis_subject.hpp"
#include "stores/redis/connection_pool.hpp"
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

using namespace std::chrono_literals;

// What docs/stores.md says that a user needs.
const std::vector<std::string> needed = [] {
  std::vector<std::string> rules;
  for (const auto& command : detail::redis::needed_commands) {
    rules.push_back("+" + std::string{command.name});
  }
  return rules;
}();

class RedisAccess : public ::testing::Test {
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

// A user without one of these permissions leaves nothing: half of an operation would look like a loss,
// and nobody would get an ID for a lease time and a reuse delay.
class RedisRefusals : public RedisAccess {
 protected:
  struct Lack {
    std::string name;
    std::vector<std::string> rules;
  };

  // Each command that changes or reads a cluster's keys; each key, to be read and not written, or not to
  // be used at all; whole classes of commands.
  static std::vector<Lack> lacks() {
    std::vector<Lack> all;
    const auto add = [&](const std::string& name, const std::vector<std::string>& keys,
                         const std::vector<std::string>& commands) {
      all.push_back({name, keys});
      all.back().rules.insert(all.back().rules.end(), commands.begin(), commands.end());
    };
    for (const std::string& missing : needed) {
      if (missing == "+info" || missing == "+hscan") continue;  // only G7 is off; only to look
      std::vector<std::string> commands;
      for (const std::string& rule : needed) {
        if (rule != missing) commands.push_back(rule);
      }
      add(missing, {"~{workerid:*}:*"}, commands);
    }
    for (const std::string part : {"cluster", "order", "instances"}) {
      std::vector<std::string> others;
      for (const std::string other : {"cluster", "order", "instances", "nothing"}) {
        if (other != part) others.push_back("~{workerid:*}:" + other);
      }
      add("no " + part, others, needed);
      others.push_back("%R~{workerid:*}:" + part);
      add(part + " not written", others, needed);
    }
    for (const std::string commands : {"-@scripting", "-@write", "-@sortedset", "-@hash"}) {
      add(commands, {"~*"}, {"+@all", commands});
    }
    return all;
  }

  // Every key with all that is in it, in an order of its own.
  RedisReply data() {
    constexpr const char* script = R"lua(
      local all = redis.call('KEYS', '*')
      table.sort(all)
      for index, key in ipairs(all) do
        local fields = {}
        if redis.call('TYPE', key).ok == 'zset' then
          fields = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
        else
          local pairs_of_it = redis.call('HGETALL', key)
          for at = 1, #pairs_of_it, 2 do
            fields[#fields + 1] = pairs_of_it[at] .. ' ' .. pairs_of_it[at + 1]
          end
          table.sort(fields)
        end
        all[index] = {key, fields}
      end
      return all)lua";
    return administrator.command({"EVAL", script, "0"}, patience);
  }

  detail::redis::ConnectionPool administrator{detail::redis::parse_redis_url(server.url())};

  std::shared_ptr<Store> open_as_worker() const { return open("worker:s%25cret"); }
};

TEST_F(RedisRefusals, TheFirstUseOfAClusterLeavesNothing) {
  for (const auto& [name, rules] : lacks()) {
    SCOPED_TRACE(name);
    server.cli({"FLUSHALL"});
    server.cli({"SCRIPT", "FLUSH"});
    set_user(rules);
    for (int time = 0; time < 2; ++time) {
      Client client;
      client.fresh = false;
      expect_error(ErrorCode::denied, [&] { client.acquire(*open_as_worker()); });
      EXPECT_EQ(server.cli({"KEYS", "*"}), "");
    }
    // Nothing looks like a loss when it is allowed.
    Client client;
    client.fresh = false;
    EXPECT_EQ(client.acquire(*open_redis_store(server.url())).worker_id, 1);
  }
}

TEST_F(RedisRefusals, NoOperationIsDoneByHalf) {
  const auto all = open_redis_store(server.url());
  const auto limited = [](int most) {
    Client client;
    client.configuration = {1, most, 60s, 30s, 0ms};
    return client;
  };
  for (const auto& [name, rules] : lacks()) {
    for (const bool full : {false, true}) {
      SCOPED_TRACE(name + (full ? ", a full pool" : ""));
      server.cli({"FLUSHALL"});
      const Client holder = limited(full ? 3 : 10);
      Client other = holder;
      other.token = Token::random();
      Client gone = other;
      gone.token = Token::random();
      Grant grant = holder.acquire(*all);
      const Grant others = other.acquire(*all);
      const Grant freed = gone.acquire(*all);
      gone.release(*all, freed.worker_id);
      set_user(rules);
      const auto store = open_as_worker();
      int refused = 0;
      const auto attempt = [&](const std::string& what, const auto& operation) {
        for (int time = 0; time < 2; ++time) {
          const RedisReply before = data();
          try {
            operation();
          } catch (const Error& error) {
            if (error.error_code() != ErrorCode::denied) continue;
            ++refused;
            EXPECT_TRUE(data() == before) << what << ": " << error.what();
          }
        }
      };
      const auto acquire = [&](const std::string& instance) {
        Client client = holder;
        client.token = Token::random();
        AcquireRequest request = client.acquisition();
        request.instance = instance;
        store->acquire(request, patience);
      };
      attempt("acquire", [&] { acquire(""); });
      attempt("acquire for an instance", [&] { acquire("pod"); });
      for (const Renewal kind : {Renewal::held, Renewal::strict, Renewal::resume}) {
        attempt("renew", [&] { holder.renew(*store, grant.worker_id, kind); });
      }
      attempt("restore", [&] { holder.restore(*store, grant); });
      attempt("resize", [&] { store->resize({"jobs", 1, full ? 3 : 10, holder.time}, patience); });
      attempt("evict", [&] {
        store->evict({"jobs", others.worker_id, others.epoch, holder.time}, patience);
      });
      attempt("release", [&] { holder.release(*store, grant.worker_id); });
      attempt("release of unused timestamps", [&] {
        store->release({"jobs", others.worker_id, other.token, false, 0, other.time}, patience);
      });
      EXPECT_GE(refused, 2);
      // Those who may go on.
      const auto view = all->inspect("jobs", patience);
      ASSERT_TRUE(view);
      EXPECT_EQ(view->hold_back, 0ms);
    }
  }
}

// A store that was granted IDs does not look at its permissions again before each one.
TEST_F(RedisRefusals, APermissionThatIsTakenAwayLeavesNothing) {
  std::vector<std::string> rules = needed;
  rules.emplace_back("~{workerid:*}:*");
  set_user(rules);
  const auto store = open_as_worker();
  Client holder;
  holder.configuration.max_worker_id = 1000;
  const Grant grant = holder.acquire(*store);
  for (const auto& [name, less] : lacks()) {
    SCOPED_TRACE(name);
    set_user(less);
    for (int time = 0; time < 2; ++time) {
      const RedisReply before = data();
      Client another = holder;
      another.token = Token::random();
      try {
        another.acquire(*store);
      } catch (const Error& error) {
        EXPECT_EQ(error.error_code(), ErrorCode::denied) << error.what();
        EXPECT_TRUE(data() == before) << error.what();
      }
    }
  }
  set_user(rules);
  EXPECT_EQ(holder.renew(*store, grant.worker_id).epoch, grant.epoch);
}

TEST_F(RedisRefusals, WhoMayNotWaitForReplicasIsGrantedNothing) {
  std::vector<std::string> rules = needed;
  rules.emplace_back("~{workerid:*}:*");
  set_user(rules);
  const std::string url = "redis://worker:s%25cret@127.0.0.1:" + std::to_string(server.port());
  for (int time = 0; time < 2; ++time) {
    expect_error_naming(
        ErrorCode::denied, [&] { Client{}.acquire(*open_redis_store(url + "?wait_replicas=1")); },
        "wait");
    EXPECT_EQ(server.cli({"KEYS", "*"}), "");
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
