// SPDX-License-Identifier: MIT
//
// How often the store asks its server, and a process with many leases.
#include "redis_proxy.hpp"
#include "redis_subject.hpp"
#include "stores/redis/connection_pool.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/workerid.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using detail::redis::ConnectionPool;
using detail::redis::parse_redis_url;
using Words = std::vector<std::string>;

// Counts round trips: calls of the pool, each of which is one as long as it has no more commands
// than go out in one write. Marks of a cluster (G7) are counted apart.
class CountingConnection final : public RedisConnection {
 public:
  explicit CountingConnection(const std::string& url) : pool_(parse_redis_url(url)) {}

  RedisReply command(const Words& words, std::chrono::milliseconds timeout) override {
    const bool mark = words.at(1).starts_with("return 1 -- workerid knows");
    ++(mark ? marks : round_trips);
    return pool_.command(words, timeout);
  }

  std::vector<std::variant<RedisReply, Error>> commands(
      std::span<const Words> commands, std::chrono::milliseconds timeout) override {
    ++round_trips;
    if (before_several) before_several();
    return pool_.commands(commands, timeout);
  }

  std::string description() const override { return pool_.description(); }

  std::atomic<int> round_trips = 0;
  std::atomic<int> marks = 0;
  std::function<void()> before_several;

 private:
  ConnectionPool pool_;
};

std::vector<RenewRequest> renewals(const std::vector<Client>& holders,
                                   const std::vector<Grant>& grants) {
  std::vector<RenewRequest> requests;
  for (std::size_t index = 0; index < holders.size(); ++index) {
    requests.push_back({holders[index].cluster, grants[index].worker_id, holders[index].token,
                        Renewal::held, holders[index].time});
  }
  return requests;
}

class RedisManyLeases : public ::testing::Test {
 protected:
  // Leases of as many holders.
  void hold(std::size_t count) {
    holders.resize(count);
    for (Client& holder : holders) {
      holder.configuration.max_worker_id = 1000;
      grants.push_back(holder.acquire(*store));
    }
  }

  RedisServer server{{"--appendonly", "yes", "--appendfsync", "always"}};
  std::shared_ptr<CountingConnection> connection =
      std::make_shared<CountingConnection>(server.url());
  std::shared_ptr<Store> store = open_redis_store(connection);
  std::vector<Client> holders;
  std::vector<Grant> grants;
};

// Once the scripts are in the server's cache. Beside these, the first acquisition asks more, and
// each process marks a cluster once in a fifth of the lease time.
TEST_F(RedisManyLeases, EveryOperationIsOneRoundTrip) {
  const auto round_trips = [&](auto operation) {
    const int before = connection->round_trips;
    operation();
    return connection->round_trips - before;
  };
  const Client first;
  const Grant grant = first.acquire(*store);
  first.renew(*store, grant.worker_id);
  first.restore(*store, grant);
  first.release(*store, grant.worker_id);

  const Client holder;
  Grant granted;
  EXPECT_EQ(round_trips([&] { granted = holder.acquire(*store); }), 1);
  EXPECT_EQ(round_trips([&] { holder.renew(*store, granted.worker_id); }), 1);
  EXPECT_EQ(round_trips([&] { holder.restore(*store, granted); }), 1);
  EXPECT_EQ(round_trips([&] { holder.release(*store, granted.worker_id); }), 1);
  EXPECT_EQ(connection->marks, 1);
}

TEST_F(RedisManyLeases, SeveralRenewalsAreOneRoundTrip) {
  hold(256);
  const std::vector<RenewRequest> requests = renewals(holders, grants);
  store->renew_all(requests, patience);  // brings the script along
  const int before = connection->round_trips;
  for (const RenewAnswer& answer : store->renew_all(requests, patience)) {
    EXPECT_TRUE(std::holds_alternative<Grant>(answer));
  }
  EXPECT_EQ(connection->round_trips - before, 1);
}

// After a restart the server knows no script: one renewal brings it along for all.
TEST_F(RedisManyLeases, AServerThatForgotItsScriptsIsAskedThreeTimes) {
  hold(256);
  server.restart();
  const int before = connection->round_trips;
  for (const RenewAnswer& answer : store->renew_all(renewals(holders, grants), patience)) {
    EXPECT_TRUE(std::holds_alternative<Grant>(answer));
  }
  EXPECT_EQ(connection->round_trips - before, 3);
}

// Stopped, it takes a first write and answers nothing; then it is killed.
TEST_F(RedisManyLeases, AServerKilledInTheMiddleLeavesWhatWasSentUnknown) {
  hold(300);
  const std::vector<RenewRequest> requests = renewals(holders, grants);
  store->renew_all(requests, patience);
  connection->before_several = [&] { server.signal(SIGSTOP); };
  auto answers = store->renew_all(requests, 200ms);
  connection->before_several = nullptr;
  ASSERT_EQ(answers.size(), 300U);
  EXPECT_EQ(std::get<Error>(answers.front()).error_code(), ErrorCode::outcome_unknown);
  EXPECT_EQ(std::get<Error>(answers.back()).error_code(), ErrorCode::unavailable);

  server.kill();
  answers = store->renew_all(requests, patience);
  EXPECT_EQ(std::get<Error>(answers.front()).error_code(), ErrorCode::unavailable);
  server.restart();
  for (const RenewAnswer& answer : store->renew_all(requests, patience)) {
    EXPECT_TRUE(std::holds_alternative<Grant>(answer));
  }
}

// At every hundredth byte of the answers: what came is right, the rest is unknown.
TEST_F(RedisManyLeases, AConnectionCutAmongAnswersLosesNoAnswerThatCame) {
  hold(50);
  const std::vector<RenewRequest> requests = renewals(holders, grants);
  CuttingProxy proxy(server.port());
  const auto cut = open_redis_store(proxy.url());
  cut->renew_all(requests, patience);
  for (std::int64_t bytes = 0; bytes < 2000; bytes += 100) {
    proxy.heal();
    ASSERT_TRUE(std::holds_alternative<Grant>(cut->renew_all(requests, patience).back()));
    proxy.cut_reply_after(bytes);
    bool came = true;
    std::size_t count = 0;
    for (const RenewAnswer& answer : cut->renew_all(requests, patience)) {
      const auto* error = std::get_if<Error>(&answer);
      if (error == nullptr) {
        EXPECT_TRUE(came) << "answers come in order";
        EXPECT_EQ(std::get<Grant>(answer).epoch, grants[count].epoch);
        ++count;
      } else {
        came = false;
        EXPECT_EQ(error->error_code(), ErrorCode::outcome_unknown);
      }
    }
    EXPECT_LE(static_cast<std::int64_t>(count), bytes / 20);
    EXPECT_LT(count, requests.size());
  }
}

TEST(RedisManyLeasesOfOneProcess, TenThousandStayHeld) {
  constexpr int count = 10'000;
  constexpr std::chrono::milliseconds lease_time = 10min;
  RedisServer server;
  const auto connection = std::make_shared<CountingConnection>(server.socket_url());
  const auto clock = std::make_shared<testing::ManualClock>();
  std::atomic<int> renewed = 0;
  Options options{.max_worker_id = count, .max_lease_time = lease_time, .fresh = true};
  options.clock = clock;
  options.on_event = [&](const Event& event) {
    if (event.kind == Event::Kind::renewed) ++renewed;
  };
  Generator generator(open_redis_store(connection), "many", options);
  std::vector<Lease> leases;
  leases.reserve(count);
  while (leases.size() < count) leases.push_back(generator.lease());
  const int before = connection->round_trips;
  for (int round = 1; round <= 3; ++round) {
    clock->await_waiters(1);
    clock->advance(lease_time * 2 / 5);  // later than a third of it and the jitter
    clock->await_waiters(1);
    std::set<WorkerId> ids;
    for (const Lease& lease : leases) {
      ASSERT_TRUE(lease.held());
      ids.insert(lease.worker_id());
      EXPECT_GE(lease.valid_until(), clock->now().boot + lease_time);
    }
    EXPECT_EQ(ids.size(), leases.size());
  }
  // 40 writes a round, and two more for the script.
  EXPECT_LE(connection->round_trips - before, 3 * 40 + 2);
  for (Lease& lease : leases) lease.abandon();
  while (renewed < 3 * count) std::this_thread::yield();
  EXPECT_EQ(renewed, 3 * count);
}

}  // namespace
}  // namespace workerid::tests
