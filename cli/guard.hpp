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
//
// That bears one fault. If both are killed or stopped, what the command started lives on. Isolated, it
// does not:
//
//     workerid run ─── fuse ─── guard ─── command ─── what it starts
//
// There the guard is the first process of a PID namespace, so the kernel ends all in it when the guard
// ends; the guard ends with the fuse, and the fuse with `run`. If they are stopped, the kernel kills the
// fuse: by a timer, since no process has to run for that.
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
  std::vector<std::string> arguments;      ///< The first is looked up in PATH.
  std::vector<std::string> environment;    ///< NAME=VALUE
  std::vector<std::string> pid_variables;  ///< Names of those that shall have its process ID.
  int identity_lock = -1;                  ///< Stays open in it; -1 for none.
  bool isolated = false;                   ///< In a PID namespace that ends with the guard.
};

/// How a guarded command ended, with all that it started.
struct Ending {
  int exec_error = 0;    ///< The errno if it could not be started.
  int wait_status = 0;   ///< As from waitpid(2).
  bool overdue = false;  ///< The deadline came first.
  /// If not 0, not all has ended yet: this process runs as another user and cannot be ended, and
  /// there may be more of the kind.
  pid_t left = 0;
  /// Not empty if the system refused what the guard needs: the system call, and why. Then the command
  /// was not started, or is ended.
  std::array<char, 128> refusal{};
  bool no_isolation = false;  ///< It was the PID namespace that was refused.
};

struct Orders;  // what the guard is to do

/// How long the guard waits for others, and others for it.
struct Patience {
  /// From SIGTERM to SIGKILL, for what the program left behind.
  std::chrono::milliseconds grace{};
  /// Everything ought to be over this long after a deadline.
  std::chrono::milliseconds late{};
};

/// Runs one program in a guard process. Use from the thread that made it; that thread must have
/// all signals blocked which shall not end it.
class Guard {
 public:
  /// Makes the program's process; it is dead, with all that it started, soon after `deadline`. What
  /// it leaves behind when it ends by itself gets SIGTERM, and SIGKILL after the grace.
  /// Errors: std::system_error. What the guard is refused, ending() tells.
  Guard(const Program& program, BootTime deadline, Patience patience);
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  /// Ends everything that still runs and can be ended, unless leave() was called.
  ~Guard();

  /// Sends a signal to the program. Never blocks.
  void signal(int number) const;

  /// The same, unless the program is in this process's group, which got the signal. Never blocks.
  void signal_if_apart(int number) const;

  /// Raised when the program's process is there, in this one's process group: it then gets what is
  /// sent to that, and waits for start() to become the program.
  const Bell& ready() const noexcept { return ready_; }

  /// Starts the program, which first gets the signals that were sent until now. Never blocks.
  void start() const;

  /// Moves the deadline. Never blocks.
  void set_deadline(BootTime deadline) const;

  /// Readable when ending() has something; -1 if that has to be asked now and then.
  int number() const noexcept { return gone_ ? -1 : socket_.number(); }

  /// How the program ended; nothing while it or something that it started runs. Never blocks for
  /// longer than it takes to end what is left without a guard.
  std::optional<Ending> ending();

  /// Ends the guard and everything below it, at once and without its help. Returns a process that
  /// cannot be ended, because it runs as another user, or 0.
  pid_t kill();

  /// A process below the guard that runs as another user, so that it can be neither signalled nor
  /// ended; 0 if there is none. Isolated, there is none. Never blocks.
  pid_t out_of_reach() const;

  /// Leaves the guard alone with what cannot be ended; it keeps the identity file locked meanwhile.
  void leave() noexcept { left_alone_ = true; }

 private:
  struct SocketPair {
    SocketPair();
    explicit SocketPair(const std::array<int, 2>& ends);

    Descriptor outer;
    Descriptor inner;
  };

  Guard(SocketPair sockets, const Program& program, BootTime deadline, Patience patience);

  void wake() const noexcept;

  Descriptor socket_;
  Bell ready_;
  std::optional<Descriptor> fuse_socket_;              // if isolated
  std::unique_ptr<Orders, void (*)(Orders*)> orders_;  // in memory that the guard shares
  std::vector<pid_t> not_ours_;                        // children that this process had before
  pid_t pid_ = 0;  // of the guard or its fuse; 0 when waited for
  bool ended_ = false;
  bool gone_ = false;  // ended by somebody else
  bool left_alone_ = false;
};

}  // namespace workerid::cli
