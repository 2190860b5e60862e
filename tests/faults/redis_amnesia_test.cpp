// SPDX-License-Identifier: MIT
//
// A server that forgot or went back (G7): restarted without its data, wiped, promoted, evicted from.
#include "redis_subject.hpp"
#include "stores/redis/connection_pool.hpp"
#include "support/expect_error.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>
#include <workerid/workerid.hpp>

#include <csignal>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// A process that does not claim to be the first one.
Client newcomer() {
  Client client;
  client.fresh = false;
  return client;
}

milliseconds held_back(Store& store, const Client& client = newcomer()) {
  const Error error = expect_error(ErrorCode::holding_back, [&] { client.acquire(store); });
  return error.retry_after().value_or(0ms);
}

class RedisAmnesia : public ::testing::Test {
 protected:
  std::shared_ptr<Store> open(const RedisServer& of) const { return open_redis_store(of.url()); }

  static void follow(const RedisServer& follower, const RedisServer& leader) {
    leader.cli({"CONFIG", "SET", "repl-diskless-sync-delay", "0"});
    follower.cli({"REPLICAOF", "127.0.0.1", std::to_string(leader.port())});
    while (follower.cli({"INFO", "replication"}).find("master_link_status:up") ==
           std::string::npos) {
      std::this_thread::yield();
    }
  }

  // Every holder goes on with its ID, and each newcomer gets another one when the hold-back is over.
  static void expect_nobody_gets_a_held_id(const std::function<void()>& lose,
                                           const std::function<std::string()>& url) {
    constexpr int count = 100;
    constexpr auto lease_time = 4s;
    const Options options{.max_worker_id = 2 * count, .max_lease_time = lease_time};
    std::vector<std::unique_ptr<Generator>> generators;
    std::vector<Lease> holders;
    std::set<WorkerId> ids;
    const auto store = open_redis_store(url());
    for (int holder = 0; holder < count; ++holder) {
      generators.push_back(std::make_unique<Generator>(store, "crowd", options));
      holders.push_back(generators.back()->lease());
      ids.insert(holders.back().worker_id());
    }
    lose();
    const auto others = open_redis_store(url());
    for (int each = 0; each < count; ++each) {
      generators.push_back(std::make_unique<Generator>(others, "crowd", options));
      ids.insert(generators.back()->get_id(1min).worker_id);
    }
    EXPECT_EQ(ids.size(), 2U * count) << "some ID was granted twice";
    for (const Lease& holder : holders) EXPECT_TRUE(holder.held()) << holder.worker_id();
  }

  RedisServer server;
};

TEST_F(RedisAmnesia, HoldersKeepTheirIdsWhenAServerIsRestartedEmpty) {
  expect_nobody_gets_a_held_id([&] { server.restart(); }, [&] { return server.url(); });
}

TEST_F(RedisAmnesia, HoldersKeepTheirIdsWhenAServerIsWiped) {
  expect_nobody_gets_a_held_id([&] { server.cli({"FLUSHALL"}); }, [&] { return server.url(); });
}

TEST_F(RedisAmnesia, AYoungServerMayHaveLostWhatItDoesNotKnow) {
  server.restart();
  const milliseconds left = held_back(*open(server));
  EXPECT_GT(left, 80s);  // 90 s less its age
  EXPECT_LE(left, 90s);
  // By then nobody can hold an ID any more.
  server.step_clock(91s);
  Client client = newcomer();
  client.cluster = "another";
  EXPECT_EQ(client.acquire(*open(server)).worker_id, 1);
}

TEST_F(RedisAmnesia, AnOldServerMakesNobodyWaitForANewCluster) {
  EXPECT_EQ(newcomer().acquire(*open(server)).worker_id, 1);
}

TEST_F(RedisAmnesia, AFreshClusterNeedNotWait) {
  server.restart();
  held_back(*open(server));
  EXPECT_EQ(Client{}.acquire(*open(server)).worker_id, 1);
  EXPECT_EQ(newcomer().acquire(*open(server)).worker_id, 2);
}

// The server has run for long, and nothing is there: what tells a wiped cluster from a new one?
// A claim that a unit file repeats is believed no more once somebody proved that it is false, also after
// the next restart.
TEST_F(RedisAmnesia, AProofByAnEpochClosesTheDoorOfFresh) {
  const auto store = open(server);
  Client lapsed = newcomer();
  AcquireRequest witness = lapsed.acquisition();
  witness.seen_epoch = 1;
  expect_error(ErrorCode::holding_back, [&] { store->acquire(witness, patience); });
  const Client claims;
  for (int life = 0; life < 2; ++life) {
    const Error error =
        expect_error(ErrorCode::holding_back, [&] { claims.acquire(*open(server)); });
    EXPECT_EQ(std::string{error.what()}.find("--fresh"), std::string::npos);
    server.cli({"SAVE"});
    server.restart();
  }
}

// Whatever it is asked for, a replica grants nothing, and extends nothing: its master may have granted
// the ID to another.
TEST_F(RedisAmnesia, AReplicaThatMayBeWrittenToGrantsNothing) {
  RedisServer replica({"--replica-read-only", "no"});
  follow(replica, server);
  const auto master = open(server);
  const Client holder;
  const Grant grant = holder.acquire(*master);
  while (replica.cli({"HLEN", "{workerid:jobs}:cluster"}) != "3") std::this_thread::yield();
  const auto refuses = [](const std::function<void()>& operation) {
    const Error error = expect_error(ErrorCode::unavailable, operation);
    EXPECT_NE(std::string{error.what()}.find("it is a replica"), std::string::npos) << error.what();
  };
  const auto store = open(replica);
  refuses([&] { Client{}.acquire(*store); });
  for (const Renewal renewal : {Renewal::held, Renewal::strict, Renewal::resume}) {
    refuses([&] { holder.renew(*open(replica), grant.worker_id, renewal); });
  }
  refuses([&] { holder.restore(*store, grant); });
  refuses([&] { holder.release(*store, grant.worker_id); });
  EXPECT_EQ(store->inspect("jobs", patience)->count(LeaseState::leased), 1)
      << "it answers questions";

  // By a connection of one's own each grant asks, inside its atomic step.
  class AnyServer final : public RedisConnection {
   public:
    explicit AnyServer(const std::string& url) : pool_(detail::redis::parse_redis_url(url)) {}
    RedisReply command(const std::vector<std::string>& words, milliseconds timeout) override {
      return pool_.command(words, timeout);
    }
    std::string description() const override { return pool_.description(); }

   private:
    detail::redis::ConnectionPool pool_;
  };
  const auto own = open_redis_store(std::make_shared<AnyServer>(replica.url()));
  refuses([&] { Client{}.acquire(*own); });
  AcquireRequest named = Client{}.acquisition();
  named.instance = "pod-0";
  refuses([&] { own->acquire(named, patience); });
  for (const Renewal renewal : {Renewal::strict, Renewal::resume}) {
    refuses([&] { holder.renew(*own, grant.worker_id, renewal); });
  }
  refuses([&] { holder.restore(*own, grant); });
  EXPECT_EQ(replica.cli({"HLEN", "{workerid:jobs}:cluster"}), "3") << "nothing was granted";
}

TEST_F(RedisAmnesia, AWipedClusterIsKnownFromTheScriptCache) {
  const std::vector<std::vector<std::string>> wipes{
      {"FLUSHALL"},
      {"FLUSHDB"},
      {"SWAPDB", "0", "1"},
      {"DEL", "{workerid:jobs}:cluster", "{workerid:jobs}:order", "{workerid:jobs}:instances"}};
  for (const auto& wipe : wipes) {
    SCOPED_TRACE(wipe.front());
    RedisServer own;
    const Client holder;
    const Grant grant = holder.acquire(*open(own));
    own.cli(wipe);
    EXPECT_GT(held_back(*open(own)), 80s);
    EXPECT_EQ(holder.restore(*open(own), grant).epoch, grant.epoch);
    held_back(*open(own), Client{});  // Its claim to be the first is belied now.
    Client other = newcomer();
    other.cluster = "other";
    EXPECT_EQ(other.acquire(*open(own)).worker_id, 1) << "another cluster is new";
  }
}

// Its age says nothing about a loss that came after its start.
TEST_F(RedisAmnesia, AWipedClusterOfAYoungServerIsNotOlderThanItsLoss) {
  server.restart();
  const Client holder;
  const Grant grant = holder.acquire(*open(server));
  server.step_clock(60s);
  server.cli({"FLUSHALL"});
  EXPECT_GT(held_back(*open(server)), 80s);
  EXPECT_EQ(holder.restore(*open(server), grant).epoch, grant.epoch);
}

// Marked again after each fifth of a lease time, by whoever renews: also in a new life of the server.
TEST_F(RedisAmnesia, HoldersMarkTheClusterInEachLifeOfTheServer) {
  Client holder = newcomer();
  holder.configuration.lease_time = 10ms;
  holder.configuration.reuse_delay = 10ms;
  const auto store = open(server);
  const Grant grant = holder.acquire(*store);
  server.cli({"SCRIPT", "FLUSH"});
  for (int count = 0; count < 2; ++count) {
    boottime_clock()->wait_until(*std::make_unique<Wakeup>(), BootClock::now() + 10ms);
    holder.renew(*store, grant.worker_id, Renewal::held);
  }
  server.cli({"FLUSHALL"});
  Client other = newcomer();
  other.configuration = holder.configuration;
  held_back(*open(server), other);
}

TEST_F(RedisAmnesia, RestoredLeasesAreKeptAndLapsedOnesAreNot) {
  const Client valid;
  Client lapsed;
  lapsed.token = Token::random();
  const Grant first = valid.acquire(*open(server));
  const Grant second = lapsed.acquire(*open(server));
  server.restart();
  const auto store = open(server);
  // Before anybody noticed: a renewal finds nothing, a restoration mends it.
  expect_error(ErrorCode::not_assigned,
               [&] { valid.renew(*store, first.worker_id, Renewal::held); });
  EXPECT_EQ(valid.restore(*store, first).epoch, first.epoch);
  EXPECT_EQ(valid.renew(*store, first.worker_id, Renewal::held).epoch, first.epoch);
  expect_error(ErrorCode::not_assigned,
               [&] { lapsed.renew(*store, second.worker_id, Renewal::resume); });
  held_back(*store);
  EXPECT_GT(store->inspect("jobs", patience)->hold_back, 80s);
}

TEST_F(RedisAmnesia, ARestartWithItsDataIsNoticedToo) {
  RedisServer persistent({"--appendonly", "yes", "--appendfsync", "everysec"});
  const Client holder;
  const Grant grant = holder.acquire(*open(persistent));
  persistent.restart();
  const auto store = open(persistent);
  EXPECT_EQ(held_back(*store), 90s);
  EXPECT_EQ(holder.renew(*store, grant.worker_id, Renewal::held).epoch, grant.epoch);
  for (const Renewal renewal : {Renewal::strict, Renewal::resume}) {
    expect_error(ErrorCode::holding_back, [&] { holder.renew(*store, grant.worker_id, renewal); });
  }
  // Not anew with each attempt.
  EXPECT_LE(held_back(*store), 90s);
  persistent.step_clock(1h);  // counts as 15 s
  EXPECT_LE(held_back(*store), 75s + 60s / 16);
}

TEST_F(RedisAmnesia, PromotionIsNoticedAndAReplicaThatAttachesIsNone) {
  RedisServer replica;
  const Client holder;
  const Grant grant = holder.acquire(*open(server));
  follow(replica, server);
  Client second = newcomer();
  EXPECT_EQ(second.acquire(*open(server)).worker_id, 2) << "the data are as they were";

  replica.cli({"REPLICAOF", "NO", "ONE"});
  server.kill();
  EXPECT_EQ(held_back(*open(replica)), 90s);
  EXPECT_EQ(holder.restore(*open(replica), grant).epoch, grant.epoch);
  // What the replica never got may have been there.
  Client other = newcomer();
  other.cluster = "other";
  EXPECT_EQ(held_back(*open(replica), other), 90s);
}

// Back at the first one, with the run ID that it had: only its replication history tells.
TEST_F(RedisAmnesia, PromotionToAndFroIsNoticed) {
  RedisServer second;
  Client{}.acquire(*open(server));
  follow(second, server);
  second.cli({"REPLICAOF", "NO", "ONE"});
  follow(server, second);
  server.cli({"REPLICAOF", "NO", "ONE"});
  EXPECT_EQ(held_back(*open(server)), 90s);
}

TEST_F(RedisAmnesia, LostGrantsOfAPromotedReplicaAreRestored) {
  RedisServer replica;
  const Client early;
  const Grant first = early.acquire(*open(server));
  follow(replica, server);
  while (replica.cli({"EXISTS", "{workerid:jobs}:cluster"}) != "1") std::this_thread::yield();
  replica.signal(SIGSTOP);  // It lags from here on.
  std::vector<Client> late(100);
  std::vector<Grant> grants;
  for (Client& client : late) {
    client.token = Token::random();
    client.configuration.max_worker_id = 10;
  }
  for (int count = 0; count < 5; ++count) {
    grants.push_back(late.at(static_cast<std::size_t>(count)).acquire(*open(server)));
  }
  server.kill();
  replica.signal(SIGCONT);
  replica.cli({"REPLICAOF", "NO", "ONE"});
  const auto store = open(replica);
  held_back(*store);
  for (int count = 0; count < 5; ++count) {
    const auto index = static_cast<std::size_t>(count);
    const Client& client = late.at(index);
    const Grant& grant = grants.at(index);
    EXPECT_EQ(client.restore(*store, grant).epoch, grant.epoch);
  }
  EXPECT_EQ(early.renew(*store, first.worker_id, Renewal::held).epoch, first.epoch);
  held_back(*store);
}

TEST_F(RedisAmnesia, WhatIsLeftOfACrippledClusterCounts) {
  for (const std::string part : {"cluster", "order"}) {
    SCOPED_TRACE(part);
    server.cli({"FLUSHALL"});
    const Client holder;
    const Grant grant = holder.acquire(*open(server));
    server.cli({"DEL", "{workerid:jobs}:" + part});
    const auto store = open(server);
    for (int attempt = 0; attempt < 2; ++attempt) held_back(*store, Client{});
    EXPECT_EQ(holder.restore(*store, grant).epoch, grant.epoch);
    EXPECT_EQ(holder.renew(*store, grant.worker_id, Renewal::held).epoch, grant.epoch);
    const auto view = store->inspect("jobs", patience);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->leases.size(), 1U);
    EXPECT_EQ(view->never_granted, 9);
    holder.release(*store, grant.worker_id);
  }
}

TEST_F(RedisAmnesia, OneLostRecordIsNoticedByItsHolder) {  // F48
  const Client holder;
  Client other = holder;
  other.token = Token::random();
  const auto store = open(server);
  const Grant grant = holder.acquire(*store);
  const Grant others = other.acquire(*store);
  server.cli({"EVAL", "redis.call('HDEL', KEYS[1], struct.pack('>I4', 1))", "1",
              "{workerid:jobs}:cluster"});
  EXPECT_EQ(holder.restore(*store, grant).epoch, grant.epoch);
  held_back(*store);
  EXPECT_EQ(other.renew(*store, others.worker_id, Renewal::held).epoch, others.epoch);
}

TEST_F(RedisAmnesia, AReleaseDoesNotHideThatTheOrderIsLost) {
  const Client holder;
  Client other = holder;
  other.token = Token::random();
  const auto store = open(server);
  const Grant grant = holder.acquire(*store);
  other.acquire(*store);
  server.cli({"DEL", "{workerid:jobs}:order"});
  store->release({"jobs", grant.worker_id, holder.token, false, grant.reserved.first_ms - 1, {}},
                 patience);
  held_back(*store);
}

TEST_F(RedisAmnesia, WithoutInfoEverythingElseWorks) {
  server.cli({"ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-info"});
  const auto store =
      open_redis_store("redis://worker:secret@127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(newcomer().acquire(*store).worker_id, 1);
  const Guarantee guarantee = store->guarantee(patience);
  EXPECT_EQ(guarantee.exclusivity, GuaranteeLevel::best_effort);
  EXPECT_NE(guarantee.reasons.at(0).find("G7 is off"), std::string::npos);
}

// G13
TEST_F(RedisAmnesia, TellsWhatTheServerCanPromise) {
  const auto store = open(server);
  EXPECT_EQ(store->guarantee(patience).exclusivity, GuaranteeLevel::exact);
  EXPECT_EQ(store->guarantee(patience).timestamps, GuaranteeLevel::conditional);
  server.cli({"CONFIG", "SET", "maxmemory", "100mb"});
  server.cli({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  EXPECT_EQ(store->guarantee(patience).exclusivity, GuaranteeLevel::conditional);
  RedisServer replica;
  follow(replica, server);
  EXPECT_EQ(store->guarantee(patience).exclusivity, GuaranteeLevel::best_effort);
  EXPECT_EQ(open(replica)->guarantee(patience).exclusivity, GuaranteeLevel::best_effort);
}

}  // namespace
}  // namespace workerid::tests
