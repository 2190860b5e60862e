// SPDX-License-Identifier: MIT
//
// The process between `workerid run` and its command.
//
//     workerid run ─── guard ─── command ─── what it starts
//
// The lease is renewed in the first one, which may be stopped, killed or stuck. So the guard, which
// has no other thread, file or server to wait for, ends the command at the deadline that it heard
// last (G2). Both collect orphans (PR_SET_CHILD_SUBREAPER), so nothing that the command starts
// escapes: if `run` dies, the guard ends all below it; if the guard dies, the kernel ends the command
// (PR_SET_PDEATHSIG) and `run` what is left. The guard also keeps the identity file locked until
// nothing that uses the ID is left.
#pragma once

#include "descriptor.hpp"

#include <workerid/clock.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace workerid::cli {

/// A program and how it is started.
struct Program {
  std::vector<std::string> arguments;    ///< The first is looked up in PATH.
  std::vector<std::string> environment;  ///< NAME=VALUE
  int identity_lock = -1;                ///< Stays open in it; -1 for none.
};

/// How a guarded command ended, with all that it started.
struct Ending {
  int exec_error = 0;    ///< The errno if it could not be started.
  int wait_status = 0;   ///< As from waitpid(2).
  bool overdue = false;  ///< The deadline came first.
  /// Not empty if the system refused what the guard needs: the system call, and why. Then the command
  /// was not started, or is ended.
  std::array<char, 128> refusal{};
};

struct Orders;  // what the guard is to do

/// Runs one program in a guard process. Use from the thread that made it; that thread must have
/// all signals blocked which shall not end it.
class Guard {
 public:
  /// Starts the program; it is dead, with all that it started, soon after `deadline`. What it leaves
  /// behind when it ends by itself gets SIGTERM, and SIGKILL after `grace`.
  /// Errors: std::system_error. What the guard is refused, ending() tells.
  Guard(const Program& program, BootTime deadline, std::chrono::milliseconds grace);
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  /// Ends everything that still runs.
  ~Guard();

  /// Sends a signal to the program. Never blocks.
  void signal(int number) const;

  /// Moves the deadline. Never blocks.
  void set_deadline(BootTime deadline) const;

  /// Readable when ending() has something.
  int number() const noexcept { return socket_.number(); }

  /// How the program ended; nothing while it or something that it started runs. Never blocks.
  std::optional<Ending> ending();

  /// Ends the guard and everything below it, at once and without its help.
  void kill();

 private:
  struct SocketPair {
    Descriptor outer;
    Descriptor inner;
  };
  static SocketPair make_socket_pair();

  Guard(SocketPair sockets, const Program& program, BootTime deadline,
        std::chrono::milliseconds grace);

  void wake() const noexcept;

  Descriptor socket_;
  std::unique_ptr<Orders, void (*)(Orders*)> orders_;  // in memory that the guard shares
  std::vector<pid_t> not_ours_;                        // children that this process had before
  pid_t pid_ = -1;
  bool ended_ = false;
};

}  // namespace workerid::cli
