// SPDX-License-Identifier: MIT
//
// The clocks of one simulated host as functions of true time: straight lines that faults bend.
#pragma once

#include <workerid/clock.hpp>

#include <chrono>
#include <cstdint>

namespace simulation {

using Time = std::chrono::nanoseconds;  // true time since the world began
inline constexpr Time never = Time::max();

// `time`, on a clock that advances by `rate` millionths of true time.
constexpr Time scaled(Time time, std::int64_t rate) noexcept {
  const std::int64_t millionth = 1'000'000;
  return Time{time.count() / millionth * rate + time.count() % millionth * rate / millionth};
}

class HostClock {
 public:
  static constexpr std::int64_t true_rate = 1'000'000;

  // Both clocks from `since` on.
  struct Line {
    Time since{};
    Time boot{};
    Time wall{};
    std::int64_t boot_rate = true_rate;
    std::int64_t wall_rate = true_rate;
  };

  HostClock() = default;
  explicit HostClock(const Line& line) noexcept : line_(line) {}

  const Line& line() const noexcept { return line_; }
  void follow(const Line& line) noexcept { line_ = line; }

  Time boot(Time now) const noexcept {
    return line_.boot + scaled(now - line_.since, line_.boot_rate);
  }
  Time wall(Time now) const noexcept {
    return line_.wall + scaled(now - line_.since, line_.wall_rate);
  }
  workerid::Moment moment(Time now) const noexcept {
    using std::chrono::floor;
    using std::chrono::milliseconds;
    return {workerid::BootTime{boot(now)}, workerid::WallTime{floor<milliseconds>(wall(now))}};
  }

  // The first true time, not before `now`, at which the boot clock shows `until`.
  Time when(workerid::BootTime until, Time now) const noexcept {
    const Time left = until.time_since_epoch() - boot(now);
    if (left <= Time::zero()) return now;
    if (line_.boot_rate <= 0 || left > std::chrono::hours{24 * 365}) return never;
    const std::int64_t rate = line_.boot_rate;
    Time time =
        now + Time{left.count() / rate * true_rate + left.count() % rate * true_rate / rate};
    while (boot(time) < until.time_since_epoch()) time += Time{1};
    return time;
  }

  // From `now` on the clocks run at other rates, and the wall clock shows `step` more.
  void bend(Time now, std::int64_t boot_rate, std::int64_t wall_rate, Time step = {}) noexcept {
    line_ = {now, boot(now), wall(now) + step, boot_rate, wall_rate};
  }

 private:
  Line line_;
};

}  // namespace simulation
