// SPDX-License-Identifier: MIT
//
// workerid run of an ordinary user, whose command becomes root: kill(2) is refused, so it cannot be
// ended.
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "privileged/ordinary_user.hpp"
#include "support/redis_server.hpp"

#include <workerid/clock.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr ExitStatus left_running{98, 0};

class OtherUser : public ::testing::Test {
 protected:
  OtherUser() {
    fs::copy_file(WORKERID_BECOME_ROOT, become_root);
    fs::permissions(become_root, fs::perms::set_uid, fs::perm_options::add);
  }
  ~OtherUser() override {
    for (const auto& process : strangers) {
      if (!process->ends_within(0ms)) process->signal(SIGKILL);
    }
  }

  // A shell that runs `script`, in which $ROOT becomes root, in the user's directory.
  std::unique_ptr<Process> start(const std::string& script, std::vector<std::string> options,
                                 const Tool& on_store) const {
    options.insert(options.begin(), "run");
    options.insert(options.end(), {"--max", "9", "--", "sh", "-c", "cd \"$HOME\"; " + script});
    Environment environment = on_store.environment();
    environment.emplace_back("ROOT", become_root);
    environment.emplace_back("HOME", user.directory());
    return std::make_unique<Process>(user.words(options), environment);
  }

  // The processes whose IDs the command has printed.
  Watched& stranger(Process& process) {
    while (pids_of(process.output()).empty()) {
      EXPECT_FALSE(process.wait_for(5ms)) << process.errors();
    }
    return *strangers.emplace_back(std::make_unique<Watched>(pids_of(process.output()).front()));
  }

  // How often the message says that `process` cannot be ended.
  static int times_told(const Process& run, const Watched& process) {
    const std::string text =
        "process " + std::to_string(process.pid()) + " runs as another user, so";
    const std::string errors = run.errors();
    int times = 0;
    for (std::size_t at = errors.find(text); at != std::string::npos;
         at = errors.find(text, at + 1)) {
      ++times;
    }
    return times;
  }

  static void wait_until_told(Process& run, const Watched& process) {
    const BootTime give_up = BootClock::now() + 60s;
    while (times_told(run, process) == 0) {
      ASSERT_FALSE(run.wait_for(5ms)) << run.errors();
      ASSERT_LT(BootClock::now(), give_up) << run.errors();
    }
  }

  OrdinaryUser user;
  fs::path become_root = user.directory() / "become_root";
  Tool tool = user.tool();
  std::vector<std::unique_ptr<Watched>> strangers;
};

TEST_F(OtherUser, IsNamedAtOnceAndOnce) {
  const auto process = start("exec $ROOT sleep 1000", {"--lease", "1h"}, tool);
  const Watched& command = stranger(*process);
  wait_until_told(*process, command);
  process->signal(SIGTERM);  // which the command does not get
  process->signal(SIGUSR1);
  EXPECT_FALSE(process->wait_for(300ms)) << process->errors();
  EXPECT_EQ(times_told(*process, command), 1);
  EXPECT_EQ(tool.count("leased"), 1);
  command.signal(SIGKILL);
  EXPECT_EQ(process->wait(), (ExitStatus{128 + SIGKILL, 0}));
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_F(OtherUser, BelowTheCommandIsNamedToo) {
  const auto process = start("(sh -c '$ROOT sleep 1000; :'; :) & wait", {"--lease", "1h"}, tool);
  wait_until_told(*process, stranger(*process));
}

TEST_F(OtherUser, KeepsTheIdWhenTheCommandIsGone) {
  ASSERT_EQ(::mkfifo((user.directory() / "fifo").c_str(), 0644), 0);
  const auto process = start("$ROOT sleep 1000 & read go < fifo; exit 7",
                             {"--lease", "2s", "--grace", "100ms"}, tool);
  const Watched& left = stranger(*process);
  wait_until_told(*process, left);
  const BootTime former_end =
      BootClock::now() +
      std::chrono::milliseconds{tool.json({"inspect", "1"}).at("free_in_ms").get<int>()};
  std::ofstream{user.directory() / "fifo"} << "go\n";
  while (BootClock::now() < former_end) ASSERT_FALSE(process->wait_for(100ms)) << process->errors();
  EXPECT_EQ(tool.count("leased"), 1);
  left.signal(SIGKILL);
  EXPECT_EQ(process->wait(), (ExitStatus{7, 0})) << process->errors();
  EXPECT_EQ(tool.count("leased"), 0);
}

TEST_F(OtherUser, KeepsTheIdWhenTheGuardIsGone) {
  const auto process = start("exec $ROOT sleep 1000", {"--lease", "1h"}, tool);
  const Watched& command = stranger(*process);
  const Watched guard{parent_of(command.pid())};
  guard.signal(SIGKILL);
  ASSERT_TRUE(guard.ends_within(30s));
  EXPECT_FALSE(process->wait_for(300ms)) << process->errors();
  EXPECT_EQ(tool.count("leased"), 1);
  command.signal(SIGKILL);
  EXPECT_EQ(process->wait(), (ExitStatus{128 + SIGKILL, 0}));
  EXPECT_EQ(tool.count("leased"), 0);
}

// Nothing is claimed that cannot be done, all is ended that can be, and the rest keeps the file locked.
TEST_F(OtherUser, IsLeftRunningWhenTheLeaseEnds) {
  const RedisServer server;
  const Tool on_redis{server.url()};
  const std::string identity = user.directory() / "identity";
  const auto process =
      start("sleep 1001 & echo $! > child; exec $ROOT sleep 1000",
            {"--lease", "6s", "--reuse-delay", "1h", "--identity-file", identity}, on_redis);
  const Watched& command = stranger(*process);
  const Watched child{pids_of(read_file(user.directory() / "child")).at(0)};
  server.signal(SIGSTOP);
  EXPECT_EQ(process->wait(), left_running) << process->errors();
  server.signal(SIGCONT);
  const std::string errors = process->errors();
  EXPECT_EQ(errors.find("SIGKILL in"), std::string::npos) << errors;
  EXPECT_NE(errors.find("process " + std::to_string(command.pid()) + " still runs"),
            std::string::npos)
      << errors;
  EXPECT_FALSE(command.ends_within(0ms));
  EXPECT_TRUE(child.ends_within(30s));
  const std::string state = on_redis.json({"inspect", "1"}).at("state");
  EXPECT_TRUE(state == "leased" || state == "expired") << state;  // not released

  EXPECT_NE(Process({"flock", "--nonblock", identity, "true"}).wait(), ExitStatus{});
  command.signal(SIGKILL);
  EXPECT_EQ(Process({"flock", "--timeout", "60", identity, "true"}).wait(), ExitStatus{});
}

}  // namespace
}  // namespace workerid::tests
