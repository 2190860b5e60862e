// SPDX-License-Identifier: MIT
//
// A clock that a test moves.
#pragma once

#include <workerid/clock.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

namespace workerid::testing {

/// Stands still until it is moved. Thread-safe.
class ManualClock final : public Clock {
 public:
  /// Starts an hour after boot, on 2026-01-01 00:00 UTC.
  ManualClock();

  Moment now() const noexcept override;
  void wait_until(Wakeup& wakeup, BootTime deadline) override;

  /// Moves both clocks forward, as time does, and wakes whose deadline has come.
  void advance(std::chrono::nanoseconds time);

  /// Moves the wall clock alone, either way, as an administrator does. Wakes nobody.
  void step_wall(std::chrono::milliseconds step);

  /// Blocks until at least this many threads wait on the clock, for times that have not come: then
  /// they have done all that was due.
  void await_waiters(std::size_t count);

 private:
  struct Waiter {
    Wakeup* wakeup = nullptr;
    BootTime deadline;
  };

  mutable std::mutex mutex_;
  std::condition_variable began_to_wait_;
  std::chrono::nanoseconds boot_;
  std::chrono::nanoseconds wall_;
  std::vector<Waiter> waiters_;
};

}  // namespace workerid::testing
