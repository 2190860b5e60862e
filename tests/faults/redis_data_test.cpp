// SPDX-License-Identifier: MIT
//
// What the store keeps on a server: how much, where, and what it makes of what others put there.
#include "redis_subject.hpp"
#include "support/expect_error.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> parts{"cluster", "records", "order", "tokens", "instances"};

std::string key(const std::string& part) {
  return "{workerid:jobs}:" + part;
}

class RedisData : public testing::Test {
 protected:
  // How often the server ran a command, by itself or in a script; without a name, any command.
  int calls(const std::string& command = {}) const {
    const std::string begin = "cmdstat_" + command + (command.empty() ? "" : ":");
    const std::string calls = ":calls=";
    std::istringstream statistics(server.cli({"INFO", "commandstats"}));
    int sum = 0;
    for (std::string line; std::getline(statistics, line);) {
      if (line.rfind(begin, 0) == 0) sum += std::stoi(line.substr(line.find(calls) + calls.size()));
    }
    return sum;
  }

  void reset_statistics() const { server.cli({"CONFIG", "RESETSTAT"}); }

  RedisServer server;
  const std::shared_ptr<Store> store = open_redis_store(server.socket_url());
};

TEST_F(RedisData, FirstAcquisitionCostsTheSameOnAnyRange) {
  Client{}.acquire(*store);  // the server knows the script now
  std::vector<std::string> costs;
  for (const WorkerId last : {WorkerId{10}, WorkerId{4'000'000}, largest_worker_id}) {
    Client client;
    client.cluster = "wide" + std::to_string(costs.size());
    client.configuration.max_worker_id = last;
    const std::string prefix = "{workerid:" + client.cluster + "}:";
    const int keys_before = std::stoi(server.cli({"DBSIZE"}));
    reset_statistics();
    EXPECT_EQ(client.acquire(*store).worker_id, 1);
    std::string cost = "commands " + std::to_string(calls());
    cost += ", keys " + std::to_string(std::stoi(server.cli({"DBSIZE"})) - keys_before);
    cost += ", records " + server.cli({"HLEN", prefix + "records"});
    cost += ", order " + server.cli({"ZCARD", prefix + "order"});
    cost += ", bytes " + server.cli({"MEMORY", "USAGE", prefix + "records"});
    costs.push_back(cost);
  }
  EXPECT_EQ(costs.at(1), costs.at(0));
  EXPECT_EQ(costs.at(2), costs.at(0));
}

TEST_F(RedisData, OperationIsOneRoundTrip) {
  Client holder;
  const Grant first = holder.acquire(*store);
  holder.renew(*store, first.worker_id);
  holder.release(*store, first.worker_id);
  store->inspect("jobs", patience);

  const Client other;
  reset_statistics();
  const Grant grant = other.acquire(*store);
  other.renew(*store, grant.worker_id);
  other.release(*store, grant.worker_id);
  store->inspect("jobs", patience);
  EXPECT_EQ(calls("evalsha"), 4);
  EXPECT_EQ(calls("eval"), 0);
  EXPECT_EQ(calls("ping"), 0);
}

// Keys with a time to live are evicted first, and expire by a clock that steps.
TEST_F(RedisData, NothingHasATimeToLive) {
  AcquireRequest request = Client{}.acquisition();
  request.instance = "pod-0";
  store->acquire(request, patience);
  for (const std::string& part : parts) EXPECT_EQ(server.cli({"TTL", key(part)}), "-1") << part;
  EXPECT_EQ(server.cli({"DBSIZE"}), std::to_string(parts.size()));
}

TEST_F(RedisData, IndexesFollowTheRecords) {
  Client first;
  first.configuration = {1, 1, 60s, 30s, 0ms};
  AcquireRequest request = first.acquisition();
  request.instance = "pod-0";
  const Grant grant = store->acquire(request, patience);
  first.release(*store, grant.worker_id);
  EXPECT_EQ(server.cli({"HGET", key("tokens"), first.token.text()}), "1");

  Client second;
  second.configuration = first.configuration;
  request = second.acquisition();
  request.instance = "pod-1";
  store->acquire(request, patience);
  EXPECT_EQ(server.cli({"HKEYS", key("tokens")}), second.token.text());
  EXPECT_EQ(server.cli({"HKEYS", key("instances")}), "pod-1");
  EXPECT_EQ(server.cli({"HKEYS", key("records")}), "1");
  EXPECT_EQ(server.cli({"ZRANGE", key("order"), "0", "-1"}), "0000000001");
}

// With text as it stands, 10 would come before 9.
TEST_F(RedisData, TiesGoByNumber) {
  Client client;
  client.configuration = {8, 11, 60s, 30s, 0ms};
  std::vector<Client> holders(4, client);
  for (Client& holder : holders) holder.token = Token::random();
  for (const Client& holder : holders) holder.acquire(*store);
  WorkerId worker_id = 8;
  for (const Client& holder : holders) holder.release(*store, worker_id++);
  for (worker_id = 8; worker_id <= 11; ++worker_id) {
    std::string member = std::to_string(worker_id);
    member.insert(0, 10 - member.size(), '0');
    server.cli({"ZADD", key("order"), "0", member});
  }
  for (worker_id = 8; worker_id <= 11; ++worker_id) {
    client.token = Token::random();
    EXPECT_EQ(client.acquire(*store).worker_id, worker_id);
  }
}

TEST_F(RedisData, InspectionReadsLargeClustersInParts) {
  Client client;
  client.configuration.max_worker_id = 100'000;
  constexpr int count = 1000;
  for (int lease = 0; lease < count; ++lease) {
    client.token = Token::random();
    client.acquire(*store);
  }
  reset_statistics();
  const auto view = store->inspect("jobs", patience);
  EXPECT_GT(calls("hscan"), 1);
  ASSERT_TRUE(view);
  ASSERT_EQ(view->leases.size(), std::size_t{count});
  EXPECT_EQ(view->never_granted, 100'000 - count);
  WorkerId expected = 1;
  for (const LeaseView& lease : view->leases) EXPECT_EQ(lease.worker_id, expected++);
}

TEST_F(RedisData, ForeignKeysAreRefusedAndLeftAlone) {
  for (const std::string& part : parts) {
    SCOPED_TRACE(part);
    server.cli({"FLUSHALL"});
    server.cli({"SET", key(part), "somebody else's"});
    expect_error(ErrorCode::corrupt_record, [&] { Client{}.acquire(*store); });
    EXPECT_EQ(server.cli({"DBSIZE"}), "1");
    EXPECT_EQ(server.cli({"GET", key(part)}), "somebody else's");
  }
}

TEST_F(RedisData, KeyReplacedByAForeignOneIsRefused) {
  for (const std::string& part : parts) {
    SCOPED_TRACE(part);
    server.cli({"FLUSHALL"});
    const Client holder;
    const Grant grant = holder.acquire(*store);
    const std::string record = server.cli({"HGET", key("records"), "1"});
    server.cli({"DEL", key(part)});
    server.cli({"SET", key(part), "somebody else's"});
    expect_error(ErrorCode::corrupt_record, [&] { Client{}.acquire(*store); });
    EXPECT_EQ(server.cli({"GET", key(part)}), "somebody else's");
    if (part == "records") continue;
    EXPECT_EQ(server.cli({"HGET", key("records"), "1"}), record);
    if (part == "tokens") continue;  // renewals do not need it
    expect_error(ErrorCode::corrupt_record, [&] { holder.renew(*store, grant.worker_id); });
    EXPECT_EQ(server.cli({"HGET", key("records"), "1"}), record);
  }
}

TEST_F(RedisData, ForeignHashIsRefused) {
  server.cli({"HSET", key("cluster"), "name", "x"});
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { Client{}.acquire(*store); }, key("cluster"));
  expect_error(ErrorCode::corrupt_record, [&] { store->inspect("jobs", patience); });
  expect_error(ErrorCode::corrupt_record, [&] { Client{}.renew(*store, 1); });
}

TEST_F(RedisData, DamagedFieldsAreNamed) {
  for (const std::string field :
       {"min", "max", "lease_ms", "reuse_delay_ms", "cool_down_ms", "last_epoch", "next_fresh",
        "granted", "clock_ms", "last_wall_ms", "witness_boot_ms", "incarnation_began",
        "hold_back_until_ms", "lost_timestamps_ms"}) {
    for (const std::string value : {"", "x", "1.5", "1e3", "0x10", "nan"}) {
      SCOPED_TRACE(testing::Message() << field << "=" << value);
      server.cli({"FLUSHALL"});
      Client{}.acquire(*store);
      server.cli({"HSET", key("cluster"), field, value});
      expect_error_naming(
          ErrorCode::corrupt_record, [&] { Client{}.acquire(*store); }, field);
    }
  }
}

TEST_F(RedisData, DamagedRecordsAreNamed) {
  const Client holder;
  const Grant grant = holder.acquire(*store);
  for (const std::string record : {"", "x", "1\t2\t3", "-1\t2\t3\t4\t5\t0\tt\ti\to",
                                   "1\t2\t3\t4\t5\t2\tt\ti\to", "1\t2\t3\t4\t5\t0\tt\ti\to\tx"}) {
    SCOPED_TRACE(record);
    server.cli({"HSET", key("records"), "1", record});
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { holder.renew(*store, grant.worker_id); }, key("records"),
        "worker ID 1");
    expect_error(ErrorCode::corrupt_record, [&] { store->inspect("jobs", patience); });
  }
}

TEST_F(RedisData, OtherFormatsAreRefused) {
  const Client holder;
  const Grant grant = holder.acquire(*store);
  server.cli({"HSET", key("cluster"), "format", "1"});
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { Client{}.acquire(*store); }, "format 1");
  server.cli({"HSET", key("cluster"), "format", "3"});
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { Client{}.acquire(*store); }, "format 3");
  expect_error(ErrorCode::unsupported_server, [&] { holder.renew(*store, grant.worker_id); });
  expect_error(ErrorCode::unsupported_server, [&] { store->inspect("jobs", patience); });
}

TEST_F(RedisData, NumbersStayWhole) {
  const Client holder;
  const Grant grant = holder.acquire(*store);
  EXPECT_GT(grant.epoch, 1'600'000'000'000'000U);  // microseconds: beyond 1e14 Lua writes 1.6e+15
  EXPECT_EQ(server.cli({"HGET", key("cluster"), "last_epoch"}), std::to_string(grant.epoch));
  const Grant resumed = holder.renew(*store, grant.worker_id, Renewal::resume);
  EXPECT_EQ(server.cli({"HGET", key("cluster"), "last_epoch"}), std::to_string(resumed.epoch));
}

}  // namespace
}  // namespace workerid::tests
