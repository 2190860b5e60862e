// SPDX-License-Identifier: MIT
//
// A process that torture starts: a holder, or a server of its own.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace workerid::cli {

/// Killed at the end, and by the kernel if this process dies. In a session of its own, so that what a
/// terminal sends reaches only this process. Blocked signals stay blocked in it. Make it on the main
/// thread.
class Child {
 public:
  /// The first argument is looked up in PATH; `output` is a descriptor for standard output.
  /// Errors: std::system_error if there is no process; a program that cannot be executed exits with
  /// 127.
  Child(const std::vector<std::string>& arguments, int output);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;

  /// Ends it by SIGKILL.
  void kill();

  /// Waits for its end. Returns the status as from waitpid(2); may be called again.
  int wait();

  /// True if it has ended. Never blocks.
  bool ended();

 private:
  pid_t pid_;
  bool waited_ = false;
  int status_ = 0;
};

}  // namespace workerid::cli
