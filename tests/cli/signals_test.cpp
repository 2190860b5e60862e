// SPDX-License-Identifier: MIT
//
// Signals that come while a command of the tool waits for an ID or for its reader.
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

// Asks again until it is so; false after 30 s.
bool becomes_true(const std::function<bool()>& holds) {
  const auto give_up = std::chrono::steady_clock::now() + 30s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

std::uint64_t signal_mask_of(pid_t pid, const std::string& name) {
  return signal_mask(read_file("/proc/" + std::to_string(pid) + "/status"), name);
}

class OnOneFile : public ::testing::Test {
 protected:
  TemporaryDirectory directory;
  Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
};

// The commands that wait for an ID, while the only one is taken.
class SignalsWhileWaiting : public OnOneFile, public ::testing::WithParamInterface<const char*> {
 protected:
  SignalsWhileWaiting() { tool({"get", "--max", "1"}); }

  static std::vector<std::string> words() {
    std::vector<std::string> words{GetParam(), "--max", "1", "--wait", "1h"};
    if (words.front() == "run") words.insert(words.end(), {"--", "true"});
    return Tool::words(words);
  }

  // Sends signals when they are taken, the last of which ends it.
  static void expect_end(Process& waiting, const std::vector<int>& numbers) {
    ASSERT_TRUE(becomes_true([&] {
      return (signal_mask_of(waiting.pid(), "SigBlk") & signal_bit(numbers.back())) != 0;
    }));
    for (const int number : numbers) waiting.signal(number);
    EXPECT_EQ(waiting.wait_for(30s), (ExitStatus{0, numbers.back()})) << waiting.errors();
  }
};

TEST_P(SignalsWhileWaiting, EndIt) {
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2}) {
    Process waiting(words(), tool.environment());
    expect_end(waiting, {SIGWINCH, number});  // that one ends nobody
  }
}

TEST_P(SignalsWhileWaiting, DoNotIfTheCallerIgnoredThem) {
  std::vector<std::string> shell{"sh", "-c", "trap '' HUP INT; exec \"$0\" \"$@\""};
  for (const std::string& word : words()) shell.push_back(word);
  Process waiting(shell, tool.environment());
  expect_end(waiting, {SIGHUP, SIGINT, SIGTERM});
}

INSTANTIATE_TEST_SUITE_P(Commands, SignalsWhileWaiting,
                         ::testing::Values("run", "get", "snowflake"),
                         [](const auto& command) { return std::string{command.param}; });

// A way to a Redis server on which the answer to the first acquisition never comes.
class SwallowingProxy {
 public:
  explicit SwallowingProxy(std::uint16_t server_port)
      : server_port_(server_port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 16) != 0) {
      throw std::system_error(errno, std::generic_category(), "listen");
    }
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& ending) { serve(ending); });
  }
  ~SwallowingProxy() {
    thread_ = {};
    ::close(listener_);
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

 private:
  struct Wire {
    int client;
    int server;
    bool mute;
  };

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  // What has come by now.
  static std::string received(int socket) {
    std::string bytes(65536, '\0');
    const ssize_t length = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    return bytes;
  }

  static void pass_on(const std::string& bytes, int socket) {
    ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  void serve(const std::stop_token& ending) {
    std::vector<Wire> wires;
    bool swallowed = false;
    while (!ending.stop_requested()) {
      std::vector<pollfd> polled{{listener_, POLLIN, 0}};
      for (const Wire& wire : wires) {
        polled.push_back({wire.client, POLLIN, 0});
        polled.push_back({wire.server, POLLIN, 0});
      }
      ::poll(polled.data(), polled.size(), 10);
      for (Wire& wire : wires) {
        const std::string request = received(wire.client);
        if (!swallowed && request.find("EVALSHA") != std::string::npos) {
          swallowed = wire.mute = true;
        }
        pass_on(request, wire.server);
        const std::string reply = received(wire.server);
        if (!wire.mute) pass_on(reply, wire.client);
      }
      if (polled.front().revents != 0) {
        const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = loopback(server_port_);
        ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        wires.push_back({::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), server, false});
      }
    }
    for (const Wire& wire : wires) {
      ::close(wire.client);
      ::close(wire.server);
    }
  }

  std::uint16_t server_port_;
  int listener_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

TEST(SignalsWhileAsking, GiveBackWhatWasGrantedWithoutAnAnswer) {
  const RedisServer server;
  const Tool direct{server.url()};
  ASSERT_EQ(direct({"get", "--max", "2"}).status, ExitStatus{});  // the server has the scripts
  const SwallowingProxy proxy{server.port()};
  Process asking(Tool::words({"get", "--max", "2", "--wait", "1h"}),
                 Tool{proxy.url()}.environment());
  ASSERT_TRUE(becomes_true([&] { return direct.count("leased") == 2; })) << asking.errors();
  asking.signal(SIGTERM);
  EXPECT_EQ(asking.wait_for(30s), (ExitStatus{0, SIGTERM})) << asking.errors();
  EXPECT_EQ(direct.count("leased"), 1);
}

// The ID is got, and its reader does not read.
TEST(SignalsWhileWriting, GiveBackWhatNobodyHeardOf) {
  const TemporaryDirectory directory;
  const Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_NONBLOCK), 0);
  const std::string block(4096, '.');
  while (::write(pipe[1], block.data(), block.size()) > 0) {
  }
  ASSERT_EQ(::fcntl(pipe[1], F_SETFL, 0), 0);
  Process process({"sh", "-c", "exec \"$0\" get >&" + std::to_string(pipe[1]), WORKERID_TOOL_PATH},
                  tool.environment());
  ASSERT_TRUE(becomes_true([&] { return tool.count("leased") == 1; })) << process.errors();
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait_for(30s), (ExitStatus{0, SIGTERM})) << process.errors();
  EXPECT_EQ(tool.count("leased"), 0);
  for (const int end : pipe) ::close(end);
}

}  // namespace
}  // namespace workerid::tests
