// SPDX-License-Identifier: MIT
//
// A server that is killed, stopped, restarted, full or a replica, and connections that are cut.
#include "redis_proxy.hpp"
#include "redis_subject.hpp"
#include "support/expect_error.hpp"
#include "support/forked_process.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <atomic>
#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> persistent{"--appendonly", "yes", "--appendfsync", "always"};

TEST(RedisRestart, LeasesSurviveWithPersistence) {
  RedisServer server(persistent);
  const auto store = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*store);

  server.kill();
  expect_error(ErrorCode::unavailable, [&] { holder.renew(*store, grant.worker_id); });
  server.restart();

  const auto reopened = open_redis_store(server.url());
  EXPECT_EQ(holder.renew(*reopened, grant.worker_id, Renewal::held).epoch, grant.epoch);
}

TEST(RedisRestart, AcquiringWorksAgainWithoutPersistence) {
  RedisServer server;
  const auto store = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*store);
  server.restart();
  expect_error(ErrorCode::not_assigned, [&] { holder.renew(*store, grant.worker_id); });
  EXPECT_GT(Client{}.acquire(*store).epoch, grant.epoch);  // G4
}

// A restart closes idle connections: that is found out before a request is entrusted to one.
TEST(RedisRestart, CostsNoUnknownOutcome) {
  RedisServer server(persistent);
  for (const std::string& url : {server.url(), server.socket_url()}) {
    const auto store = open_redis_store(url);
    const Client holder;
    const Grant grant = holder.acquire(*store);
    server.restart();
    EXPECT_EQ(holder.renew(*store, grant.worker_id, Renewal::held).epoch, grant.epoch);
    server.cli({"FLUSHALL"});
  }
}

TEST(RedisRestart, TrafficGoesOnAndNoIdIsHeldTwice) {
  RedisServer server(persistent);
  const auto store = open_redis_store(server.url());
  constexpr int threads = 8;
  std::mutex mutex;
  std::vector<bool> held(11, false);
  std::atomic<int> rounds{0};
  std::atomic<bool> ending{false};

  // G5: repeats with the same token what may or may not have been done.
  const auto repeat = [&](auto operation) {
    while (true) {
      try {
        return operation();
      } catch (const Error& error) {
        if (error.error_code() != ErrorCode::unavailable &&
            error.error_code() != ErrorCode::outcome_unknown &&
            error.error_code() != ErrorCode::holding_back) {
          throw;
        }
      }
    }
  };
  // The release may have been done, and the ID granted to another, before it is repeated.
  const auto release = [&](const Client& client, WorkerId worker_id) {
    try {
      repeat([&] { client.release(*store, worker_id); });
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::token_mismatch &&
          error.error_code() != ErrorCode::not_assigned) {
        throw;
      }
    }
  };
  const auto work = [&] {
    while (!ending) {
      Client client;
      client.configuration = {1, 10, 5s, 2500ms, 0ms};
      const Grant grant = repeat([&] { return client.acquire(*store); });
      const auto index = static_cast<std::size_t>(grant.worker_id);
      {
        const std::lock_guard lock(mutex);
        EXPECT_FALSE(held.at(index)) << "worker ID " << index;  // G1
        held.at(index) = true;
      }
      repeat([&] { return client.renew(*store, grant.worker_id, Renewal::held); });
      {
        const std::lock_guard lock(mutex);
        held.at(index) = false;
      }
      release(client, grant.worker_id);
      ++rounds;
    }
  };
  std::vector<std::thread> workers;
  workers.reserve(threads);
  for (int thread = 0; thread < threads; ++thread) workers.emplace_back(work);
  for (int restart = 0; restart < 2; ++restart) {
    const int before = rounds;
    while (rounds < before + 20) std::this_thread::yield();
    server.restart();
  }
  const int before = rounds;
  while (rounds < before + 20) std::this_thread::yield();
  ending = true;
  for (std::thread& worker : workers) worker.join();
}

// G10
TEST(RedisRestart, StoppedServerMakesAnUnknownOutcome) {
  RedisServer server;
  const auto store = open_redis_store(server.url());
  const Client holder;
  const Client other;
  const Grant grant = holder.acquire(*store);
  server.signal(SIGSTOP);
  expect_error(ErrorCode::outcome_unknown, [&] { other.acquire(*store, 200ms); });
  // No connection is left, and a new one is not answered: nothing was sent.
  expect_error(ErrorCode::unavailable,
               [&] { holder.renew(*store, grant.worker_id, Renewal::strict, 200ms); });
  server.signal(SIGCONT);
  const auto fresh = open_redis_store(server.url());
  EXPECT_EQ(other.acquire(*fresh).worker_id, 2);
  EXPECT_EQ(fresh->inspect("jobs", patience)->leases.size(), 2U);  // G5: one grant, not two
  EXPECT_EQ(holder.renew(*fresh, grant.worker_id).epoch, grant.epoch);
}

// G11: the sockets that a child inherits are its parent's.
TEST(RedisFork, ChildLeavesTheConnectionsAlone) {
  RedisServer server;
  auto store = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*store);
  const auto connections = [&] {
    const std::string statistics = server.cli({"INFO", "stats"});
    const std::string name = "total_connections_received:";
    return std::stoi(statistics.substr(statistics.find(name) + name.size()));
  };
  const int before = connections();
  ForkedProcess child([&] {
    expect_error(ErrorCode::invalid_argument, [&] { holder.renew(*store, grant.worker_id); });
    store.reset();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), ExitStatus{});
  EXPECT_EQ(holder.renew(*store, grant.worker_id).epoch, grant.epoch);
  EXPECT_EQ(connections(), before + 1);  // that of the question itself
}

class RedisCut : public ::testing::Test {
 protected:
  // Makes the server know the scripts, and the store connect.
  RedisCut() {
    Client warm_up;
    warm_up.cluster = "warm-up";
    const Grant grant = warm_up.acquire(*direct);
    warm_up.renew(*direct, grant.worker_id);
    warm_up.release(*direct, grant.worker_id);
    connect();
  }

  void connect() { through->inspect("unknown", patience); }

  RedisServer server;
  CuttingProxy proxy{server.port()};
  const std::shared_ptr<Store> direct = open_redis_store(server.url());
  std::shared_ptr<Store> through = open_redis_store(proxy.url());
};

TEST_F(RedisCut, RequestThatIsCutWasNotApplied) {
  for (const std::int64_t bytes : {0, 1, 10, 100, 300}) {
    SCOPED_TRACE(bytes);
    Client client;
    client.cluster = "request-" + std::to_string(bytes);
    proxy.cut_request_after(bytes);
    expect_error(ErrorCode::outcome_unknown, [&] { client.acquire(*through); });
    proxy.heal();
    EXPECT_FALSE(direct->inspect(client.cluster, patience).has_value());
    EXPECT_EQ(client.acquire(*through).worker_id, 1);
  }
}

TEST_F(RedisCut, RepetitionAfterALostReplyIsTheSameGrant) {
  for (const std::int64_t bytes : {0, 1, 5, 20, 40}) {
    SCOPED_TRACE(bytes);
    Client client;
    client.cluster = "reply-" + std::to_string(bytes);
    proxy.cut_reply_after(bytes);
    expect_error(ErrorCode::outcome_unknown, [&] { client.acquire(*through); });
    proxy.heal();
    const auto granted = direct->inspect(client.cluster, patience);
    ASSERT_TRUE(granted);
    ASSERT_EQ(granted->leases.size(), 1U);
    const Grant grant = client.acquire(*through);
    EXPECT_EQ(grant.epoch, granted->leases.front().epoch);  // G5
    EXPECT_EQ(direct->inspect(client.cluster, patience)->leases.size(), 1U);
  }
}

TEST_F(RedisCut, RepetitionOfALostRenewalOrReleaseIsHarmless) {
  const Client client;
  const Grant grant = client.acquire(*through);
  proxy.cut_reply_after(0);
  expect_error(ErrorCode::outcome_unknown, [&] { client.renew(*through, grant.worker_id); });
  proxy.heal();
  EXPECT_EQ(client.renew(*through, grant.worker_id).epoch, grant.epoch);
  proxy.cut_reply_after(3);
  expect_error(ErrorCode::outcome_unknown, [&] { client.release(*through, grant.worker_id); });
  proxy.heal();
  client.release(*through, grant.worker_id);
  EXPECT_EQ(direct->inspect("jobs", patience)->count(LeaseState::leased), 0);
}

TEST(RedisServerState, FullMemoryRefusesGrantsButNotHolders) {
  RedisServer server;
  const auto store = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*store);
  server.cli({"CONFIG", "SET", "maxmemory", "1"});
  expect_error_naming(
      ErrorCode::unavailable, [&] { Client{}.acquire(*store); }, "maxmemory");
  EXPECT_EQ(holder.renew(*store, grant.worker_id).epoch, grant.epoch);
  EXPECT_EQ(store->inspect("jobs", patience)->leases.size(), 1U);
  holder.release(*store, grant.worker_id);
}

TEST(RedisServerState, ReplicaIsReadAndNotWritten) {
  RedisServer server;
  const auto store = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*store);
  server.cli({"REPLICAOF", "127.0.0.1", std::to_string(free_port())});
  expect_error_naming(
      ErrorCode::unavailable, [&] { Client{}.acquire(*store); }, "READONLY", "master");
  expect_error(ErrorCode::unavailable, [&] { holder.renew(*store, grant.worker_id); });
  EXPECT_EQ(store->inspect("jobs", patience)->leases.size(), 1U);
  server.cli({"CONFIG", "SET", "replica-serve-stale-data", "no"});
  expect_error_naming(
      ErrorCode::unavailable, [&] { Client{}.acquire(*store); }, "MASTERDOWN");
}

TEST(RedisServerState, MissingReplicasRefuseWrites) {
  RedisServer server({"--min-replicas-to-write", "1"});
  const auto store = open_redis_store(server.url());
  expect_error_naming(
      ErrorCode::unavailable, [&] { Client{}.acquire(*store); }, "min-replicas-to-write");
  EXPECT_EQ(server.cli({"DBSIZE"}), "0");
}

TEST(RedisServerState, BusyServerRefusesEverything) {
  RedisServer server({"--busy-reply-threshold", "1"});
  const auto store = open_redis_store(server.url());
  Process script({"redis-cli", "-s", server.socket(), "EVAL", "while true do end", "0"});
  const auto busy = [&] { return server.cli({"PING"}).find("BUSY") != std::string::npos; };
  while (!busy()) std::this_thread::yield();
  expect_error_naming(
      ErrorCode::unavailable, [&] { Client{}.acquire(*store); }, "BUSY");
  server.cli({"SCRIPT", "KILL"});  // It ends some time after the answer.
  while (busy()) std::this_thread::yield();
  server.cli({"CONFIG", "SET", "busy-reply-threshold", "60000"});
  EXPECT_EQ(Client{}.acquire(*store).worker_id, 1);
}

TEST(RedisServerState, FlushedScriptsAreSentAgain) {
  RedisServer server;
  const auto store = open_redis_store(server.url());
  const Client holder;
  const Grant grant = holder.acquire(*store);
  server.cli({"SCRIPT", "FLUSH"});
  EXPECT_EQ(holder.renew(*store, grant.worker_id).epoch, grant.epoch);
}

TEST(RedisServerState, NodeOfARedisClusterServesAClusterInOneSlot) {
  RedisServer server({"--cluster-enabled", "yes"});
  const auto store = open_redis_store(server.url());
  expect_error_naming(
      ErrorCode::unavailable, [&] { Client{}.acquire(*store); }, "CLUSTERDOWN");
  server.cli({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  while (server.cli({"CLUSTER", "INFO"}).find("cluster_state:ok") == std::string::npos) {
    std::this_thread::yield();
  }
  const Client holder;
  const Grant grant = holder.acquire(*store);
  holder.renew(*store, grant.worker_id);
  holder.release(*store, grant.worker_id);
  EXPECT_EQ(store->inspect("jobs", patience)->leases.size(), 1U);
  const auto wrong_database = open_redis_store(server.url() + "/1");
  expect_error(ErrorCode::invalid_argument, [&] { Client{}.acquire(*wrong_database); });
}

}  // namespace
}  // namespace workerid::tests
