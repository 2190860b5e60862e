// SPDX-License-Identifier: MIT
//
// A process that the test did not start itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

namespace workerid::tests {

/// Watches a process that is alive now; a later one with its number is not taken for it.
class Watched {
 public:
  explicit Watched(pid_t pid);
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched();

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;

  /// True if it ends within `timeout`.
  bool ends_within(std::chrono::milliseconds timeout) const;

 private:
  pid_t pid_;
  int descriptor_;
};

/// The process that started `pid`.
pid_t parent_of(pid_t pid);

/// What a guard of `workerid run` has open, when its command runs.
extern const std::multiset<std::string> files_of_a_guard;

/// Waits until the open files of a process are `expected`, sockets without their number, and returns
/// what they are.
std::multiset<std::string> files_of(pid_t pid, const std::multiset<std::string>& expected);

/// The processes that the first thread of `pid` has started, and that are still there.
std::vector<pid_t> children_of(pid_t pid);

/// A mask of signals from the text of a /proc/PID/status, "SigBlk" for one; all bits if there is none.
std::uint64_t signal_mask(const std::string& status, const std::string& name);

/// The place of a signal in such a mask.
constexpr std::uint64_t signal_bit(int number) {
  return std::uint64_t{1} << (number - 1);
}

/// The process IDs that a command printed, one on a line.
std::vector<pid_t> pids_of(const std::string& output);

}  // namespace workerid::tests
