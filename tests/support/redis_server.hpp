// SPDX-License-Identifier: MIT
//
// A redis-server of a test's own.
#pragma once

#include "support/process.hpp"
#include "support/temporary_directory.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace workerid::tests {

/// A TCP port of the loopback interface that nobody listens on, outside the range from which the
/// kernel takes ports by itself. No test gets it again while this process runs.
std::uint16_t free_port();

/// A private redis-server on a loopback port and a unix socket, its data in a directory of its own;
/// without persistence unless `arguments` ask for it. It answers when the constructor returns, and
/// is gone when the destructor does. Its wall clock can be stepped; at first it has run for a hundred
/// days by it, so that a cluster which it does not know was never there (G7). Use from one thread at a
/// time.
class RedisServer {
 public:
  /// `arguments` are options of redis-server: {"--appendonly", "yes"}.
  explicit RedisServer(std::vector<std::string> arguments = {});

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  std::string socket_url() const { return "unix://" + socket().string(); }
  std::uint16_t port() const noexcept { return port_; }
  std::filesystem::path socket() const { return directory_.path() / "redis.sock"; }
  const std::filesystem::path& directory() const noexcept { return directory_.path(); }
  pid_t pid() const noexcept { return process_->pid(); }

  /// Sends a signal to the server: SIGSTOP, SIGCONT.
  void signal(int number) const { process_->signal(number); }

  /// True unless it ended or is stopped by a signal.
  bool runs() const;

  /// Ends the server in order, by SIGTERM.
  void stop();

  /// Ends the server by SIGKILL.
  void kill();

  /// Starts it again, on the same port, socket and data; kills it first if it still runs. It has then
  /// just been started.
  void restart();

  /// Steps its wall clock.
  void step_clock(std::chrono::nanoseconds by);

  /// How far its wall clock is ahead of the machine's.
  std::chrono::nanoseconds clock_offset() const noexcept { return offset_; }

  /// Runs redis-cli with these words and returns what it printed, without the last newline.
  std::string cli(std::vector<std::string> words) const;

 private:
  bool start();
  void write_offset() const;

  TemporaryDirectory directory_;
  std::vector<std::string> arguments_;
  std::uint16_t port_ = 0;
  std::chrono::nanoseconds offset_{};
  std::unique_ptr<Process> process_;
};

}  // namespace workerid::tests
