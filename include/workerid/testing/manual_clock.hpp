// SPDX-License-Identifier: MIT
//
// A clock that a test moves.
#pragma once

#include <workerid/clock.hpp>

#include <mutex>
#include <vector>

namespace workerid::testing {

/// Stands still until it is moved; moving it wakes who waits. Thread-safe.
class ManualClock final : public Clock {
 public:
  /// Starts an hour after boot, on 2026-01-01 00:00 UTC.
  ManualClock();

  Moment now() const noexcept override;
  void wait_until(Wakeup& wakeup, BootTime deadline) override;

  /// Moves both clocks forward, as time does.
  void advance(std::chrono::nanoseconds time);

  /// Moves the wall clock alone, either way, as an administrator does.
  void step_wall(std::chrono::milliseconds step);

 private:
  void wake_all();

  mutable std::mutex mutex_;
  std::chrono::nanoseconds boot_;
  std::chrono::nanoseconds wall_;
  std::vector<Wakeup*> waiting_;
};

}  // namespace workerid::testing
