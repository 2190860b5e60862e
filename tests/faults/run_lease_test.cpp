// SPDX-License-Identifier: MIT
//
// workerid run, when it, its guard or the store is killed or stopped: the command is dead before its
// lease ends (G1, G2).
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/clock.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

constexpr ExitStatus lease_lost{94, 0};

// The first and last sign of life of a run_beat.
struct Beats {
  BootTime first;
  BootTime last;
};

Beats beats_in(const std::filesystem::path& path) {
  std::istringstream numbers{read_file(path)};
  std::vector<BootTime> beats;
  for (std::int64_t time_ns = 0; numbers >> time_ns;) {
    beats.emplace_back(std::chrono::nanoseconds{time_ns});
  }
  if (beats.empty()) return {BootTime::max(), BootTime::min()};
  return {beats.front(), beats.back()};
}

// Waits until a run_beat lives.
bool wait_for_beats(const std::filesystem::path& path) {
  const BootTime give_up = BootClock::now() + 60s;
  while (read_file(path).empty()) {
    if (BootClock::now() > give_up) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

class RunFaults : public ::testing::Test {
 protected:
  static std::vector<std::string> run(std::vector<std::string> options,
                                      std::vector<std::string> command,
                                      const std::string& lease = "2s") {
    std::vector<std::string> words{WORKERID_TOOL_PATH, "run", "--max", "1", "--lease", lease};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("--");
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }

  TemporaryDirectory directory;
  std::filesystem::path first = directory.path() / "first";
  std::filesystem::path second = directory.path() / "second";
  Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
};

// A server that stops answering; the command ignores SIGTERM.
class RunWithoutServer : public RunFaults, public ::testing::WithParamInterface<int> {};

TEST_P(RunWithoutServer, EndsTheCommandBeforeValidityDoes) {
  const RedisServer server;
  const Tool on_redis{server.url()};
  Process process(run({"--grace", "1s"}, {WORKERID_BEAT, first}, "6s"), on_redis.environment());
  ASSERT_TRUE(wait_for_beats(first)) << process.errors();
  server.signal(GetParam());
  // What the server answered by now was asked for before now.
  const BootTime validity_ends_by = BootClock::now() + 6s;
  EXPECT_EQ(process.wait(), lease_lost) << process.errors();
  EXPECT_LT(beats_in(first).last, validity_ends_by);
  EXPECT_NE(process.errors().find("gets SIGTERM now"), std::string::npos) << process.errors();
  if (GetParam() == SIGSTOP) server.signal(SIGCONT);
}

INSTANTIATE_TEST_SUITE_P(Faults, RunWithoutServer, ::testing::Values(SIGSTOP, SIGKILL),
                         [](const auto& fault) {
                           return std::string{fault.param == SIGSTOP ? "Stopped" : "Killed"};
                         });

TEST_F(RunFaults, ACommandThatHeedsSigtermHasTheGrace) {
  const RedisServer server;
  const Tool on_redis{server.url()};
  Process process(run({},
                      {"sh", "-c",
                       "trap 'echo told; exit 0' TERM; echo ready; "
                       "while :; do sleep 0.01; done"},
                      "15s"),  // of which the grace is a part
                  on_redis.environment());
  ASSERT_TRUE(process.wait_for_output("ready")) << process.errors();
  server.signal(SIGKILL);
  EXPECT_EQ(process.wait(), lease_lost) << process.errors();
  EXPECT_EQ(process.output(), "ready\ntold\n");
}

TEST_F(RunFaults, ALeaseThatSomebodyEndedEndsTheCommand) {
  const RedisServer server;
  const Tool on_redis{server.url()};
  Process process(run({}, {WORKERID_BEAT, first}), on_redis.environment());
  ASSERT_TRUE(wait_for_beats(first)) << process.errors();
  EXPECT_TRUE(on_redis({"evict", "1", "--yes"}).status == ExitStatus{});
  EXPECT_EQ(process.wait(), lease_lost) << process.errors();
}

TEST_F(RunFaults, ALeaseThatTheServerForgotGoesOn) {  // G7
  const RedisServer server;
  const Tool on_redis{server.url()};
  // Long enough for a machine that stands still for a moment.
  Process process(run({}, {WORKERID_BEAT, first}, "6s"), on_redis.environment());
  ASSERT_TRUE(wait_for_beats(first)) << process.errors();
  server.cli({"FLUSHALL"});
  while (on_redis.count("leased") == 0) ASSERT_FALSE(process.wait_for(10ms)) << process.errors();
  EXPECT_GT(on_redis.json({"list"}).at("hold_back_ms").get<int>(), 0);
  EXPECT_FALSE(process.wait_for(0ms));
}

TEST_F(RunFaults, AStoppedRunLosesItsIdAndItsCommandDiesFirst) {
  // Long enough for the guard to be in time on a busy machine.
  const std::string lease = "6s";
  Process stopped(run({}, {WORKERID_BEAT, first}, lease), tool.environment());
  ASSERT_TRUE(wait_for_beats(first)) << stopped.errors();
  stopped.signal(SIGSTOP);
  const auto lease_left = tool.json({"inspect", "1"}).at("lease_left_ms").get<std::int64_t>();
  const BootTime lease_ends_by = BootClock::now() + std::chrono::milliseconds{lease_left};

  Process newcomer(run({"--wait", "60s"}, {WORKERID_BEAT, second}, lease), tool.environment());
  ASSERT_TRUE(wait_for_beats(second)) << newcomer.errors();
  EXPECT_LT(beats_in(first).last, lease_ends_by);
  EXPECT_LT(beats_in(first).last, beats_in(second).first);  // G1

  stopped.signal(SIGCONT);
  EXPECT_EQ(stopped.wait(), lease_lost) << stopped.errors();
  EXPECT_NE(stopped.errors().find("no time for SIGTERM, the command got SIGKILL"),
            std::string::npos)
      << stopped.errors();
  EXPECT_FALSE(newcomer.wait_for(0ms)) << newcomer.errors();
}

// The command, a child of its own, and one that left its session and group.
constexpr const char* family =
    "sleep 1000 & echo $!; (setsid sleep 1001 & echo $!); echo $$; exec sleep 1002";

class RunFamily : public RunFaults {
 protected:
  // What stands before the tool, and how long its lease is.
  explicit RunFamily(std::vector<std::string> words = {}, const std::string& lease = "2s")
      : process(
            [&] {
              for (const std::string& word : run({}, {"sh", "-c", family}, lease)) {
                words.push_back(word);
              }
              return words;
            }(),
            tool.environment()) {}

  void SetUp() override {
    const std::vector<pid_t> pids = [&] {
      while (pids_of(process.output()).size() < 3) {
        EXPECT_FALSE(process.wait_for(1ms)) << process.errors();
      }
      return pids_of(process.output());
    }();
    guard = std::make_unique<Watched>(parent_of(pids.at(2)));
    for (const pid_t pid : pids) members.push_back(std::make_unique<Watched>(pid));
  }

  void expect_all_gone() const {
    for (const auto& member : members) EXPECT_TRUE(member->ends_within(30s)) << member->pid();
    EXPECT_TRUE(guard->ends_within(30s));
  }

  Process process;
  std::unique_ptr<Watched> guard;
  std::vector<std::unique_ptr<Watched>> members;
};

TEST_F(RunFamily, AllIsGoneWhenRunIsKilled) {
  process.signal(SIGKILL);
  expect_all_gone();
}

TEST_F(RunFamily, AllIsGoneWhenTheGuardIsKilled) {
  guard->signal(SIGKILL);
  EXPECT_EQ(process.wait(), (ExitStatus{128 + SIGKILL, 0}));
  for (const auto& member : members) EXPECT_TRUE(member->ends_within(0ms)) << member->pid();
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_F(RunFamily, AllIsGoneWhenRunIsStoppedForTooLong) {
  process.signal(SIGSTOP);
  expect_all_gone();
  process.signal(SIGCONT);
  EXPECT_EQ(process.wait(), lease_lost);
}

TEST_F(RunFamily, AStoppedGuardCanDelayNothing) {
  guard->signal(SIGSTOP);
  // Nothing renews the lease of a store that is not there any more, and cannot be made anew.
  while (!std::filesystem::is_regular_file(directory.path())) {
    std::filesystem::remove_all(directory.path());
    std::ofstream{directory.path()};
  }
  EXPECT_EQ(process.wait(), lease_lost) << process.errors();
  expect_all_gone();
}

TEST_F(RunFamily, TheGuardIgnoresWhatOthersAreToldToDo) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGTSTP}) guard->signal(number);
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), (ExitStatus{128 + SIGTERM, 0}));
  expect_all_gone();
}

// An old seccomp profile, which knows close_range(2) not. The lease is so long that no deadline comes.
class RunWithoutCloseRange : public RunFamily, public ::testing::WithParamInterface<const char*> {
 protected:
  RunWithoutCloseRange() : RunFamily({WORKERID_REFUSE, "close_range", GetParam()}, "30m") {}
};

TEST_P(RunWithoutCloseRange, AllIsGoneWhenRunIsKilled) {
  // Of the caller's files the guard keeps none, of the socket one end.
  EXPECT_EQ(files_of(guard->pid(), files_of_a_guard), files_of_a_guard);
  process.signal(SIGKILL);
  expect_all_gone();
}

INSTANTIATE_TEST_SUITE_P(Answers, RunWithoutCloseRange, ::testing::Values("EPERM", "ENOSYS"),
                         [](const auto& answer) { return std::string{answer.param}; });

// What a guard cannot do without is an error before the command starts.
class RunRefused : public RunFaults, public ::testing::WithParamInterface<const char*> {};

TEST_P(RunRefused, StartsNoCommandWithoutItsGuard) {
  for (const char* const answer : {"EPERM", "ENOSYS"}) {
    std::vector<std::string> words{WORKERID_REFUSE, GetParam(), answer};
    for (const std::string& word : run({"--cool-down", "0s"}, {"echo", "started"})) {
      words.push_back(word);
    }
    Process process(words, tool.environment());
    const Result result = result_of(process);
    EXPECT_EQ(result.status, (ExitStatus{1, 0})) << result.errors;
    EXPECT_EQ(result.output, "");
    // Named without the number that its name may end with, as the C library does.
    const std::string call{GetParam(), std::strcspn(GetParam(), "24:")};
    EXPECT_NE(result.errors.find(call), std::string::npos) << result.errors;
    EXPECT_EQ(tool.count("leased"), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(SystemCalls, RunRefused,
                         ::testing::Values("eventfd2", "prctl:1", "prctl:36", "setsid", "signalfd4",
                                           "socketpair", "timer_create", "timerfd_create"),
                         [](const auto& call) {
                           std::string name{call.param};
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });

// Never silently without.
TEST_F(RunFaults, AnIsolationThatCannotBeHadIsAnError) {
  for (const char* const call : {"unshare", "mount"}) {
    std::vector<std::string> words{WORKERID_REFUSE, call, "EPERM"};
    for (const std::string& word : run({"--isolate", "--cool-down", "0s"}, {"echo", "started"})) {
      words.push_back(word);
    }
    Process process(words, tool.environment());
    const Result result = result_of(process);
    EXPECT_EQ(result.status, (ExitStatus{93, 0})) << result.errors;
    EXPECT_EQ(result.output, "");
    EXPECT_NE(result.errors.find("Operation not permitted"), std::string::npos) << result.errors;
    EXPECT_NE(result.errors.find("allow user namespaces"), std::string::npos) << result.errors;
    EXPECT_EQ(tool.count("leased"), 0);
  }
}

// The guard alone is stopped, and so is run: without a PID namespace the kernel ends the command at
// least, by the guard.
TEST_F(RunFaults, ACommandAloneDiesInTimeWhenRunAndGuardAreStopped) {
  Process process(run({}, {WORKERID_BEAT, first}, "6s"), tool.environment());
  ASSERT_TRUE(wait_for_beats(first)) << process.errors();
  const Watched guard{children_of(process.pid()).at(0)};
  const Watched command{children_of(guard.pid()).at(0)};
  process.signal(SIGSTOP);
  guard.signal(SIGSTOP);
  const auto lease_left = tool.json({"inspect", "1"}).at("lease_left_ms").get<std::int64_t>();
  const BootTime lease_ends_by = BootClock::now() + std::chrono::milliseconds{lease_left};
  EXPECT_TRUE(command.ends_within(60s));
  EXPECT_LT(beats_in(first).last, lease_ends_by);
  process.signal(SIGCONT);
  EXPECT_EQ(process.wait(), lease_lost) << process.errors();
}

// Waits until a process has taken the signals that it was sent.
void wait_until_taken(pid_t pid) {
  std::string line;
  do {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    while (std::getline(status, line) && line.rfind("ShdPnd:", 0) != 0) {
    }
  } while (line != "ShdPnd:\t0000000000000000");
}

// So many that no socket takes them all.
TEST_F(RunFaults, AGuardThatStoodStillHearsOfEverySignal) {
  Process process(run({},
                      {"sh", "-c",
                       "trap 'echo got; exit 7' USR1; echo $PPID; while :; do sleep "
                       "0.01; done"},
                      "30m"),
                  tool.environment());
  ASSERT_TRUE(process.wait_for_output("\n")) << process.errors();
  const Watched guard{pids_of(process.output()).at(0)};
  guard.signal(SIGSTOP);
  for (int count = 0; count < 1000; ++count) {
    process.signal(SIGWINCH);
    wait_until_taken(process.pid());
  }
  process.signal(SIGUSR1);
  wait_until_taken(process.pid());
  guard.signal(SIGCONT);
  EXPECT_EQ(process.wait_for(60s), (ExitStatus{7, 0})) << process.errors();
}

// The kernel hangs up an orphaned process group with a stopped member when it loses the last parent
// within its session: the group of a container, or of a job without a terminal.
TEST_F(RunFaults, AStoppedRunDoesNotEndItsNeighbours) {
  const std::string command = directory.path() / "command";
  Process neighbour(
      {"setsid", "--wait", "sh", "-c",
       "\"$0\" run --lease 2s -- sh -c 'echo $$ > \"$0\"; exec sleep 1000' \"$1\" & run=$!; "
       "while ! [ -s \"$1\" ]; do sleep 0.01; done; kill -STOP $run; "
       "while kill -0 $(cat \"$1\"); do sleep 0.01; done; "
       "kill -KILL $run; echo survived",
       WORKERID_TOOL_PATH, command},
      tool.environment());
  EXPECT_TRUE(neighbour.wait_for_output("survived"));
}

// A crash loop of one process uses up no IDs, and gets the same one each time.
TEST(RunIdentity, FiftyKillsInARowKeepTheId) {
  const TemporaryDirectory directory;
  const Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
  const std::string identity = directory.path() / "identity";
  for (int round = 0; round < 50; ++round) {
    Process process(Tool::words({"run", "--max", "3", "--wait", "30s", "--identity-file", identity,
                                 "--", "sh", "-c", "echo $WORKER_ID; exec sleep 1000"}),
                    tool.environment());
    ASSERT_TRUE(process.wait_for_output("\n")) << process.errors();
    ASSERT_EQ(process.output(), "1\n") << "round " << round;
    process.signal(SIGKILL);
    process.wait();
  }
  EXPECT_EQ(tool.json({"list"}).at("leases").size(), 1U);
}

// The lock lasts as long as anything that uses the ID, not just as long as run.
TEST(RunIdentity, IsLockedUntilTheWholeFamilyIsGone) {
  const TemporaryDirectory directory;
  const Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
  const std::string identity = directory.path() / "identity";
  const std::filesystem::path beats = directory.path() / "beats";
  // The one that beats has closed all files that it inherited.
  Process process(
      Tool::words(
          {"run", "--max", "3", "--identity-file", identity, "--", "bash", "-c",
           "for fd in /proc/self/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && eval \"exec $n>&-\"; "
           "done 2>/dev/null; exec \"$0\" \"$1\"",
           WORKERID_BEAT, beats}),
      tool.environment());
  ASSERT_TRUE(wait_for_beats(beats)) << process.errors();
  process.signal(SIGKILL);
  const Result next = tool({"run", "--max", "3", "--wait", "30s", "--identity-file", identity, "--",
                            "sh", "-c", "echo $WORKER_ID; cp \"$0\" \"$0.seen\"", beats});
  EXPECT_EQ(next.output, "1\n") << next.errors;
  EXPECT_EQ(read_file(beats), read_file(beats.string() + ".seen"));  // no beat since
}

}  // namespace
}  // namespace workerid::tests
