// SPDX-License-Identifier: MIT
//
// workerid doctor on a server of Redis: each hazard that it names is there, and is found.
#include "cli/doctor_report.hpp"
#include "doctor/redis_findings.hpp"
#include "faults/redis_proxy.hpp"
#include "faults/redis_subject.hpp"
#include "stores/redis/permissions.hpp"
#include "stores/redis/scripts.hpp"
#include "support/redis_deployments.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using Words = std::vector<std::string>;

const Words durable{"--appendonly", "yes", "--appendfsync", "always"};

// Repeats what the server does by and by.
void await(const std::function<bool()>& done) {
  const auto deadline = steady_clock::now() + 60s;
  while (!done()) {
    ASSERT_LT(steady_clock::now(), deadline);
    std::this_thread::sleep_for(20ms);
  }
}

std::string key(const std::string& part) {
  return "{workerid:jobs}:" + part;
}

class DoctorOfRedis : public ::testing::Test {
 protected:
  // A user "worker", by this server's default user.
  static void set_user(const RedisServer& server, const Words& rules) {
    Words words{"ACL", "SETUSER", "worker", "reset", "on", ">secret"};
    words.insert(words.end(), rules.begin(), rules.end());
    ASSERT_EQ(server.cli(words), "OK");
  }

  static Tool as_worker(const RedisServer& server) {
    return Tool{"redis://worker:secret@127.0.0.1:" + std::to_string(server.port()), "jobs"};
  }

  static Tool tool_for(const RedisServer& server) { return Tool{server.url(), "jobs"}; }

  // Takes `count` IDs of the cluster "jobs".
  static void take(const RedisServer& server, int count, const Configuration& configuration = {}) {
    const auto store = open_redis_store(server.socket_url());
    for (int taken = 0; taken < count; ++taken) {
      Client client;
      client.configuration = configuration;
      client.acquire(*store);
    }
  }

  static Words all_but(const std::string& missing) {
    Words rules{"~{workerid:*}:*"};
    for (const auto& command : detail::redis::needed_commands) {
      if (command.name != missing) rules.push_back("+" + std::string{command.name});
    }
    return rules;
  }

  static std::string all_commands() {
    const std::string count = std::to_string(detail::redis::needed_commands.size());
    return count + " of the " + count;
  }
};

TEST_F(DoctorOfRedis, ADurableServerHasNoWarning) {
  const RedisServer server(durable);
  take(server, 1);
  const Report report = report_of(tool_for(server), {"--seconds", "1"});
  EXPECT_EQ(report.exit_code, 0) << report.json.dump(1);
  EXPECT_EQ(report.json.at("verdict"), "note");
  EXPECT_EQ(report.json.at("cluster"), "jobs");
  for (const char* const topic :
       {"server", "role", "persistence", "eviction", "clock", "clock steps", "latency", "acl",
        "cluster", "hold-back", "fill", "forecast"}) {
    EXPECT_TRUE(report.find(topic, "ok")) << topic << ": " << report.json.dump(1);
  }
  expect_finding(report, "ok", "server", {"Redis 7"});
  expect_finding(report, "ok", "cluster", {"1 to 1000", "lease 5m", "reuse delay 2m30s"});
  expect_finding(report, "note", "replicas", {"none"});
  expect_finding(report, "note", "guarantee", {"exclusivity exact"});
  expect_finding(report, "ok", "forecast", {"unknown"});
}

TEST_F(DoctorOfRedis, ItChangesNothing) {
  const RedisServer server(durable);
  const std::string before = server.cli({"INFO", "persistence"});
  const auto changes = [](const std::string& info) {
    return info.substr(info.find("rdb_changes_since_last_save:"), 40);
  };
  report_of(tool_for(server));
  EXPECT_EQ(server.cli({"DBSIZE"}), "0");
  take(server, 3);
  const std::string taken = server.cli({"INFO", "persistence"});
  report_of(tool_for(server));
  EXPECT_EQ(changes(server.cli({"INFO", "persistence"})), changes(taken));
  EXPECT_NE(changes(before), changes(taken));
}

TEST_F(DoctorOfRedis, FindsThatNothingIsKept) {
  const RedisServer server;
  const Report report = report_of(tool_for(server));
  EXPECT_EQ(report.exit_code, 96);
  expect_finding(report, "warning", "persistence",
                 {"appendonly no", "forgets all", "CONFIG SET appendonly yes"});
}

TEST_F(DoctorOfRedis, FindsThatSnapshotsAloneAreKept) {
  const RedisServer server({"--save", "900 1"});
  expect_finding(report_of(tool_for(server)), "warning", "persistence",
                 {"save \\\"900 1\\\"", "snapshot", "CONFIG SET appendonly yes"});
}

TEST_F(DoctorOfRedis, FindsThatTheLogIsWrittenLate) {
  const RedisServer server({"--appendonly", "yes", "--appendfsync", "no"});
  expect_finding(report_of(tool_for(server)), "warning", "persistence",
                 {"appendfsync no", "CONFIG SET appendfsync everysec"});
  server.cli({"CONFIG", "SET", "appendfsync", "everysec"});
  expect_finding(report_of(tool_for(server)), "note", "persistence", {"appendfsync everysec"});
}

// A snapshot that cannot take its place fails, and the server refuses writes for it.
TEST_F(DoctorOfRedis, FindsThatItCannotBeSaved) {
  const RedisServer server({"--save", "900 1"});
  std::filesystem::create_directory(server.directory() / "dump.rdb");
  server.cli({"BGSAVE"});
  await([&] {
    return server.cli({"INFO", "persistence"}).find("rdb_last_bgsave_status:err") !=
           std::string::npos;
  });
  expect_finding(report_of(tool_for(server)), "error", "persistence", {"MISCONF", "room"});
}

TEST_F(DoctorOfRedis, FindsThatLeasesMayBeEvicted) {
  const RedisServer server({"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  expect_finding(report_of(tool_for(server)), "warning", "eviction",
                 {"allkeys-lru", "105 MB", "CONFIG SET maxmemory-policy noeviction"});
  server.cli({"DEBUG", "POPULATE", "20000", "filler", "100"});
  server.cli({"CONFIG", "SET", "maxmemory", "2mb"});
  await([&] {
    server.cli({"SET", "one", "more"});
    return server.cli({"INFO", "stats"}).find("\nevicted_keys:0") == std::string::npos;
  });
  expect_finding(report_of(tool_for(server)), "error", "eviction", {"has evicted"});
  server.cli({"CONFIG", "SET", "maxmemory", "0"});
  expect_finding(report_of(tool_for(server)), "note", "eviction", {"as long as there is no limit"});
}

TEST_F(DoctorOfRedis, KnowsThatVolatilePoliciesEvictNoLease) {
  const RedisServer server({"--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"});
  expect_finding(report_of(tool_for(server)), "note", "eviction", {"volatile-lru", "not evicted"});
}

TEST_F(DoctorOfRedis, FindsThatMemoryIsFull) {
  const RedisServer server(durable);
  server.cli({"DEBUG", "POPULATE", "200000", "filler", "200"});
  std::smatch used;
  const std::string info = server.cli({"INFO", "memory"});
  ASSERT_TRUE(std::regex_search(info, used, std::regex("used_memory:([0-9]+)")));
  const std::int64_t bytes = std::stoll(used[1].str());
  server.cli({"CONFIG", "SET", "maxmemory", std::to_string(bytes * 100 / 95)});
  expect_finding(report_of(tool_for(server)), "warning", "memory", {"OOM", "maxmemory"});
  server.cli({"CONFIG", "SET", "maxmemory", std::to_string(bytes / 2)});
  expect_finding(report_of(tool_for(server)), "error", "memory", {"OOM", "maxmemory"});
}

TEST_F(DoctorOfRedis, FindsReplicasThatLagAndAMasterThatWouldNotNotice) {
  RedisServer master(durable);
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(master.port())});
  await([&] {
    return master.cli({"INFO", "replication"}).find("state=online") != std::string::npos;
  });
  const std::string address = "127.0.0.1:" + std::to_string(replica.port());
  await([&] { return report_of(tool_for(master)).find("replicas", "ok").has_value(); });
  Report report = report_of(tool_for(master));
  expect_finding(report, "ok", "replicas", {address, "online"});
  expect_finding(report, "warning", "guarantee", {"has replicas", "best_effort"});
  expect_finding(report, "warning", "min-replicas-to-write",
                 {"goes on granting", "CONFIG SET min-replicas-to-write 1"});

  expect_finding(report_of(tool_for(replica)), "error", "role",
                 {"replica of 127.0.0.1:" + std::to_string(master.port()), "--store"});

  master.cli({"CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "2"});
  await(
      [&] { return report_of(tool_for(master)).find("min-replicas-to-write", "ok").has_value(); });
  replica.signal(SIGSTOP);
  await([&] {
    const Report now = report_of(tool_for(master));
    return now.find("replicas", "warning") && now.find("min-replicas-to-write", "error");
  });
  report = report_of(tool_for(master));
  expect_finding(report, "warning", "replicas", {address, "lacks"});
  expect_finding(report, "error", "min-replicas-to-write", {"NOREPLICAS"});
}

TEST_F(DoctorOfRedis, FindsThatTooFewReplicasAreThere) {
  const RedisServer server({"--min-replicas-to-write", "1"});
  expect_finding(report_of(tool_for(server)), "error", "min-replicas-to-write",
                 {"NOREPLICAS", "min-replicas-to-write 0"});
}

TEST_F(DoctorOfRedis, FindsEachCommandThatIsNotAllowed) {
  const RedisServer server(durable);
  take(server, 1);
  for (const auto& command : detail::redis::needed_commands) {
    const std::string name{command.name};
    SCOPED_TRACE(name);
    set_user(server, all_but(name));
    const Report report = report_of(as_worker(server));
    // Without eval one command cannot be tried; it is not claimed to be missing.
    expect_finding(report, name == "info" ? "warning" : "error", "acl",
                   {"may not run " + name, "ACL SETUSER worker +" + name + "\""});
  }
}

TEST_F(DoctorOfRedis, FindsCommandsThatWereRenamed) {
  const RedisServer server({"--rename-command", "HSCAN", ""});
  expect_finding(report_of(tool_for(server)), "error", "acl", {"no command hscan"});
}

TEST_F(DoctorOfRedis, FindsKeysThatAreNotAllowed) {
  const RedisServer server(durable);
  set_user(server, {"+@all", "~other:*"});
  expect_finding(report_of(as_worker(server)), "error", "acl",
                 {"may not use the cluster's keys", "ACL SETUSER worker '~{workerid:*}:*'"});
  set_user(server, {"+@all", "~" + key("cluster"), "~" + key("order"), "~" + key("instances")});
  expect_nothing_wrong(report_of(as_worker(server)), "acl");
}

// Whoever does as doctor says has a user with which everything works.
TEST_F(DoctorOfRedis, TheLineThatItPrintsIsEnough) {
  const RedisServer server(durable);
  const auto line = report_of(tool_for(server)).find("acl", "note");
  ASSERT_TRUE(line);
  const std::string words =
      std::regex_replace(line->at("change").get<std::string>(), std::regex("PASSWORD"), "secret");
  ASSERT_EQ(words.substr(0, 19), "ACL SETUSER worker ") << words;
  Process shell({"sh", "-c", "redis-cli -p " + std::to_string(server.port()) + " " + words});
  EXPECT_EQ(result_of(shell).output, "OK\n");

  const Tool worker = as_worker(server);
  const std::string token = worker.json({"get"}).at("token");
  EXPECT_EQ(worker({"renew", "1", token}).status, ExitStatus{});
  EXPECT_EQ(worker.count("leased"), 1);
  const Report report = report_of(worker);
  expect_finding(report, "ok", "acl", {all_commands()});
  expect_finding(report, "note", "config",
                 {"CONFIG GET is refused", "appendfsync", "ACL SETUSER worker '+config|get'"});
  EXPECT_EQ(worker({"release", "1", token}).status, ExitStatus{});
}

TEST_F(DoctorOfRedis, TheListOfPermissionsIsWhatTheScriptsRunAndTheDocumentsSay) {
  std::set<std::string> run{"eval", "evalsha"};
  using namespace detail::redis;
  for (const Script* const script :
       {&acquire_script, &renew_script, &restore_script, &release_script, &inspect_script,
        &resize_script, &evict_script}) {
    const std::string text{script->text};
    const std::regex call("call\\('([A-Z]+)'");
    for (std::sregex_iterator found(text.begin(), text.end(), call), end; found != end; ++found) {
      std::string name = (*found)[1].str();
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char letter) { return std::tolower(letter); });
      run.insert(name);
    }
  }
  std::set<std::string> needed;
  for (const auto& command : needed_commands) needed.insert(std::string{command.name});
  EXPECT_EQ(needed, run);
  const std::string document = read_file(WORKERID_STORES_DOCUMENT);
  const std::string rules = needed_rules({});
  EXPECT_NE(document.find(rules + "\n"), std::string::npos) << rules;
  EXPECT_EQ(needed_rules(parse_deployment("redis://db/3")), rules + " +select");
  EXPECT_EQ(needed_rules(parse_deployment("redis://db?wait_replicas=1")), rules + " +wait");
  EXPECT_EQ(needed_rules(parse_deployment("redis+sentinel://db/jobs")), rules + " +role");
  EXPECT_EQ(needed_rules(parse_deployment("redis+cluster://db")),
            rules + " '+cluster|slots' +asking");
}

TEST_F(DoctorOfRedis, SaysWhatItMayNotAsk) {
  const RedisServer server(durable);
  set_user(server, {"~*", "+@all", "-info", "-config"});
  const Report report = report_of(as_worker(server));
  EXPECT_EQ(report.exit_code, 96) << report.json.dump(1);
  expect_finding(report, "warning", "info", {"NOPERM", "ACL SETUSER worker +info"});
  expect_finding(report, "note", "config", {"NOPERM", "'+config|get'"});
  expect_finding(report, "warning", "guarantee", {"best_effort"});
  expect_finding(report, "note", "server", {"does not tell"});

  // Either one tells most of it.
  set_user(server, {"~*", "+@all", "-info"});
  expect_finding(report_of(as_worker(server)), "ok", "persistence", {"appendfsync always"});
  set_user(server, {"~*", "+@all", "-config"});
  expect_finding(report_of(as_worker(server)), "note", "persistence", {"appendfsync is not shown"});
}

TEST_F(DoctorOfRedis, FindsAClockThatSteps) {
  RedisServer server(durable);
  Process doctor(Tool::words({"doctor", "--output", "json", "--seconds", "1"}),
                 tool_for(server).environment());
  while (!doctor.wait_for(10ms)) server.step_clock(5s);
  expect_finding(parsed_report(result_of(doctor)), "error", "clock steps",
                 {"stepped", "forward", "chrony"});
}

TEST_F(DoctorOfRedis, FindsAClockThatIsOff) {
  RedisServer server(durable);
  server.step_clock(50s);
  expect_finding(report_of(tool_for(server)), "warning", "clock", {" ahead of", "an eighth"});
  server.step_clock(-200s);
  expect_finding(report_of(tool_for(server)), "error", "clock", {" behind", "within 60 s"});
}

TEST_F(DoctorOfRedis, FindsAServerThatIsSlow) {
  const RedisServer server(durable);
  ASSERT_EQ(tool_for(server)({"get", "--lease", "6s", "--reuse-delay", "6s"}).status, ExitStatus{});
  CuttingProxy proxy(server.port());
  const Tool tool{proxy.url(), "jobs"};
  // A renewal of this cluster may take a second.
  proxy.delay_replies(150ms);
  expect_finding(report_of(tool), "warning", "latency", {"may take 1s", "--lease"});
  proxy.delay_replies(1100ms);
  expect_finding(report_of(tool), "error", "latency", {"may take 1s", "renewals fail", "--lease"});
}

TEST_F(DoctorOfRedis, FindsAHoldBack) {
  const RedisServer server(durable);
  take(server, 1);
  server.cli({"DEL", key("order")});
  EXPECT_EQ(tool_for(server)({"get", "--wait", "0s"}).status.code, 89);
  expect_finding(report_of(tool_for(server)), "warning", "hold-back",
                 {"nothing is granted for 7m", "lost data"});
}

TEST_F(DoctorOfRedis, FindsThatAServerIsYoung) {
  RedisServer server(durable);
  server.restart();
  expect_finding(report_of(tool_for(server)), "warning", "hold-back",
                 {"was started", "7m30s", "--fresh"});
}

TEST_F(DoctorOfRedis, FindsThatAClusterIsNearlyFull) {
  const RedisServer server(durable);
  const Configuration ten{.min_worker_id = 1, .max_worker_id = 10};
  take(server, 8, ten);
  expect_nothing_wrong(report_of(tool_for(server)), "fill");
  take(server, 1, ten);
  expect_finding(report_of(tool_for(server)), "warning", "fill", {"9 of 10", "--max"});
  take(server, 1, ten);
  expect_finding(report_of(tool_for(server)), "error", "fill", {"10 of 10", "--max"});
}

TEST_F(DoctorOfRedis, ForecastsWhenTheIdsRunOut) {
  const RedisServer server(durable);
  const auto store = open_redis_store(server.socket_url());
  const auto take_one = [&] {
    Client client;
    client.configuration = {.min_worker_id = 1, .max_worker_id = 1'000'000};
    client.acquire(*store);
  };
  take_one();
  Process doctor(Tool::words({"doctor", "--output", "json", "--seconds", "1"}),
                 tool_for(server).environment());
  while (!doctor.wait_for(1ms)) take_one();
  const Report report = parsed_report(result_of(doctor));
  const auto forecast =
      report.find("forecast", report.find("forecast", "note") ? "note" : "warning");
  ASSERT_TRUE(forecast) << report.json.dump(1);
  EXPECT_NE(forecast->dump().find("none is left in "), std::string::npos) << forecast->dump();
}

TEST_F(DoctorOfRedis, FindsADamagedRecord) {
  const RedisServer server(durable);
  take(server, 1);
  server.cli(
      {"EVAL", "redis.call('HSET', KEYS[1], struct.pack('>I4', 1), 'x')", "1", key("cluster")});
  const Report report = report_of(tool_for(server));
  EXPECT_EQ(report.exit_code, 97);
  expect_finding(report, "error", "cluster", {"worker ID 1", "corrupt record"});
}

TEST_F(DoctorOfRedis, FindsDataOfAnotherProgram) {
  const RedisServer server(durable);
  server.cli({"SET", key("cluster"), "somebody else's"});
  expect_finding(report_of(tool_for(server)), "error", "cluster",
                 {"another program", "corrupt record"});
}

TEST_F(DoctorOfRedis, FindsAProxyThatDoesNotPassInfoOn) {
  const RedisServer server(durable);
  take(server, 1);
  CuttingProxy proxy(server.port());
  proxy.cut_at("INFO");
  const Tool tool(proxy.url(), "jobs");
  const Report report = report_of(tool);
  EXPECT_EQ(report.exit_code, 97) << report.json.dump(1);
  expect_finding(report, "error", "proxy", {"INFO", "closed", "twemproxy", "--store"});
  EXPECT_EQ(report.json.dump().find("unknown"), std::string::npos) << report.json.dump(1);
  // What only reads is not left open, wherever it is cut.
  proxy.cut_at("EVALSHA");
  const Result listed = tool({"list"});
  EXPECT_EQ(listed.status.code, 87) << listed.errors;
}

TEST_F(DoctorOfRedis, FindsABusyServer) {
  const RedisServer server({"--busy-reply-threshold", "1"});
  Process script({"redis-cli", "-s", server.socket(), "EVAL", "while true do end", "0"});
  await([&] { return server.cli({"PING"}).find("BUSY") != std::string::npos; });
  const Report report = report_of(tool_for(server));
  EXPECT_EQ(server.cli({"SCRIPT", "KILL"}), "OK");
  expect_finding(report, "error", "cluster", {"BUSY", "SCRIPT KILL"});
  expect_finding(report, "warning", "info", {"BUSY"});
  EXPECT_EQ(report.json.dump().find("+info\""), std::string::npos);  // it is allowed
}

TEST_F(DoctorOfRedis, FollowsSentinelsToTheMaster) {
  WatchedRedis watched;
  const Report report = report_of(Tool{watched.url(), "jobs"});
  expect_finding(report, "ok", "role", {"master"});
  expect_finding(report, "warning", "persistence", {"appendonly no"});
  expect_finding(report, "note", "guarantee", {"sentinels"});
}

// All is told of the node that has the cluster's keys.
TEST_F(DoctorOfRedis, FindsTheNodeOfARedisCluster) {
  ClusteredRedis cluster;
  const Tool tool{cluster.url(), "jobs"};
  ASSERT_EQ(tool({"get", "--fresh"}).status, ExitStatus{});
  cluster.master_of("jobs").cli({"CONFIG", "SET", "maxmemory", "100mb"});
  cluster.master_of("jobs").cli({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  const Report report = report_of(tool);
  expect_finding(report, "warning", "eviction", {"allkeys-lru"});
  expect_finding(report, "ok", "acl", {all_commands()});
  expect_finding(report, "ok", "fill", {"1 of 1000"});
}

TEST_F(DoctorOfRedis, FailsAsOthersDoWhereThereIsNoServer) {
  const Tool nowhere{"redis://127.0.0.1:" + std::to_string(free_port())};
  const Result result = nowhere({"doctor"});
  EXPECT_EQ(result.status, (ExitStatus{87, 0}));
  EXPECT_EQ(result.output, "");
  EXPECT_NE(result.errors.find("127.0.0.1"), std::string::npos);
}

TEST_F(DoctorOfRedis, FailsAsOthersDoWhereItIsNotLetIn) {
  const RedisServer server({"--requirepass", "secret"});
  const Result result = tool_for(server)({"doctor"});
  EXPECT_EQ(result.status, (ExitStatus{91, 0}));
  EXPECT_EQ(result.output, "");
}

TEST_F(DoctorOfRedis, TextSaysTheSame) {
  const RedisServer server;
  const Result result = tool_for(server)({"doctor", "--seconds", "0"});
  EXPECT_EQ(result.status, (ExitStatus{96, 0}));
  for (const char* const part : {"warning  persistence", "change: CONFIG SET appendonly yes",
                                 "verdict: warning (0 errors, 1 warning"}) {
    EXPECT_NE(result.output.find(part), std::string::npos) << part << "\n" << result.output;
  }
}

}  // namespace
}  // namespace workerid::tests
