// SPDX-License-Identifier: MIT
//
// A child process of a test.
#pragma once

#include "support/temporary_directory.hpp"

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace workerid::tests {

/// How a process ended.
struct ExitStatus {
  int code = 0;    ///< What it returned, if no signal ended it.
  int signal = 0;  ///< The signal that ended it, or 0.

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

inline constexpr ExitStatus success{};

std::ostream& operator<<(std::ostream& output, const ExitStatus& status);

/// Variables that are set in addition to those of the test.
using Environment = std::vector<std::pair<std::string, std::string>>;

/// A program that runs beside the test: standard input is /dev/null, standard output and error go
/// to files that can be read at any time. Killed at the end if it still runs; one that the main
/// thread started dies with the test, whatever ends that. Use from one thread at a time.
class Process {
 public:
  /// Starts `argv`, its first word looked up in PATH. A program that cannot be started exits with
  /// code 127.
  explicit Process(std::vector<std::string> argv, const Environment& environment = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const noexcept { return pid_; }

  /// Sends a signal; nothing happens if the process was waited for already.
  void signal(int number) const;

  /// Waits until it ends. May be called again.
  ExitStatus wait();

  /// Waits until it ends, for `timeout` at the most; nothing if it still runs then.
  std::optional<ExitStatus> wait_for(std::chrono::milliseconds timeout);

  /// What it has written to standard output so far.
  std::string output() const;

  /// What it has written to standard error so far.
  std::string errors() const;

  /// Waits until standard output contains `text`; false if that took longer than `timeout`, or if
  /// the process ended without it.
  bool wait_for_output(std::string_view text,
                       std::chrono::milliseconds timeout = std::chrono::seconds{30});

 private:
  TemporaryDirectory directory_;
  pid_t pid_ = 0;
  std::optional<ExitStatus> status_;
};

/// Whether this process is in the machine's own PID namespace, and in no container's.
bool in_first_pid_namespace();

/// The content of a file, or an empty text if there is none.
std::string read_file(const std::filesystem::path& path);

}  // namespace workerid::tests
