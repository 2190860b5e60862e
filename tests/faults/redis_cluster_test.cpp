// SPDX-License-Identifier: MIT
//
// A Redis Cluster while its nodes fail and its slots move.
#include "fail_over.hpp"
#include "redis_subject.hpp"
#include "stores/redis/cluster_connection.hpp"
#include "support/certificate_authority.hpp"
#include "support/expect_error.hpp"
#include "support/redis_deployments.hpp"

#include <workerid/redis_store.hpp>
#include <workerid/testing/store_conformance.hpp>
#include <workerid/workerid.hpp>

#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

TEST(RedisCluster, ServesEachClusterOnTheNodeThatHasIt) {
  ClusteredRedis redis;
  const auto store = open_redis_store(redis.url());
  std::set<std::uint16_t> ports;
  for (int number = 0; number < 20; ++number) {
    Client client;
    client.cluster = "cluster" + std::to_string(number);
    const Grant grant = client.acquire(*store);
    EXPECT_EQ(client.renew(*store, grant.worker_id).epoch, grant.epoch);
    RedisServer& master = redis.master_of(client.cluster);
    ports.insert(master.port());
    EXPECT_EQ(master.cli({"EXISTS", "{workerid:" + client.cluster + "}:cluster"}), "1");
    EXPECT_EQ(std::to_string(detail::redis::slot_of("{workerid:" + client.cluster + "}:cluster")),
              redis.slot(client.cluster));
    client.release(*store, grant.worker_id);
  }
  EXPECT_EQ(ports.size(), 3U);
  EXPECT_EQ(store->clusters(patience).size(), 20U) << "of all nodes";
  EXPECT_EQ(store->description(), redis.url());
  EXPECT_EQ(store->guarantee(patience).exclusivity, GuaranteeLevel::conditional);
}

// Several clusters' renewals at once go to several nodes, each answer to its request.
TEST(RedisCluster, RenewsAcrossNodes) {
  ClusteredRedis redis;
  const auto store = open_redis_store(redis.url() + "?wait_replicas=1");
  std::vector<RenewRequest> requests;
  std::vector<std::uint64_t> epochs;
  for (int number = 0; number < 12; ++number) {
    Client client;
    client.cluster = "cluster" + std::to_string(number);
    const Grant grant = client.acquire(*store);
    epochs.push_back(grant.epoch);
    requests.push_back({client.cluster, grant.worker_id, client.token, Renewal::held, client.time});
  }
  requests[5].token = Token::random();
  const auto answers = store->renew_all(requests, patience);
  ASSERT_EQ(answers.size(), requests.size());
  for (std::size_t index = 0; index < answers.size(); ++index) {
    if (index == 5) {
      EXPECT_EQ(std::get<Error>(answers[index]).error_code(), ErrorCode::token_mismatch);
    } else {
      EXPECT_EQ(std::get<Grant>(answers[index]).epoch, epochs[index]) << index;
    }
  }
}

TEST(RedisCluster, LeasesSurviveAKilledMaster) {
  ClusteredRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  for (int round = 0; round < fail_overs(); ++round) {
    RedisServer& former = redis.master_of("jobs");
    former.kill();
    redis.wait_for_another_master("jobs", former.port());
    holders.expect_all_renewed();
    if (round + 1 == fail_overs()) break;
    former.restart();
    redis.wait_until_whole();
  }
}

TEST(RedisCluster, LeasesSurviveAMasterThatStandsStill) {
  ClusteredRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  for (int round = 0; round < fail_overs(); ++round) {
    RedisServer& former = redis.master_of("jobs");
    former.signal(SIGSTOP);
    redis.wait_for_another_master("jobs", former.port());
    holders.expect_all_renewed();
    former.signal(SIGCONT);
    if (round + 1 < fail_overs()) redis.wait_until_whole();
  }
}

TEST(RedisCluster, LeasesSurviveAFailOverByHand) {
  ClusteredRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  redis.fail_over("jobs");
  holders.expect_all_renewed();
}

// The slot of the leases goes to another master while they are renewed: announced, moved key by key,
// and settled.
TEST(RedisCluster, LeasesSurviveTheirSlotsMove) {
  ClusteredRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  const auto store = open_redis_store(redis.url());
  Client client;
  client.configuration = {1, 1000, 30s, 15s, 1s};  // as the holders'
  const Grant grant = client.acquire(*store);
  RedisServer& source = redis.master_of("jobs");
  RedisServer& target = redis.other_master("jobs");
  const std::string slot = redis.slot("jobs");
  const std::string source_name = ClusteredRedis::name(source);
  const std::string target_name = ClusteredRedis::name(target);
  ASSERT_EQ(target.cli({"CLUSTER", "SETSLOT", slot, "IMPORTING", source_name}), "OK");
  ASSERT_EQ(source.cli({"CLUSTER", "SETSLOT", slot, "MIGRATING", target_name}), "OK");
  const auto renew = [&] { client.renew(*store, grant.worker_id, Renewal::held, 2s); };
  // Some keys of the slot are there, others were never made: the server wants us to come again.
  expect_error_naming(ErrorCode::unavailable, renew, "TRYAGAIN");
  ASSERT_EQ(source.cli({"MIGRATE", "127.0.0.1", std::to_string(target.port()), "", "0", "10000",
                        "KEYS", "{workerid:jobs}:cluster", "{workerid:jobs}:order"}),
            "OK");
  expect_error_naming(ErrorCode::unavailable, renew, "TRYAGAIN");  // sent on, by ASK
  ASSERT_EQ(target.cli({"CLUSTER", "SETSLOT", slot, "NODE", target_name}), "OK");
  ASSERT_EQ(source.cli({"CLUSTER", "SETSLOT", slot, "NODE", target_name}), "OK");
  renew();  // the source says MOVED
  EXPECT_EQ(target.cli({"EXISTS", "{workerid:jobs}:cluster"}), "1");
  holders.expect_all_renewed();
}

TEST(RedisCluster, PassesTheConformanceSuite) {
  ClusteredRedis redis;
  std::ostringstream lines;
  EXPECT_TRUE(testing::run_store_conformance(
      {.open = [&] { return open_redis_store(redis.url()); }, .lease_time = 1s, .threads = 50},
      lines))
      << lines.str();
}

TEST(RedisCluster, SpeaksTls) {
  CertificateAuthority authority;
  authority.sign("server", "DNS:localhost,IP:127.0.0.1");
  const std::string ca = authority.file("ca.pem");
  ClusteredRedis redis({"--tls-port", "0", "--tls-cluster", "yes", "--tls-replication", "yes",
                        "--tls-cert-file", authority.file("server.pem"), "--tls-key-file",
                        authority.file("server.key"), "--tls-ca-cert-file", ca,
                        "--tls-auth-clients", "no"});
  const std::string url = "rediss+cluster://" + redis.addresses("localhost") + "?ca=";
  const auto store = open_redis_store(url + ca);
  for (const std::string cluster : {"a", "b", "c", "d"}) {
    Client client;
    client.cluster = cluster;
    EXPECT_EQ(client.acquire(*store).worker_id, 1);
  }
  expect_error_naming(
      ErrorCode::denied,
      [&] { Client{}.acquire(*open_redis_store(url + authority.file("stranger.pem")), 5s); },
      "certificate");
}

TEST(RedisCluster, SaysWhatIsWrong) {
  const auto expect = [](ErrorCode code, const std::string& url, const std::string& named) {
    expect_error_naming(
        code, [&] { Client{}.acquire(*open_redis_store(url)); }, named);
  };
  RedisServer alone;
  const std::string address = "redis+cluster://127.0.0.1:";
  expect(ErrorCode::unsupported_server, address + std::to_string(alone.port()),
         "cluster support disabled");
  expect(ErrorCode::unavailable, address + std::to_string(free_port()), "cannot connect");
  RedisServer empty({"--cluster-enabled", "yes", "--cluster-port", std::to_string(free_port())});
  expect(ErrorCode::unavailable, address + std::to_string(empty.port()), "knows no slots");
}

}  // namespace
}  // namespace workerid::tests
