// SPDX-License-Identifier: MIT
//
// File descriptors that wake a poll(2).
#pragma once

#include <workerid/clock.hpp>

#include <array>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace workerid::cli {

/// Errors: std::system_error with `what` if `result`, of a system call, is -1, from errno.
void check(int result, const char* what);

/// Owns a file descriptor. Movable; closed on exec by whoever makes it.
class Descriptor {
 public:
  /// Errors: std::system_error with `what` if `number` is -1, from errno.
  Descriptor(int number, const char* what);
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int number() const noexcept { return number_; }

 private:
  int number_;
};

/// The two ends of a pipe, closed on exec.
struct Pipe {
  /// Errors: std::system_error.
  Pipe();

  Descriptor read;
  Descriptor write;

 private:
  explicit Pipe(const std::array<int, 2>& ends);
};

/// A time for timer_settime(2) and its like, with TIMER_ABSTIME.
itimerspec timer_value(BootTime time) noexcept;

/// Readable when `CLOCK_BOOTTIME` shows the time that was set: also right after a suspension.
class Timer {
 public:
  Timer();
  void set(BootTime deadline) const;
  int number() const noexcept { return descriptor_.number(); }

 private:
  Descriptor descriptor_;
};

/// Readable after `raise()`, until `clear()`. raise() may be called by any thread.
class Bell {
 public:
  Bell();
  void raise() const noexcept;
  /// Returns whether it was raised.
  bool clear() const noexcept;
  int number() const noexcept { return descriptor_.number(); }

 private:
  Descriptor descriptor_;
};

/// Readable while one of `signals`, which must be blocked, is pending.
Descriptor signal_descriptor(const sigset_t& signals);

/// Waits until one of the descriptors is readable; a number of -1 is passed over.
void wait_readable(std::initializer_list<int> numbers);

}  // namespace workerid::cli
