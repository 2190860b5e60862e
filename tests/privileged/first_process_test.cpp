// SPDX-License-Identifier: MIT
//
// The tool as the first process of a PID namespace, as in a container: the kernel keeps from it
// whatever signal would end it by default.
#include "cli/tool.hpp"
#include "cli/watched.hpp"

#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

// A command of the tool in a PID namespace of its own.
class FirstProcess {
 public:
  FirstProcess(std::vector<std::string> words, const Environment& environment)
      : process_(in_a_namespace(std::move(words)), environment) {}

  // Waits until the signal is in that mask of its /proc/PID/status, and sends it.
  void signal(int number, const std::string& mask) {
    const std::string task = "/proc/" + std::to_string(process_.pid());
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < give_up) {
      const std::vector<pid_t> children =
          pids_of(read_file(task + "/task/" + std::to_string(process_.pid()) + "/children"));
      if (!children.empty()) {
        const std::string status =
            read_file("/proc/" + std::to_string(children.front()) + "/status");
        if (status.find("workerid") != std::string::npos &&
            (signal_mask(status, mask) & signal_bit(number)) != 0) {
          ::kill(children.front(), number);
          return;
        }
      }
      std::this_thread::sleep_for(1ms);
    }
    ADD_FAILURE() << "it takes no signal " << number;
  }

  Process& process() noexcept { return process_; }

 private:
  static std::vector<std::string> in_a_namespace(std::vector<std::string> words) {
    std::vector<std::string> all{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"};
    for (const std::string& word : Tool::words(std::move(words))) all.push_back(word);
    return all;
  }

  Process process_;
};

class AsFirstProcess : public ::testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "these tests need root; scripts/test runs all others without";
  }

  TemporaryDirectory directory;
  Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
};

TEST_P(AsFirstProcess, ASignalEndsTheWaitForAnId) {
  ASSERT_EQ(tool({"get", "--max", "1"}).status, ExitStatus{});
  for (const char* const command : {"get", "run", "snowflake"}) {
    std::vector<std::string> words{command, "--max", "1", "--wait", "1h"};
    if (words.front() == "run") words.insert(words.end(), {"--", "true"});
    FirstProcess waiting(words, tool.environment());
    waiting.signal(GetParam(), "SigBlk");
    EXPECT_EQ(waiting.process().wait_for(30s), (ExitStatus{128 + GetParam(), 0}))
        << command << waiting.process().errors();
  }
}

// A store that never answers: every other command would wait for 5 s.
TEST_P(AsFirstProcess, ASignalEndsTheWaitForAnAnswer) {
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(silent, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(silent, 100), 0);
  ::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size);
  const Tool on_silent{"redis://127.0.0.1:" + std::to_string(ntohs(address.sin_port))};
  const std::string token = "AAAAAAAAAAAAAAAAAAAAAQ";
  for (const std::vector<std::string>& words : {std::vector<std::string>{"list"},
                                                {"inspect", "1"},
                                                {"clusters"},
                                                {"renew", "1", token},
                                                {"release", "1", token},
                                                {"evict", "1", "--yes"},
                                                {"resize", "--max", "9"},
                                                {"doctor"}}) {
    FirstProcess waiting(words, on_silent.environment());
    waiting.signal(GetParam(), "SigCgt");
    EXPECT_EQ(waiting.process().wait_for(30s), (ExitStatus{128 + GetParam(), 0}))
        << words.front() << waiting.process().errors();
  }
  ::close(silent);
}

// The command is in the process group of `run`, which this namespace cannot name.
TEST_P(AsFirstProcess, ASignalIsPassedOnToTheCommand) {
  FirstProcess run({"run", "--max", "1", "--", "sh", "-c", "echo ready; exec sleep 1000"},
                   tool.environment());
  ASSERT_TRUE(run.process().wait_for_output("ready")) << run.process().errors();
  run.signal(GetParam(), "SigBlk");
  EXPECT_EQ(run.process().wait_for(30s), (ExitStatus{128 + GetParam(), 0}))
      << run.process().errors();
  EXPECT_EQ(tool.count("leased"), 0);
}

INSTANTIATE_TEST_SUITE_P(Signals, AsFirstProcess, ::testing::Values(SIGTERM, SIGINT, SIGHUP),
                         [](const auto& number) {
                           return "Number" + std::to_string(number.param);
                         });

}  // namespace
}  // namespace workerid::tests
