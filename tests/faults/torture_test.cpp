// SPDX-License-Identifier: MIT
//
// workerid torture: short runs on each store, and how it ends.
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "redis_subject.hpp"
#include "support/expect_error.hpp"
#include "support/redis_deployments.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/redis_store.hpp>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::vector<std::string> torture(std::vector<std::string> options) {
  options.insert(options.begin(), "torture");
  if (const char* const seed = std::getenv("WORKERID_TEST_SEED")) {
    options.insert(options.end(), {"--seed", seed});
  }
  return options;
}

// Runs it to its end; nothing is broken, and every fault of its list has struck.
json expect_clean(std::vector<std::string> options, const std::string& store = "") {
  options.insert(options.end(), {"--output", "json"});
  const Result result = Tool{store}(torture(std::move(options)));
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.output << result.errors;
  EXPECT_EQ(result.errors, "");
  const json found = json::parse(result.output);
  SCOPED_TRACE("replay with WORKERID_TEST_SEED=" + found.at("options").at("seed").dump());
  EXPECT_EQ(found.at("verdict"), "clean");
  EXPECT_EQ(found.at("figures").at("overlaps"), 0);
  EXPECT_GT(found.at("figures").at("beliefs"), 1000);
  std::string faults = found.at("options").at("faults").get<std::string>() + ",";
  for (std::size_t comma = 0; (comma = faults.find(',')) != std::string::npos;
       faults.erase(0, comma + 1)) {
    EXPECT_TRUE(found.at("faults").contains(faults.substr(0, comma))) << result.output;
  }
  return found;
}

// When a fault strikes is drawn, so not every run meets everything: another is drawn until all of
// these counts were seen, each as GROUP/KEY of the report.
void expect_met(const std::vector<std::string>& options,
                std::set<std::pair<std::string, std::string>> wanted) {
  for (int run = 0; run < 5 && !wanted.empty(); ++run) {
    const json found = expect_clean(options);
    std::erase_if(wanted, [&found](const auto& count) {
      return found.at(count.first).contains(count.second);
    });
  }
  for (const auto& [group, key] : wanted) ADD_FAILURE() << "never met: " << group << ", " << key;
}

TEST(Torture, OfProcessesOnAFile) {
  const json found =
      expect_clean({"--server", "sqlite", "--seconds", "10", "--processes", "5", "--ids", "8"});
  EXPECT_GT(found.at("figures").at("grants"), 8) << "IDs change hands";
}

TEST(Torture, OfProcessesThatCompete) {
  expect_met({"--server", "sqlite", "--seconds", "10", "--processes", "6", "--ids", "3", "--faults",
              "kill,stop,leave"},
             {{"calls", "acquire/no_available_id"}});
}

TEST(Torture, OfAServerThatKeepsItsData) {
  expect_clean({"--server", "redis", "--seconds", "15", "--processes", "5", "--ids", "8"});
}

TEST(Torture, OfAServerThatForgets) {  // G7
  expect_met({"--server", "redis", "--server-data", "none", "--seconds", "15", "--processes", "5",
              "--ids", "8", "--faults", "kill,stop,restart,wipe"},
             {{"events", "restored"}, {"calls", "acquire/holding_back"}});
}

TEST(Torture, OfAReplicaThatLacksTheLastGrants) {  // G7
  expect_clean({"--server", "redis", "--server-data", "replica", "--seconds", "15", "--processes",
                "5", "--ids", "8", "--faults", "kill,leave,promote"});
}

TEST(Torture, OfAFileThatIsDeletedAndReplaced) {  // G7
  expect_met({"--server", "sqlite", "--seconds", "20", "--processes", "5", "--ids", "8", "--faults",
              "kill,leave,delete,replace"},
             {{"events", "restored"}});
}

TEST(Torture, OfAServersClock) {
  expect_clean({"--server", "redis", "--seconds", "8", "--processes", "5", "--faults",
                "kill,leave,clock", "--step-clock", WORKERID_STEP_CLOCK});
}

TEST(Torture, OfSomebodysServerTellsNoPassword) {
  const RedisServer server({"--requirepass", "hunter2"});
  const std::string url = "redis://:hunter2@127.0.0.1:" + std::to_string(server.port()) + "/1";
  const json found =
      expect_clean({"--seconds", "4", "--processes", "3", "--faults", "partition"}, url);
  EXPECT_EQ(found.dump().find("hunter2"), std::string::npos);
}

// Why a newcomer is refused as soon as the store serves again.
ErrorCode refusal(Store& store) {
  while (true) {
    try {
      Client{}.acquire(store);
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::unavailable) return error.error_code();
    }
  }
}

// Whether a torture of this store has come so far that its processes have leases: the first of its
// cluster is its own, which makes sure that the store can be used at all.
bool runs(Store& store) {
  for (const std::string& cluster : store.clusters(patience)) {
    if (cluster.rfind("torture-", 0) != 0) continue;
    const auto view = store.inspect(cluster, patience);
    return view && view->leases.size() > 1;
  }
  return false;
}

// Processes of somebody's store while this test makes it fail over: how it ended.
json tortured_while(const std::string& url, const std::function<void()>& fail_over) {
  Process process(
      Tool::words(torture({"--store", url, "--seconds", "20", "--processes", "5", "--ids", "8",
                           "--lease", "4s", "--faults", "kill,stop,leave", "--output", "json"})));
  const auto store = open_redis_store(url);
  Client{}.acquire(*store);
  while (!runs(*store)) std::this_thread::yield();
  fail_over();
  EXPECT_EQ(refusal(*store), ErrorCode::holding_back);
  const Result result = result_of(process);
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.output << result.errors;
  const json found = json::parse(result.output);
  EXPECT_EQ(found.at("figures").at("overlaps"), 0);
  EXPECT_GT(found.at("figures").at("beliefs"), 1000);
  return found;
}

TEST(Torture, OfAMasterThatFailsOver) {  // G7, A4
  WatchedRedis redis;
  tortured_while(redis.url(), [&] {
    for (const int signal : {SIGSTOP, SIGKILL}) {
      RedisServer& former = redis.master();
      former.signal(signal);
      redis.wait_for_another_master(former.port());
      if (signal == SIGSTOP) former.signal(SIGCONT);
    }
  });
}

TEST(Torture, OfARedisClusterThatFailsOver) {  // G7, A4
  ClusteredRedis redis;
  tortured_while(redis.url(), [&] {
    // Where the cluster of the run is, its name tells only later: every master in turn.
    for (std::size_t node = 0; node < 3; ++node) {
      RedisServer& former = *redis.nodes()[node];
      former.signal(node == 1 ? SIGSTOP : SIGKILL);
      redis.wait_for_replica_of(node);
      if (node == 1) former.signal(SIGCONT);
    }
  });
}

TEST(Torture, PrintsASeedAndEveryFault) {
  const Result result =
      Tool{""}(torture({"--seconds", "2", "--processes", "2", "--faults", "kill"}));
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.output << result.errors;
  EXPECT_EQ(result.output.rfind("seed ", 0), 0U) << result.output;
  for (const char* const words : {"s  kill      process ", "overlaps", "verdict: clean"}) {
    EXPECT_NE(result.output.find(words), std::string::npos) << result.output;
  }
}

TEST(Torture, AStoreThatStaysAwayIsAViolation) {
  auto server = std::make_unique<RedisServer>();
  Process process(Tool::words(torture(
      {"--store", server->url(), "--seconds", "5", "--processes", "2", "--faults", "kill"})));
  ASSERT_TRUE(process.wait_for_output("s  kill ")) << process.errors();
  server.reset();
  EXPECT_EQ(process.wait(), (ExitStatus{95, 0})) << process.output() << process.errors();
  for (const char* const words :
       {"VIOLATED liveness: process ", "the last faults before:\n", "verdict: violated"}) {
    EXPECT_NE(process.output().find(words), std::string::npos) << process.output();
  }
}

// The processes that torture has started by now. It kills some at any moment: what ended between the
// list and the look is left out.
std::vector<std::unique_ptr<Watched>> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::vector<std::unique_ptr<Watched>> children;
  const std::string list = read_file("/proc/" + number + "/task/" + number + "/children");
  std::istringstream pids(list);
  for (pid_t child = 0; pids >> child;) {
    try {
      children.push_back(std::make_unique<Watched>(child));
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::no_such_process) throw;
    }
  }
  return children;
}

TEST(Torture, EndsWithItsVerdictWhenItIsInterrupted) {
  Process process(Tool::words(torture({"--server", "redis", "--seconds", "1000"})));
  ASSERT_TRUE(process.wait_for_output("s  kill ", 60s)) << process.errors();
  const auto children = children_of(process.pid());
  EXPECT_GT(children.size(), 3U);
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), (ExitStatus{128 + SIGINT, 0})) << process.output() << process.errors();
  EXPECT_NE(process.output().find("verdict: interrupted"), std::string::npos) << process.output();
  for (const auto& child : children) EXPECT_TRUE(child->ends_within(10s));
}

TEST(Torture, LeavesNobodyBehindWhenItIsKilled) {
  const TemporaryDirectory directory;  // for its own, which it cannot remove any more
  Process process(Tool::words(torture({"--server", "redis", "--seconds", "1000"})),
                  {{"TMPDIR", directory.path()}});
  ASSERT_TRUE(process.wait_for_output("s  stop ", 60s)) << process.errors();
  const auto children = children_of(process.pid());
  EXPECT_GT(children.size(), 3U);
  process.signal(SIGKILL);
  for (const auto& child : children) EXPECT_TRUE(child->ends_within(10s));
}

}  // namespace
}  // namespace workerid::tests
