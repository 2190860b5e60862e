// SPDX-License-Identifier: MIT
//
// workerid run, while all goes well: what the command gets, what it does not get, how both end.
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "support/temporary_directory.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

std::set<std::string> lines_of(const std::string& text) {
  std::istringstream lines{text};
  std::set<std::string> set;
  for (std::string line; std::getline(lines, line);) set.insert(line);
  return set;
}

// Those of `more` that are not in `fewer`.
std::set<std::string> added(const std::set<std::string>& more, const std::set<std::string>& fewer) {
  std::set<std::string> added;
  for (const std::string& line : more) {
    if (!fewer.contains(line)) added.insert(line);
  }
  return added;
}

class Run : public ::testing::Test {
 protected:
  Result run(std::vector<std::string> command, std::vector<std::string> options = {}) const {
    return tool(words(std::move(options), std::move(command)));
  }

  Result shell(const std::string& script, std::vector<std::string> options = {}) const {
    return run({"sh", "-c", script}, std::move(options));
  }

  // A run whose command goes on beside the test.
  Process start(const std::string& script, std::vector<std::string> options = {}) const {
    return Process(Tool::words(words(std::move(options), {"sh", "-c", script})),
                   tool.environment());
  }

  TemporaryDirectory directory;
  Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};

 private:
  static std::vector<std::string> words(std::vector<std::string> options,
                                        std::vector<std::string> command) {
    std::vector<std::string> words{"run", "--max", "10"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("--");
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }
};

TEST_F(Run, TheCommandKnowsItsIdEpochAndCluster) {
  const Result result = shell("echo $WORKER_ID $WORKER_ID_EPOCH $WORKER_ID_CLUSTER");
  EXPECT_EQ(result.status, (ExitStatus{0, 0}));
  EXPECT_EQ(result.errors, "");
  const auto epoch = tool.json({"inspect", "1"}).at("epoch").get<std::uint64_t>();
  EXPECT_EQ(result.output, "1 " + std::to_string(epoch) + " test\n");
}

TEST_F(Run, BracesBecomeTheId) {
  EXPECT_EQ(run({"echo", "a{}b", "{}{}", "{", "--x={}", "--", "{}"}).output,
            "a1b 11 { --x=1 -- 1\n");
}

TEST_F(Run, TheExitCodeIsTheCommands) {
  for (const int code : {0, 1, 7, 94, 255}) {
    EXPECT_EQ(shell("exit " + std::to_string(code), {"--cool-down", "0s"}).status.code, code);
  }
  EXPECT_EQ(shell("kill -TERM $$", {"--cool-down", "0s"}).status.code, 128 + SIGTERM);
  EXPECT_EQ(shell("kill -KILL $$", {"--cool-down", "0s"}).status.code, 128 + SIGKILL);
}

TEST_F(Run, ACommandThatIsNotThere) {
  const Result missing = run({"no-such-command-at-all"});
  EXPECT_EQ(missing.status.code, 127);
  EXPECT_NE(missing.errors.find("no-such-command-at-all"), std::string::npos) << missing.errors;
  const Result plain = run({"/etc/passwd"});
  EXPECT_EQ(plain.status.code, 126);
  EXPECT_NE(plain.errors.find("/etc/passwd"), std::string::npos) << plain.errors;
  EXPECT_EQ(run({""}).status.code, 127);
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_F(Run, TheIdIsReleasedAfterwards) {
  const Result result = shell("true");
  EXPECT_EQ(result.status.code, 0);
  EXPECT_EQ(tool.count("leased"), 0);
  EXPECT_EQ(tool.json({"inspect", "1"}).at("lease_left_ms"), 0);
}

TEST_F(Run, OnlyTheDocumentedVariablesAreAdded) {
  Process plain({"env"}, tool.environment());
  const std::set<std::string> before = lines_of(result_of(plain).output);
  const std::set<std::string> after = lines_of(run({"env"}).output);
  const std::set<std::string> new_ones = added(after, before);
  ASSERT_EQ(new_ones.size(), 3U);
  auto variable = new_ones.begin();
  EXPECT_EQ(variable->rfind("WORKER_ID=1", 0), 0U);
  EXPECT_EQ(std::next(variable)->rfind("WORKER_ID_CLUSTER=test", 0), 0U);
  EXPECT_EQ(std::next(variable, 2)->rfind("WORKER_ID_EPOCH=", 0), 0U);
  EXPECT_TRUE(added(before, after).empty());
}

TEST_F(Run, FormerValuesOfTheVariablesAreReplaced) {
  const Result result =
      tool({"run", "--", "env"}, {{"WORKER_ID", "77"}, {"WORKER_ID_CLUSTER", "former"}});
  const std::set<std::string> variables = lines_of(result.output);
  EXPECT_EQ(variables.count("WORKER_ID=1"), 1U);
  EXPECT_EQ(result.output.find("77\n"), std::string::npos);
  EXPECT_EQ(result.output.find("former"), std::string::npos);
}

// sd_listen_fds(3), sd_watchdog_enabled(3).
TEST_F(Run, WhatAServiceManagerSaysToTheToolIsSaidToTheCommand) {
  const char* const script =
      "export LISTEN_PID=$$ WATCHDOG_PID=$$ SYSTEMD_EXEC_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web "
      "LISTEN_PIDFDID=4711 WATCHDOG_USEC=9; exec \"$0\" run -- sh -c 'echo $$; exec env'";
  Process process({"sh", "-c", script, WORKERID_TOOL_PATH}, tool.environment());
  const std::string output = result_of(process).output;
  const std::string command = std::to_string(pids_of(output).at(0));
  const std::set<std::string> variables = lines_of(output);
  for (const char* const name : {"LISTEN_PID=", "WATCHDOG_PID=", "SYSTEMD_EXEC_PID="}) {
    EXPECT_TRUE(variables.contains(name + command)) << name << "\n" << output;
  }
  EXPECT_TRUE(variables.contains("LISTEN_FDS=1"));
  EXPECT_TRUE(variables.contains("LISTEN_FDNAMES=web"));
  EXPECT_TRUE(variables.contains("WATCHDOG_USEC=9"));
  EXPECT_EQ(output.find("LISTEN_PIDFDID"), std::string::npos) << output;
}

TEST_F(Run, WhatAServiceManagerSaysToOthersStaysSo) {
  const std::string others = std::to_string(::getpid());
  const Result result = tool({"run", "--", "env"}, {{"LISTEN_PID", others},
                                                    {"LISTEN_PIDFDID", "4711"},
                                                    {"WATCHDOG_PID", others},
                                                    {"SYSTEMD_EXEC_PID", others}});
  const std::set<std::string> variables = lines_of(result.output);
  for (const char* const name : {"LISTEN_PID=", "WATCHDOG_PID=", "SYSTEMD_EXEC_PID="}) {
    EXPECT_TRUE(variables.contains(name + others)) << name;
  }
  EXPECT_TRUE(variables.contains("LISTEN_PIDFDID=4711"));
}

// The files that are open in a command, by number and name; that of the listing itself left out.
constexpr const char* list_files =
    "exec ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/\\1/p' "
    "| grep -v -e '-> pipe' -e '-> /proc/' -e /std";

TEST_F(Run, NoOpenFileLeaks) {
  Process plain({"sh", "-c", list_files}, tool.environment());
  const std::set<std::string> before = lines_of(result_of(plain).output);
  EXPECT_EQ(lines_of(shell(list_files).output), before);
}

TEST_F(Run, TheIdentityFileIsOpenInTheCommandAlone) {
  const std::string identity = directory.path() / "identity";
  Process plain({"sh", "-c", list_files}, tool.environment());
  const std::set<std::string> before = lines_of(result_of(plain).output);
  const std::set<std::string> new_ones =
      added(lines_of(shell(list_files, {"--identity-file", identity}).output), before);
  ASSERT_EQ(new_ones.size(), 1U);
  EXPECT_NE(new_ones.begin()->find("-> " + identity), std::string::npos) << *new_ones.begin();
}

TEST_F(Run, OpenFilesOfTheCallerReachTheCommand) {
  Environment environment = tool.environment();
  environment.emplace_back("F", directory.path() / "file");
  Process caller(
      {"sh", "-c", "echo given > \"$F\"; exec 7< \"$F\"; exec \"$0\" run -- sh -c 'cat <&7'",
       WORKERID_TOOL_PATH},
      environment);
  EXPECT_EQ(result_of(caller).output, "given\n");
}

TEST_F(Run, TheGuardKeepsNothingOpenButItsOwn) {
  Process process({"sh", "-c",
                   "exec 3</etc/passwd 9</etc/group; "
                   "exec \"$0\" run -- sh -c 'echo $PPID; exec sleep 1000'",
                   WORKERID_TOOL_PATH},
                  tool.environment());
  ASSERT_TRUE(process.wait_for_output("\n")) << process.errors();
  const pid_t guard = pids_of(process.output()).at(0);
  EXPECT_EQ(files_of(guard, files_of_a_guard), files_of_a_guard);
}

TEST_F(Run, SignalsAreAtTheirDefaults) {
  Process caller(
      {"sh", "-c", "trap '' PIPE USR1 TERM CHLD; exec \"$0\" run -- cat /proc/self/status",
       WORKERID_TOOL_PATH},
      tool.environment());
  const std::string status = result_of(caller).output;
  EXPECT_EQ(signal_mask(status, "SigIgn"), 0U);
  EXPECT_EQ(signal_mask(status, "SigBlk"), 0U);
}

TEST_F(Run, TheExitCodeIsHeardWhateverTheCallerIgnores) {
  Process caller(
      {"sh", "-c", "trap '' CHLD; exec \"$0\" run -- sh -c 'exit 7'", WORKERID_TOOL_PATH},
      tool.environment());
  EXPECT_EQ(caller.wait(), (ExitStatus{7, 0}));
}

TEST_F(Run, NohupReachesTheCommand) {
  Process caller(
      {"sh", "-c",
       "trap '' HUP INT; exec \"$0\" run -- sh -c 'cat /proc/self/status; kill -HUP $PPID'",
       WORKERID_TOOL_PATH},
      tool.environment());
  const Result result = result_of(caller);
  EXPECT_EQ(result.status, (ExitStatus{0, 0}));
  EXPECT_EQ(signal_mask(result.output, "SigIgn"), signal_bit(SIGHUP) | signal_bit(SIGINT));
}

TEST_F(Run, SignalsAreForwarded) {
  for (const auto& [name, number] : std::vector<std::pair<std::string, int>>{{"HUP", SIGHUP},
                                                                             {"INT", SIGINT},
                                                                             {"QUIT", SIGQUIT},
                                                                             {"TERM", SIGTERM},
                                                                             {"USR1", SIGUSR1},
                                                                             {"USR2", SIGUSR2},
                                                                             {"WINCH", SIGWINCH}}) {
    Process process(Tool::words({"run", "--", "sh", "-c",
                                 "trap 'echo got " + name + "; exit 42' " + name +
                                     "; echo ready; while :; do sleep 0.01; done"}),
                    tool.environment());
    ASSERT_TRUE(process.wait_for_output("ready")) << process.errors();
    process.signal(number);
    EXPECT_EQ(process.wait(), (ExitStatus{42, 0})) << name;
    EXPECT_EQ(process.output(), "ready\ngot " + name + "\n");
  }
}

TEST_F(Run, WhatTheCommandLeavesBehindIsEnded) {
  const Result result = shell(
      "sleep 1000 & echo $!; (setsid sleep 1001 & echo $!); sh -c 'sleep 1002 & echo $!'; exit 7");
  EXPECT_EQ(result.status.code, 7) << result.errors;
  const std::vector<pid_t> left = pids_of(result.output);
  ASSERT_EQ(left.size(), 3U);
  for (const pid_t pid : left) EXPECT_NE(::kill(pid, 0), 0) << pid;
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_F(Run, WhatIsLeftGetsSigtermFirstAndSigkillAfterTheGrace) {
  const std::string log = directory.path() / "log";
  const std::string stubborn =
      "sh -c 'trap \"echo term >> " + log + "\" TERM; echo $$; while :; do sleep 0.01; done'";
  const Result result = shell("mkfifo \"" + log + ".pipe\"; " + stubborn + " > \"" + log +
                                  ".pipe\" & read pid < \"" + log + ".pipe\"; echo $pid; exit 7",
                              {"--grace", "300ms"});
  EXPECT_EQ(result.status.code, 7) << result.errors;
  EXPECT_NE(read_file(log).find("term"), std::string::npos);
  EXPECT_NE(::kill(pids_of(result.output).at(0), 0), 0);
}

TEST_F(Run, TheIdIsHeldUntilTheLastOneIsGone) {
  Process process(Tool::words({"run", "--grace", "1h", "--lease", "10s", "--", "sh", "-c",
                               "sh -c 'trap : TERM; echo $$; while :; do sleep 0.01; done' & "
                               "while :; do sleep 0.01; done"}),
                  tool.environment());
  ASSERT_TRUE(process.wait_for_output("\n")) << process.errors();
  const Watched leftover{pids_of(process.output()).at(0)};
  const Watched command{parent_of(leftover.pid())};
  command.signal(SIGKILL);
  ASSERT_TRUE(command.ends_within(30s));
  EXPECT_EQ(tool.count("leased"), 1);
  EXPECT_EQ(process.wait(), (ExitStatus{128 + SIGKILL, 0}));
  EXPECT_TRUE(leftover.ends_within(0ms));
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_F(Run, ProcessesOfTheCallerAreLeftAlone) {
  Process caller({"sh", "-c", "sleep 1000 & echo $!; exec \"$0\" run -- true", WORKERID_TOOL_PATH},
                 tool.environment());
  ASSERT_TRUE(caller.wait_for_output("\n"));
  const Watched sleeper{pids_of(caller.output()).at(0)};
  EXPECT_EQ(caller.wait(), (ExitStatus{0, 0}));
  EXPECT_FALSE(sleeper.ends_within(0ms));
  sleeper.signal(SIGKILL);
}

TEST_F(Run, ANestedRunHoldsAnIdOfItsOwn) {
  const Result result =
      run({WORKERID_TOOL_PATH, "run", "--max", "10", "--", "sh", "-c", "echo {}; echo $WORKER_ID"});
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  EXPECT_EQ(result.output, "1\n2\n");
}

TEST_F(Run, MessagesMayBeJson) {
  const Result result = tool({"run", "--output", "json", "--", "no-such-command-at-all"});
  EXPECT_EQ(result.status.code, 127);
  EXPECT_NE(nlohmann::json::parse(result.errors).at("message").get<std::string>().find("no-such"),
            std::string::npos);
}

}  // namespace
}  // namespace workerid::tests
