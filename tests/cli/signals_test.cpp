// SPDX-License-Identifier: MIT
//
// Signals: those of a terminal, which reach the command of a run exactly once, and those that come
// while a command of the tool waits for an ID or for its reader.
#include "cli/terminal.hpp"
#include "cli/tool.hpp"
#include "cli/watched.hpp"
#include "support/loopback.hpp"
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
#include <iterator>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

using Numbers = std::vector<int>;

constexpr char control_c = 3;
constexpr char control_backslash = 28;

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

bool is_the_tool(pid_t pid) {
  std::error_code unknown;
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", unknown) ==
         std::filesystem::canonical(WORKERID_TOOL_PATH);
}

class OnOneFile : public ::testing::Test {
 protected:
  TemporaryDirectory directory;
  Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
};

// A command in the process group of its run, and one that left it for a session of its own.
class SignalsOfATerminal : public OnOneFile,
                           public ::testing::WithParamInterface<std::vector<std::string>> {
 protected:
  std::vector<std::string> run() const {
    std::vector<std::string> words = Tool::words({"run", "--"});
    words.insert(words.end(), GetParam().begin(), GetParam().end());
    words.insert(words.end(), {WORKERID_SIGNAL_LOG, log});
    return words;
  }

  // Waits until the command can get signals, and returns its process ID.
  static pid_t command_of(Terminal& terminal) {
    EXPECT_TRUE(terminal.shows("ready")) << terminal.shown();
    const std::string words = "command ";
    return std::stoi(terminal.shown().substr(terminal.shown().find(words) + words.size()));
  }

  // What the command of `run` has got when it has got `last`, and all that was on its way to it.
  Numbers got(pid_t run, int last) const {
    const Watched watched{run};
    const auto numbers = [&] { return numbers_in(read_file(log)); };
    EXPECT_TRUE(becomes_true([&] { return std::ranges::count(numbers(), last) != 0; }));
    // The last signal that run passes on.
    EXPECT_TRUE(becomes_true([&] { return signal_mask_of(run, "ShdPnd") == 0; }));
    watched.signal(SIGUSR1);
    EXPECT_TRUE(watched.ends_within(30s));
    return numbers();
  }

  static Numbers numbers_in(const std::string& text) {
    std::istringstream stream{text};
    return {std::istream_iterator<int>{stream}, {}};
  }

  std::filesystem::path log = directory.path() / "log";
};

TEST_P(SignalsOfATerminal, ThatAreTypedReachTheCommandOnce) {
  for (const auto& [key, number] : {std::pair{control_c, SIGINT}, {control_backslash, SIGQUIT}}) {
    Terminal terminal(run(), tool.environment());
    command_of(terminal);
    terminal.type(key);
    EXPECT_EQ(got(terminal.pid(), number), Numbers{number});
  }
}

TEST_P(SignalsOfATerminal, OfItsSizeReachTheCommandOnce) {
  Terminal terminal(run(), tool.environment());
  command_of(terminal);
  terminal.resize(10, 40);
  EXPECT_EQ(got(terminal.pid(), SIGWINCH), Numbers{SIGWINCH});
}

// As ssh -t and docker run -t have it: run leads the session, and is told alone.
TEST_P(SignalsOfATerminal, OfItsEndReachTheCommandOfASessionsLeaderOnce) {
  Terminal terminal(run(), tool.environment());
  command_of(terminal);
  terminal.hang_up();
  EXPECT_EQ(got(terminal.pid(), SIGCONT), (Numbers{SIGHUP, SIGCONT}));
}

TEST_P(SignalsOfATerminal, OfItsEndReachACommandThatIsStopped) {
  Terminal terminal(run(), tool.environment());
  const pid_t command = command_of(terminal);
  ::kill(command, SIGSTOP);
  terminal.hang_up();
  EXPECT_EQ(got(terminal.pid(), SIGCONT), (Numbers{SIGHUP, SIGCONT}));
}

// A shell leads the session. It dies of the hang-up, and then its foreground group is told.
TEST_P(SignalsOfATerminal, OfItsEndReachTheCommandInAShellOnce) {
  std::vector<std::string> words{"/bin/sh", "-c", "\"$0\" \"$@\"; true"};
  for (const std::string& word : run()) words.push_back(word);
  Terminal terminal(words, tool.environment());
  const pid_t run = parent_of(parent_of(command_of(terminal)));
  ASSERT_NE(run, terminal.pid());
  terminal.hang_up();
  EXPECT_EQ(got(run, SIGCONT), (Numbers{SIGHUP, SIGCONT}));
}

INSTANTIATE_TEST_SUITE_P(Commands, SignalsOfATerminal,
                         ::testing::Values(std::vector<std::string>{},
                                           std::vector<std::string>{"setsid"}),
                         [](const auto& command) {
                           return std::string{command.param.empty() ? "InItsGroup" : "Elsewhere"};
                         });

class AtTheTerminal : public OnOneFile {};

TEST_F(AtTheTerminal, ControlCEndsACommandThatTakesAGroupOfItsOwn) {
  Terminal terminal(
      Tool::words({"run", "--", "timeout", "1000", "sh", "-c", "echo started; exec sleep 1000"}),
      tool.environment());
  ASSERT_TRUE(terminal.shows("started")) << terminal.shown();
  const Watched run{terminal.pid()};
  terminal.type(control_c);
  ASSERT_TRUE(run.ends_within(30s));
  EXPECT_EQ(terminal.wait(), 128 + SIGINT);
}

TEST_F(AtTheTerminal, ControlCInAnInteractiveShellIsItsOwn) {
  Terminal terminal(Tool::words({"run", "--", "bash", "--norc", "-i"}), tool.environment());
  const auto enter = [&](const std::string& line) {
    for (const char character : line + "\n") terminal.type(character);
  };
  enter("sh -c 'echo sta''rted; exec sleep 1000'");
  ASSERT_TRUE(terminal.shows("started")) << terminal.shown();
  const Watched run{terminal.pid()};
  terminal.type(control_c);
  enter("echo status''=$?");
  EXPECT_TRUE(terminal.shows("status=130")) << terminal.shown();
  enter("exit 7");
  ASSERT_TRUE(run.ends_within(30s)) << terminal.shown();
  EXPECT_EQ(terminal.wait(), 7);
}

// The commands that wait for an ID, while the only one is taken.
class SignalsWhileWaiting : public OnOneFile, public ::testing::WithParamInterface<const char*> {
 protected:
  SignalsWhileWaiting() { tool({"get", "--max", "1"}); }

  static std::vector<std::string> words() {
    std::vector<std::string> words{GetParam(), "--max", "1", "--wait", "1h"};
    if (words.front() == "run") words.insert(words.end(), {"--", "true"});
    return Tool::words(words);
  }

  // Sends signals when they are taken, the last of which ends it. What begins a process blocks them, too,
  // until it is the tool.
  static void expect_end(Process& waiting, const std::vector<int>& numbers) {
    ASSERT_TRUE(becomes_true([&] {
      return is_the_tool(waiting.pid()) &&
             (signal_mask_of(waiting.pid(), "SigBlk") & signal_bit(numbers.back())) != 0;
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
      : server_port_(server_port), listener_(listen_on_loopback()) {
    thread_ = std::jthread([this](const std::stop_token& ending) { serve(ending); });
  }
  ~SwallowingProxy() {
    thread_ = {};
    ::close(listener_.descriptor);
  }

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(listener_.port); }

 private:
  struct Wire {
    int client;
    int server;
    bool mute;
  };

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
      std::vector<pollfd> polled{{listener_.descriptor, POLLIN, 0}};
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
        wires.push_back({::accept4(listener_.descriptor, nullptr, nullptr, SOCK_CLOEXEC),
                         connect_to_loopback(server_port_), false});
      }
    }
    for (const Wire& wire : wires) {
      ::close(wire.client);
      ::close(wire.server);
    }
  }

  std::uint16_t server_port_;
  Listener listener_;
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
TEST(SignalsWhileWriting, TakeBackNothingThatWasSaid) {
  const TemporaryDirectory directory;
  const Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
  int said = 0;
  for (int each = 0; each < 40; ++each) {
    Process process(Tool::words({"get"}), tool.environment());
    process.wait_for_output("\n");
    process.signal(SIGTERM);
    process.wait();
    if (process.output().ends_with('\n')) ++said;
  }
  EXPECT_GT(said, 0);
  EXPECT_EQ(tool.count("leased"), said);
}

TEST(SignalsWhileWriting, GiveBackWhatNobodyHeardOf) {
  const TemporaryDirectory directory;
  const Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_NONBLOCK), 0);
  const std::string block(4096, '.');
  while (::write(pipe[1], block.data(), block.size()) > 0) {
  }
  ASSERT_EQ(::fcntl(pipe[1], F_SETFL, 0), 0);
  Process process(
      {"bash", "-c", "exec \"$0\" get >&" + std::to_string(pipe[1]), WORKERID_TOOL_PATH},
      tool.environment());
  ASSERT_TRUE(becomes_true([&] { return tool.count("leased") == 1; })) << process.errors();
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait_for(30s), (ExitStatus{0, SIGTERM})) << process.errors();
  EXPECT_EQ(tool.count("leased"), 0);
  for (const int end : pipe) ::close(end);
}

}  // namespace
}  // namespace workerid::tests
