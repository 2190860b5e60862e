// SPDX-License-Identifier: MIT
//
// The clock that validity is counted on, and the waiting that goes with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace workerid {

/// `CLOCK_BOOTTIME`: the time since the machine started, suspension included. It is what a lease's
/// validity is counted on (G2): `std::chrono::steady_clock` stops while a machine is suspended
/// (clock_gettime(2)), so a lease would outlive its record in the store.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  /// Never blocks. Thread-safe.
  static time_point now() noexcept;
};

using BootTime = BootClock::time_point;

/// Wall time, in milliseconds since 1970-01-01 UTC. It may step; nothing but the second witness of
/// validity and the reservation of timestamps looks at it.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// One reading of both clocks.
struct Moment {
  BootTime boot;
  WallTime wall;
};

/// A call that wakes one waiting thread. A call that comes before the wait is not lost.
/// Thread-safe.
class Wakeup {
 public:
  /// Ends the present wait, or the next one if nobody waits. Never blocks.
  void notify();

  /// Blocks until `notify()` or for `time`, whichever is first; consumes the notification.
  void wait_for(std::chrono::nanoseconds time);

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool notified_ = false;
};

/// Time and waiting for it: one of the library's two seams (`Store` is the other).
/// Everything that decides something about time asks a Clock, so tests can drive it.
/// Implementations are thread-safe.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  /// Reads both clocks. Never blocks.
  virtual Moment now() const noexcept = 0;

  /// Blocks until `wakeup` is notified or this clock shows `deadline`; may return earlier, so the
  /// caller looks at the time again.
  virtual void wait_until(Wakeup& wakeup, BootTime deadline) = 0;

  /// Reads the wall clock alone: what `now` costs is for two. Never blocks.
  virtual WallTime wall() const noexcept { return now().wall; }

  /// Reads the wall clock cheaply: what it shows may be some milliseconds behind `wall`, never ahead.
  /// Never blocks.
  virtual WallTime coarse_wall() const noexcept { return wall(); }

  /// Blocks until `wakeup` is notified, or for the time after which the wall clock shows `time` if
  /// nobody sets it meanwhile; may return earlier.
  virtual void wait_until_wall(Wakeup& wakeup, WallTime time);
};

/// The machine's own clocks: `CLOCK_BOOTTIME` and `CLOCK_REALTIME`. One instance for the process.
std::shared_ptr<Clock> boottime_clock();

}  // namespace workerid
