// SPDX-License-Identifier: MIT
//
// A master and its replicas, watched by sentinels, while the master fails in every way.
#include "fail_over.hpp"
#include "redis_subject.hpp"
#include "support/certificate_authority.hpp"
#include "support/expect_error.hpp"
#include "support/redis_deployments.hpp"

#include <workerid/redis_store.hpp>
#include <workerid/testing/store_conformance.hpp>
#include <workerid/workerid.hpp>

#include <algorithm>
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

// Cuts both replicas off, for good: the master no longer lets them in.
const std::vector<std::string> replicas_with_a_user{
    "--user", "replica",      "on",      ">secret",      "+psync", "+replconf",
    "+ping",  "--masteruser", "replica", "--masterauth", "secret"};

void cut_replicas_off(const RedisServer& master) {
  ASSERT_EQ(master.cli({"ACL", "SETUSER", "replica", "off"}), "OK");
  master.cli({"CLIENT", "KILL", "TYPE", "replica"});
}

TEST(RedisSentinel, ServesTheMasterThatTheSentinelsName) {
  WatchedRedis redis;
  const auto store = open_redis_store(redis.url());
  Client client;
  const Grant grant = client.acquire(*store);
  EXPECT_EQ(client.renew(*store, grant.worker_id).epoch, grant.epoch);
  EXPECT_EQ(redis.master().cli({"EXISTS", "{workerid:jobs}:cluster"}), "1");
  EXPECT_EQ(store->description(), redis.url() + "/0");
  client.release(*store, grant.worker_id);
}

TEST(RedisSentinel, LeasesSurviveAKilledMaster) {
  WatchedRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  for (int round = 0; round < fail_overs(); ++round) {
    RedisServer& former = redis.master();
    former.kill();
    redis.wait_for_another_master(former.port());
    holders.expect_all_renewed();
    if (round + 1 == fail_overs()) break;
    former.restart();
    redis.wait_until_whole();
  }
}

TEST(RedisSentinel, LeasesSurviveAMasterThatStandsStill) {
  WatchedRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  for (int round = 0; round < fail_overs(); ++round) {
    RedisServer& former = redis.master();
    former.signal(SIGSTOP);
    redis.wait_for_another_master(former.port());
    holders.expect_all_renewed();
    former.signal(SIGCONT);
    if (round + 1 < fail_overs()) redis.wait_until_whole();
  }
}

TEST(RedisSentinel, LeasesSurviveAFailOverByHand) {
  WatchedRedis redis;
  Holders holders(redis.url(), 10, long_lease());
  const std::uint16_t former = redis.master().port();
  ASSERT_EQ(redis.sentinels().front()->cli({"SENTINEL", "FAILOVER", "jobs"}), "OK\n");
  redis.wait_for_another_master(former);
  holders.expect_all_renewed();
}

// A former master that still answers takes a second to be left, though its connections are open (A4).
TEST(RedisSentinel, AFormerMasterThatComesBackIsLeft) {
  WatchedRedis redis;
  const auto store = open_redis_store(redis.url());
  Client client;
  const Grant grant = client.acquire(*store);
  RedisServer& former = redis.master();
  former.signal(SIGSTOP);
  redis.wait_for_another_master(former.port());
  // It takes itself for the master until a sentinel tells it better; no renewal reaches it.
  former.signal(SIGCONT);
  former.cli({"CONFIG", "RESETSTAT"});
  for (int renewal = 0; renewal < 20; ++renewal) {
    EXPECT_EQ(client.renew(*store, grant.worker_id, Renewal::held).worker_id, grant.worker_id);
  }
  EXPECT_EQ(former.cli({"INFO", "commandstats"}).find("cmdstat_evalsha"), std::string::npos);
}

// Cut off with its clients: neither its replicas nor the sentinels get through to it, everybody else
// does, and it would go on granting.
TEST(RedisSentinel, AMasterThatIsCutOffWithItsClientsIsLeft) {
  WatchedRedis redis(replicas_with_a_user);
  Holders holders(redis.url(), 10, long_lease());
  RedisServer& former = redis.master();
  cut_replicas_off(former);
  // Sentinels take no answer but PONG, and say no more to one that is down.
  ASSERT_EQ(former.cli({"ACL", "SETUSER", "default", "-ping"}), "OK");
  redis.wait_for_another_master(former.port());
  former.cli({"CONFIG", "RESETSTAT"});
  holders.expect_all_renewed();
  EXPECT_EQ(former.cli({"INFO", "commandstats"}).find("cmdstat_evalsha"), std::string::npos)
      << "somebody renewed where it does not count";
  EXPECT_EQ(former.cli({"ROLE"}).substr(0, 6), "master") << "nobody could tell it";
}

// Grants that the master acknowledged and no replica has are lost; the holders keep their IDs all the
// same, and nobody else gets one of them.
TEST(RedisSentinel, GrantsThatAFailOverLosesAreNotGrantedTwice) {
  WatchedRedis redis(replicas_with_a_user);
  constexpr int count = 20;
  const Options options{.max_worker_id = 2 * count, .max_lease_time = 8s, .fresh = true};
  Holders first(redis.url(), 1, options);
  while (redis.replicas().front()->cli({"EXISTS", "{workerid:jobs}:cluster"}) != "1" ||
         redis.replicas().back()->cli({"EXISTS", "{workerid:jobs}:cluster"}) != "1") {
    std::this_thread::yield();
  }
  RedisServer& former = redis.master();
  cut_replicas_off(former);
  Holders others(redis.url(), count - 1, options);
  const auto view = open_redis_store(former.url())->inspect("jobs", patience);
  ASSERT_EQ(view->leases.size(), static_cast<std::size_t>(count));

  former.kill();
  redis.wait_for_another_master(former.port());
  // Before anyone registered anew: the sentinels' choice has the first grant only.
  std::set<WorkerId> ids;
  for (Holders* holders : {&first, &others}) {
    holders->expect_all_renewed();
    for (const Lease& lease : holders->leases()) ids.insert(lease.worker_id());
  }
  Holders newcomers(redis.url(), count, options);
  for (const Lease& lease : newcomers.leases()) ids.insert(lease.worker_id());
  EXPECT_EQ(ids.size(), 2U * count) << "some ID was granted twice";
  for (const Lease& lease : others.leases()) EXPECT_TRUE(lease.held()) << lease.worker_id();
}

TEST(RedisSentinel, GrantsWaitForReplicas) {
  WatchedRedis redis(replicas_with_a_user);
  const auto store = open_redis_store(redis.url() + "?wait_replicas=2");
  Client client;
  const Grant grant = client.acquire(*store);
  for (RedisServer* replica : redis.replicas()) {
    EXPECT_EQ(replica->cli({"EXISTS", "{workerid:jobs}:cluster"}), "1");
  }
  EXPECT_EQ(store->guarantee(patience).exclusivity, GuaranteeLevel::conditional);

  cut_replicas_off(redis.master());
  Client other;
  for (int repeated = 0; repeated < 2; ++repeated) {
    expect_error_naming(
        ErrorCode::outcome_unknown, [&] { other.acquire(*store, 8s); }, "of 2 replicas");
  }
  expect_error_naming(
      ErrorCode::outcome_unknown, [&] { client.renew(*store, grant.worker_id, Renewal::held, 8s); },
      "wait_replicas");
  // Both were done, and count where nobody asks for replicas.
  const auto careless = open_redis_store(redis.url());
  EXPECT_EQ(careless->inspect("jobs", patience)->leases.size(), 2U);
  EXPECT_EQ(client.renew(*careless, grant.worker_id).epoch, grant.epoch);
}

// A master that was cut off with its client goes on answering, but no holder believes it.
TEST(RedisSentinel, ALeaseEndsWhenNoReplicaHasItsRenewals) {
  WatchedRedis redis(replicas_with_a_user);
  Generator generator(open_redis_store(redis.url() + "?wait_replicas=1"), "jobs",
                      {.max_lease_time = 3s, .fresh = true});
  const Lease lease = generator.lease(1min);
  cut_replicas_off(redis.master());
  while (lease.held()) std::this_thread::yield();
  EXPECT_EQ(lease.state(), Lease::State::suspended);
  ASSERT_EQ(redis.master().cli({"ACL", "SETUSER", "replica", "on"}), "OK");
  while (!lease.held()) std::this_thread::yield();
}

TEST(RedisSentinel, PassesTheConformanceSuite) {
  WatchedRedis redis;
  const std::string url = redis.url() + "?wait_replicas=2";
  std::ostringstream lines;
  EXPECT_TRUE(testing::run_store_conformance(
      {.open = [&] { return open_redis_store(url); }, .lease_time = 1s, .threads = 50}, lines))
      << lines.str();
}

TEST(RedisSentinel, AMinorityDoesNotDecide) {
  WatchedRedis redis;
  const auto store = open_redis_store(redis.url());
  Client client;
  const Grant grant = client.acquire(*store);
  redis.sentinels()[0]->signal(SIGSTOP);
  EXPECT_EQ(client.renew(*store, grant.worker_id).epoch, grant.epoch);
  const auto another = open_redis_store(redis.url());
  EXPECT_EQ(client.renew(*another, grant.worker_id).epoch, grant.epoch);

  redis.sentinels()[1]->signal(SIGSTOP);
  const auto fresh = open_redis_store(redis.url());
  expect_error_naming(
      ErrorCode::unavailable, [&] { client.renew(*fresh, grant.worker_id, Renewal::held, 500ms); },
      "no majority of the 3 sentinels");
  for (const auto& sentinel : redis.sentinels()) sentinel->signal(SIGCONT);
  EXPECT_EQ(client.renew(*store, grant.worker_id).epoch, grant.epoch);
}

TEST(RedisSentinel, SaysWhatIsWrong) {
  WatchedRedis redis;
  const auto expect = [](ErrorCode code, const std::string& url, const std::string& named) {
    expect_error_naming(
        code, [&] { Client{}.acquire(*open_redis_store(url)); }, named);
  };
  const std::string unknown = "redis+sentinel://" + redis.sentinel_addresses() + "/nonsense";
  expect(ErrorCode::unavailable, unknown, "does not know the service \"nonsense\"");
  const std::string closed = "redis+sentinel://127.0.0.1:" + std::to_string(free_port()) + "/jobs";
  expect(ErrorCode::unavailable, closed, "cannot connect");
  const std::string no_sentinel =
      "redis+sentinel://127.0.0.1:" + std::to_string(redis.master().port()) + "/jobs";
  expect(ErrorCode::unsupported_server, no_sentinel, "unknown command");
}

TEST(RedisSentinel, HasCredentialsOfItsOwn) {
  WatchedRedis redis;
  redis.master().cli({"CONFIG", "SET", "requirepass", "data"});
  const std::string wrong = redis.url();
  expect_error(ErrorCode::denied, [&] { Client{}.acquire(*open_redis_store(wrong)); });
  const std::string right =
      "redis+sentinel://:data@" + redis.sentinel_addresses() + "/jobs?sentinel_password=watch";
  EXPECT_EQ(Client{}
                .acquire(*open_redis_store("redis+sentinel://:data@" + redis.sentinel_addresses() +
                                           "/jobs"))
                .worker_id,
            1);
  for (const auto& sentinel : redis.sentinels()) {
    sentinel->cli({"ACL", "SETUSER", "watcher", "on", ">watch", "+@all"});
    sentinel->cli({"ACL", "SETUSER", "default", ">watch"});
  }
  EXPECT_EQ(Client{}.acquire(*open_redis_store(right)).worker_id, 2);
  EXPECT_EQ(Client{}.acquire(*open_redis_store(right + "&sentinel_user=watcher")).worker_id, 3);
}

TEST(RedisSentinel, SpeaksTlsToBoth) {
  CertificateAuthority authority;
  authority.sign("server", "DNS:localhost,IP:127.0.0.1");
  const std::string ca = authority.file("ca.pem");
  const std::string certificate = authority.file("server.pem");
  const std::string key = authority.file("server.key");
  WatchedRedis redis({"--tls-port", "0", "--tls-replication", "yes", "--tls-cert-file", certificate,
                      "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"},
                     {"tls-replication yes", "tls-cert-file " + certificate, "tls-key-file " + key,
                      "tls-ca-cert-file " + ca, "tls-auth-clients no"});
  const std::string url =
      "rediss+sentinel://" + redis.sentinel_addresses("localhost") + "/jobs?ca=";
  EXPECT_EQ(Client{}.acquire(*open_redis_store(url + ca)).worker_id, 1);
  const std::string stranger = authority.file("stranger.pem");
  // Each side is verified by its own settings.
  for (const std::string& wrong :
       {stranger + "&sentinel_ca=" + ca, ca + "&sentinel_ca=" + stranger,
        ca + "&sentinel_server_name=elsewhere", ca + "&server_name=elsewhere"}) {
    SCOPED_TRACE(wrong);
    expect_error_naming(
        ErrorCode::denied, [&] { Client{}.acquire(*open_redis_store(url + wrong), 5s); },
        "certificate");
  }
  Holders holders(url + ca, 3, long_lease(), "tls");
  RedisServer& former = redis.master();
  former.kill();
  holders.expect_all_renewed();
}

}  // namespace
}  // namespace workerid::tests
