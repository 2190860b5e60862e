// SPDX-License-Identifier: MIT
//
// A terminal that a test types at.
#pragma once

#include "support/process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace workerid::tests {

/// A program in a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& words, const Environment& environment) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (pid_ != 0) return;
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execv(arguments.front(), arguments.data());
    ::_exit(127);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    hang_up();
  }

  void type(char character) const { ASSERT_EQ(::write(terminal_, &character, 1), 1); }

  void resize(unsigned short rows, unsigned short columns) const {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(terminal_, TIOCSWINSZ, &size), 0);
  }

  /// Ends the terminal, as a lost connection does.
  void hang_up() {
    if (terminal_ >= 0) ::close(terminal_);
    terminal_ = -1;
  }

  /// Waits until the program ends, and returns its exit code.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// Waits until `text` was shown.
  bool shows(const std::string& text) {
    while (shown_.find(text) == std::string::npos) {
      pollfd readable{.fd = terminal_, .events = POLLIN, .revents = 0};
      char character = 0;
      if (::poll(&readable, 1, 30'000) != 1 || ::read(terminal_, &character, 1) != 1) return false;
      shown_ += character;
    }
    return true;
  }

  pid_t pid() const noexcept { return pid_; }
  const std::string& shown() const noexcept { return shown_; }

 private:
  int terminal_ = -1;
  pid_t pid_ = -1;
  std::string shown_;
};

}  // namespace workerid::tests
