// SPDX-License-Identifier: MIT
//
// workerid run --isolate, as root and as an ordinary user: what it bears in addition, and that all
// else is as without it.
#include "cli/terminal.hpp"
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "privileged/ordinary_user.hpp"

#include <workerid/clock.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// By the user that runs it: 0, or one without rights, who gets a user namespace.
class Isolated : public ::testing::TestWithParam<bool> {
 protected:
  std::vector<std::string> words(const std::string& script,
                                 std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"run", "--isolate", "--max", "9", "--cool-down", "0s"});
    options.insert(options.end(), {"--", "sh", "-c", script});
    return GetParam() ? Tool::words(options) : user.words(options);
  }

  Process start(const std::string& script, std::vector<std::string> options = {}) const {
    return Process{words(script, std::move(options)), tool.environment()};
  }

  Result run(const std::string& script, std::vector<std::string> options = {}) const {
    Process process = start(script, std::move(options));
    return result_of(process);
  }

  OrdinaryUser user;
  Tool tool =
      GetParam() ? Tool{"sqlite:" + (user.directory() / "leases.db").string()} : user.tool();
};

std::string name_of(const ::testing::TestParamInfo<bool>& root) {
  return root.param ? "Root" : "OrdinaryUser";
}

// A command that left its session, and beats; a child of the same; the command itself.
class IsolatedFamily : public Isolated {
 protected:
  void begin(const std::string& lease) {
    fs::copy_file(WORKERID_BEAT, user.directory() / "beat");
    process = std::make_unique<Process>(
        words("cd " + user.directory().string() +
                  "; (setsid ./beat beats &); sleep 1000 & echo started; exec sleep 1001",
              {"--lease", lease}),
        tool.environment());
    ASSERT_TRUE(process->wait_for_output("started")) << process->errors();
    while (read_file(beats).empty()) ASSERT_FALSE(process->wait_for(1ms)) << process->errors();
    // fuse, guard, and three below it
    for (pid_t parent = process->pid(); family.size() < 2; parent = family.back()->pid()) {
      family.push_back(std::make_unique<Watched>(children_of(parent).at(0)));
    }
    while (members.size() < 3) {
      members.clear();
      const pid_t guard = family.at(1)->pid();
      for (const pid_t child : children_of(guard)) {
        members.push_back(std::make_unique<Watched>(child));
        for (const pid_t grandchild : children_of(child)) {
          members.push_back(std::make_unique<Watched>(grandchild));
        }
      }
      ASSERT_FALSE(process->wait_for(1ms)) << process->errors();
    }
  }

  void signal_both(int number) const {
    process->signal(number);
    guard().signal(number);
  }

  void expect_all_gone() const {
    for (const auto& member : members) EXPECT_TRUE(member->ends_within(30s)) << member->pid();
    for (const auto& member : family) EXPECT_TRUE(member->ends_within(30s)) << member->pid();
  }

  BootTime last_beat() const {
    std::istringstream numbers{read_file(beats)};
    std::int64_t last_ns = 0;
    while (numbers >> last_ns) {
    }
    return BootTime{std::chrono::nanoseconds{last_ns}};
  }

  const Watched& fuse() const { return *family.at(0); }
  const Watched& guard() const { return *family.at(1); }

  fs::path beats = user.directory() / "beats";
  std::unique_ptr<Process> process;
  std::vector<std::unique_ptr<Watched>> family;
  std::vector<std::unique_ptr<Watched>> members;
};

TEST_P(IsolatedFamily, AllIsGoneWhenRunAndGuardAreKilled) {
  begin("1h");
  // Stopped, neither notices what happens to the other.
  signal_both(SIGSTOP);
  signal_both(SIGKILL);
  expect_all_gone();
}

TEST_P(IsolatedFamily, AllIsGoneWhenAnyOneIsKilled) {
  begin("1h");
  const std::string id = GetParam() ? "guard" : "fuse";
  (GetParam() ? guard() : fuse()).signal(SIGKILL);
  EXPECT_EQ(process->wait(), (ExitStatus{128 + SIGKILL, 0})) << id << process->errors();
  for (const auto& member : members) EXPECT_TRUE(member->ends_within(0ms)) << member->pid();
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_P(IsolatedFamily, AllIsGoneWhenRunIsKilledAndTheOthersAreStopped) {
  begin("1h");
  fuse().signal(SIGSTOP);
  guard().signal(SIGSTOP);
  process->signal(SIGKILL);
  expect_all_gone();
}

TEST_P(IsolatedFamily, AllIsGoneBeforeTheLeaseEndsWhenAllAreStopped) {
  begin("6s");
  signal_both(SIGSTOP);
  fuse().signal(SIGSTOP);
  const auto lease_left = tool.json({"inspect", "1"}).at("lease_left_ms").get<std::int64_t>();
  const BootTime lease_ends_by = BootClock::now() + std::chrono::milliseconds{lease_left};
  expect_all_gone();
  EXPECT_LT(last_beat(), lease_ends_by);
  process->signal(SIGCONT);
  EXPECT_EQ(process->wait(), (ExitStatus{94, 0})) << process->errors();
}

TEST_P(IsolatedFamily, AStoppedFuseDelaysNothing) {
  begin("1h");
  fuse().signal(SIGSTOP);
  process->signal(SIGTERM);
  EXPECT_EQ(process->wait_for(60s), (ExitStatus{128 + SIGTERM, 0})) << process->errors();
}

INSTANTIATE_TEST_SUITE_P(By, IsolatedFamily, ::testing::Bool(), name_of);

TEST_P(Isolated, TheCommandSeesItsOwnProcessesAndItsUser) {
  const Result result =
      run("cat /proc/1/comm; echo $PPID $(cut -d' ' -f4 < /proc/$$/stat); id -u; id -g; "
          "ls /proc | grep -c '^[0-9]'");
  // The guard, the shell, ls and grep.
  const std::string id = GetParam() ? "0\n0\n" : "65534\n65534\n";
  EXPECT_EQ(result.output, "workerid-guard\n1 1\n" + id + "4\n") << result.errors;
  EXPECT_EQ(result.errors, "");
}

TEST_P(Isolated, ExitCodesAndVariablesAreAsWithout) {
  const Result result = run("echo {} $WORKER_ID $WORKER_ID_CLUSTER; exit 7");
  EXPECT_EQ(result.output, "1 1 test\n");
  EXPECT_EQ(result.status, (ExitStatus{7, 0})) << result.errors;
  EXPECT_EQ(run("kill -KILL $$").status, (ExitStatus{128 + SIGKILL, 0}));
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_P(Isolated, SignalsAreForwarded) {
  Process process =
      start("trap 'echo got; exit 42' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_TRUE(process.wait_for_output("ready")) << process.errors();
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), (ExitStatus{42, 0}));
  EXPECT_EQ(process.output(), "ready\ngot\n");
}

TEST_P(Isolated, WhatTheCommandLeavesBehindIsToldToEnd) {
  const fs::path log = user.directory() / "log";
  const Result result = run("mkfifo " + log.string() + ".pipe; (setsid sh -c 'trap \"echo told > " +
                                log.string() + "; exit\" TERM; echo > " + log.string() +
                                ".pipe; while :; do sleep 0.01; done' &); read ready < " +
                                log.string() + ".pipe; exit 7",
                            {"--grace", "30s"});
  EXPECT_EQ(result.status, (ExitStatus{7, 0})) << result.errors;
  EXPECT_EQ(read_file(log), "told\n");
}

TEST_P(Isolated, AKilledOneKeepsItsIdByItsIdentityFile) {
  const std::string identity = user.directory() / "identity";
  for (int round = 0; round < 3; ++round) {
    Process process =
        start("echo $WORKER_ID.; exec sleep 1000", {"--wait", "30s", "--identity-file", identity});
    ASSERT_TRUE(process.wait_for_output(".")) << process.errors();
    EXPECT_EQ(process.output(), "1.\n");
    process.signal(SIGKILL);
    process.wait();
  }
}

TEST_P(Isolated, ControlCReachesTheCommandOnce) {
  std::vector<std::string> arguments = words(
      "n=0; trap 'n=$((n+1)); echo interrupted' INT; trap 'echo count=$n.; exit' USR1; "
      "echo ready; while :; do sleep 0.01; done");
  if (!GetParam()) arguments.insert(arguments.begin(), "/usr/bin/env");
  Terminal terminal(arguments, tool.environment());
  ASSERT_TRUE(terminal.shows("ready")) << terminal.shown();
  constexpr char control_c = 3;
  terminal.type(control_c);
  ASSERT_TRUE(terminal.shows("interrupted")) << terminal.shown();
  ::kill(terminal.pid(), SIGUSR1);
  EXPECT_TRUE(terminal.shows("count=1.")) << terminal.shown();
}

INSTANTIATE_TEST_SUITE_P(By, Isolated, ::testing::Bool(), name_of);

}  // namespace
}  // namespace workerid::tests
