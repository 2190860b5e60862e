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

const std::vector<std::string> parts{"cluster", "order", "instances"};

std::string key(const std::string& part) {
  return "{workerid:jobs}:" + part;
}

class RedisData : public ::testing::Test {
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

  // Runs a Lua expression with the keys of the cluster: ids and numbers are packed.
  template <typename... Argument>
  std::string lua(const std::string& script, const Argument&... argument) const {
    return server.cli(
        {"EVAL", script, "3", key("cluster"), key("order"), key("instances"), argument...});
  }

  std::string record() const {
    return lua("return redis.call('HGET', KEYS[1], struct.pack('>I4', 1))");
  }

  std::string indexed(const Token& token) const {
    std::string hexadecimal;
    for (const unsigned byte : token.bytes()) {
      hexadecimal += "0123456789abcdef"[byte / 16];
      hexadecimal += "0123456789abcdef"[byte % 16];
    }
    return lua(
        "return redis.call('HEXISTS', KEYS[1], (ARGV[1]:gsub('%x%x', function(byte) "
        "return string.char(tonumber(byte, 16)) end)))",
        hexadecimal);
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
    cost += ", fields " + server.cli({"HLEN", prefix + "cluster"});
    cost += ", order " + server.cli({"ZCARD", prefix + "order"});
    cost += ", bytes " + server.cli({"MEMORY", "USAGE", prefix + "cluster"});
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

// Those that a resize left outside the range come first in the order.
TEST_F(RedisData, IdsOutsideTheRangeArePassedOver) {
  Client client;
  client.configuration = {1, 250, 60s, 30s, 0ms};
  for (WorkerId next = 1; next <= 250; ++next) {
    client.token = Token::random();
    ASSERT_EQ(client.acquire(*store).worker_id, next);
    client.release(*store, next);
  }
  store->resize({"jobs", 240, 241, client.time}, patience);
  client.configuration.min_worker_id = 240;
  client.configuration.max_worker_id = 241;
  for (const WorkerId next : {240, 241}) {
    client.token = Token::random();
    EXPECT_EQ(client.acquire(*store).worker_id, next);
  }
  client.token = Token::random();
  const Error error = expect_error(ErrorCode::no_available_id, [&] { client.acquire(*store); });
  EXPECT_GT(error.retry_after().value_or(0ms), 60s) << "not that of an ID outside the range";
  EXPECT_EQ(store->inspect("jobs", patience)->leases.size(), 2U);
}

TEST_F(RedisData, ClustersAreFoundAmongOtherKeys) {
  server.cli({"EVAL", "for i = 1, 5000 do redis.call('SET', 'other:' .. i, i) end", "0"});
  server.cli({"SET", "{workerid:no name}:cluster", "1"});
  std::vector<std::string> names;
  for (int number = 10; number < 40; ++number) {
    Client client;
    names.push_back(client.cluster = "jobs/" + std::to_string(number));
    client.acquire(*store);
  }
  EXPECT_EQ(store->clusters(patience), names);
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
  EXPECT_EQ(indexed(first.token), "1");

  Client second;
  second.configuration = first.configuration;
  request = second.acquisition();
  request.instance = "pod-1";
  store->acquire(request, patience);
  EXPECT_EQ(indexed(first.token), "0");
  EXPECT_EQ(indexed(second.token), "1");
  EXPECT_EQ(server.cli({"HLEN", key("cluster")}), "3");  // the cluster, a record and a token
  EXPECT_EQ(server.cli({"HKEYS", key("instances")}), "pod-1");
  EXPECT_EQ(server.cli({"ZCARD", key("order")}), "1");
}

// As text, 10 would come before 9.
TEST_F(RedisData, TiesGoByNumber) {
  Client client;
  client.configuration = {8, 11, 60s, 30s, 0ms};
  std::vector<Client> holders(4, client);
  for (Client& holder : holders) holder.token = Token::random();
  for (const Client& holder : holders) holder.acquire(*store);
  WorkerId worker_id = 8;
  for (const Client& holder : holders) holder.release(*store, worker_id++);
  for (worker_id = 8; worker_id <= 11; ++worker_id) {
    lua("redis.call('ZADD', KEYS[2], 0, struct.pack('>I4', ARGV[1]))", std::to_string(worker_id));
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
    const std::string before = record();
    server.cli({"DEL", key(part)});
    server.cli({"SET", key(part), "somebody else's"});
    AcquireRequest request = Client{}.acquisition();
    request.instance = "pod-0";
    expect_error(ErrorCode::corrupt_record, [&] { store->acquire(request, patience); });
    EXPECT_EQ(server.cli({"GET", key(part)}), "somebody else's");
    if (part == "cluster") continue;
    EXPECT_EQ(record(), before);
    if (part == "instances") continue;  // renewals do not need it
    expect_error(ErrorCode::corrupt_record,
                 [&] { holder.renew(*store, grant.worker_id, Renewal::held); });
    EXPECT_EQ(record(), before);
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
  int position = 0;
  for (const std::string field :
       {"last_epoch", "next_fresh", "granted", "min", "max", "lease_ms", "reuse_delay_ms",
        "cool_down_ms", "format", "incarnation_began", "last_wall_ms", "clock_ms",
        "hold_back_until_ms", "lost_timestamps_ms", "witness_boot_ms", "latest_client_ms",
        "proven"}) {
    for (const std::string value : {"1.5", "nan", "inf", "1e300", "-9007199254740992"}) {
      SCOPED_TRACE(testing::Message() << field << "=" << value);
      server.cli({"FLUSHALL"});
      const Client holder;
      const Grant grant = holder.acquire(*store);
      lua("local cluster, at = redis.call('HGET', KEYS[1], ''), tonumber(ARGV[1]) "
          "redis.call('HSET', KEYS[1], '', cluster:sub(1, at) .. "
          "struct.pack('>d', tonumber(ARGV[2])) .. cluster:sub(at + 9))",
          std::to_string(8 * position), value);
      expect_error_naming(
          ErrorCode::corrupt_record,
          [&] { holder.renew(*store, grant.worker_id, Renewal::strict); }, field);
    }
    ++position;
  }
}

TEST_F(RedisData, DamagedRecordsAreNamed) {
  const Client holder;
  const Grant grant = holder.acquire(*store);
  for (const std::string damage :
       {"return ''", "return 'x'", "return record:sub(1, 30)", "return '\\2' .. record:sub(2)",
        "return record .. '\\t'",
        "return record:sub(1, 17) .. struct.pack('>d', 1.5) .. record:sub(26)",
        "return record:sub(1, 33) .. struct.pack('>d', 0/0) .. record:sub(42)"}) {
    SCOPED_TRACE(damage);
    lua("local key = struct.pack('>I4', 1) local record = redis.call('HGET', KEYS[1], key) "
        "local function damaged() " +
        damage +
        " end redis.call('SET', 'kept', record) redis.call('HSET', KEYS[1], key, damaged())");
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { holder.renew(*store, grant.worker_id, Renewal::strict); },
        key("cluster"), "worker ID 1");
    expect_error(ErrorCode::corrupt_record, [&] { store->inspect("jobs", patience); });
    lua("redis.call('HSET', KEYS[1], struct.pack('>I4', 1), redis.call('GET', 'kept'))");
  }
  holder.renew(*store, grant.worker_id);
}

// A value that another program made huge is named, and neither looked through nor sent.
TEST_F(RedisData, ValuesThatNobodyWritesSoLongAreNamed) {
  const Client holder;
  holder.acquire(*store);
  for (const std::string field : {"", "record"}) {
    SCOPED_TRACE(field);
    lua("local field = ARGV[1] == '' and '' or struct.pack('>I4', 1) "
        "local value = redis.call('HGET', KEYS[1], field) redis.call('SET', 'kept', value) "
        "redis.call('HSET', KEYS[1], field, value .. string.rep('x', 8000000))",
        field);
    const std::string named = field.empty() ? "the cluster" : "worker ID 1";
    const auto refused = [&](const auto& operation) {
      expect_error_naming(ErrorCode::corrupt_record, operation, key("cluster"), named);
    };
    refused([&] { store->inspect("jobs", patience); });
    refused([&] { holder.renew(*store, 1, Renewal::strict); });
    refused([&] { holder.renew(*store, 1, Renewal::resume); });
    lua("redis.call('HSET', KEYS[1], ARGV[1] == '' and '' or struct.pack('>I4', 1), "
        "redis.call('GET', 'kept'))",
        field);
  }
  holder.renew(*store, 1);
}

// The former formats had a field for it; this one has it among the cluster's numbers.
TEST_F(RedisData, OtherFormatsAreRefused) {
  const Client holder;
  const Grant grant = holder.acquire(*store);
  lua("local cluster = redis.call('HGET', KEYS[1], '') redis.call('HSET', KEYS[1], '', "
      "cluster:sub(1, 64) .. struct.pack('>d', 3) .. cluster:sub(73))");
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { Client{}.acquire(*store); }, "format 3");
  expect_error(ErrorCode::unsupported_server, [&] { holder.renew(*store, grant.worker_id); });
  expect_error(ErrorCode::unsupported_server, [&] { store->inspect("jobs", patience); });
  server.cli({"FLUSHALL"});
  server.cli({"HSET", key("cluster"), "format", "2", "min", "1"});
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { Client{}.acquire(*store); }, "format 2");
  expect_error(ErrorCode::unsupported_server, [&] { holder.renew(*store, grant.worker_id); });
  expect_error(ErrorCode::unsupported_server, [&] { store->inspect("jobs", patience); });
}

// Microseconds need all the digits of a double: whichever way a grant goes, none is lost.
TEST_F(RedisData, NumbersStayWhole) {
  const Client holder;
  const Grant grant = holder.acquire(*store);
  EXPECT_GT(grant.epoch, 1'600'000'000'000'000U);
  const auto last_epoch = [&] { return store->inspect("jobs", patience)->last_epoch; };
  EXPECT_EQ(last_epoch(), grant.epoch);
  const Grant resumed = holder.renew(*store, grant.worker_id, Renewal::resume);
  EXPECT_EQ(last_epoch(), resumed.epoch);
}

// What the quick paths run, which are nearly all operations: a command more is felt.
TEST_F(RedisData, OperationsRunFewCommands) {
  Client holder;
  holder.configuration = {1, 2, 60s, 30s, 0ms};
  const auto commands = [&](const auto& operation) {
    reset_statistics();
    operation();
    return calls() - 1 - calls("config|resetstat");  // the EVALSHA itself
  };
  Client first = holder;  // of each script
  first.cluster = "other";
  const Grant others = first.acquire(*store);
  first.renew(*store, others.worker_id, Renewal::held);
  first.release(*store, others.worker_id);
  const Grant grant = holder.acquire(*store);
  Client second = holder;
  second.token = Token::random();
  EXPECT_EQ(commands([&] { second.acquire(*store); }), 7);  // of an ID never granted
  EXPECT_EQ(commands([&] { holder.renew(*store, grant.worker_id, Renewal::held); }), 4);
  Client third = holder;
  third.token = Token::random();
  EXPECT_EQ(
      commands([&] { expect_error(ErrorCode::no_available_id, [&] { third.acquire(*store); }); }),
      5);
  ReleaseRequest release{"jobs", grant.worker_id, holder.token, false, 0, {}};
  EXPECT_EQ(commands([&] { store->release(release, patience); }), 5);  // no timestamp was used
  EXPECT_EQ(commands([&] { third.acquire(*store); }), 9);              // of one that was released
  release = {"jobs", grant.worker_id, third.token, false, std::nullopt, {}};
  EXPECT_EQ(commands([&] { store->release(release, patience); }), 6);
}

}  // namespace
}  // namespace workerid::tests
