// SPDX-License-Identifier: MIT
//
// A copy of the test's process that does one thing.
#pragma once

#include "support/process.hpp"

#include <functional>
#include <optional>
#include <sys/types.h>

namespace workerid::tests {

/// Runs a function in a child made by fork(2), which exits with what it returns, or with 100 and a
/// line on standard error if it throws. Killed at the end if it still runs. For tests with one
/// thread; use from that thread.
class ForkedProcess {
 public:
  explicit ForkedProcess(const std::function<int()>& body);
  ForkedProcess(const ForkedProcess&) = delete;
  ForkedProcess& operator=(const ForkedProcess&) = delete;
  ~ForkedProcess();

  void signal(int number) const;

  /// Waits until it has stopped itself, by raise(SIGSTOP).
  void wait_until_stopped() const;

  /// Waits until it ends. May be called again.
  ExitStatus wait();

 private:
  pid_t pid_ = 0;
  std::optional<ExitStatus> status_;
};

}  // namespace workerid::tests
