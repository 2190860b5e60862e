// SPDX-License-Identifier: MIT
#include <workerid/testing/manual_clock.hpp>

#include <algorithm>

namespace workerid::testing {

namespace {

// 2026-01-01 00:00 UTC
constexpr std::chrono::seconds start_of_wall{1'767'225'600};

}  // namespace

ManualClock::ManualClock() : boot_(std::chrono::hours{1}), wall_(start_of_wall) {}

Moment ManualClock::now() const noexcept {
  const std::lock_guard lock(mutex_);
  return {BootTime{boot_}, WallTime{std::chrono::floor<std::chrono::milliseconds>(wall_)}};
}

void ManualClock::wait_until(Wakeup& wakeup, BootTime deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (BootTime{boot_} >= deadline) return;
    waiting_.push_back(&wakeup);
  }
  wakeup.wait_for(std::chrono::hours{24});
  const std::lock_guard lock(mutex_);
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &wakeup));
}

void ManualClock::advance(std::chrono::nanoseconds time) {
  const std::lock_guard lock(mutex_);
  boot_ += time;
  wall_ += time;
  wake_all();
}

void ManualClock::step_wall(std::chrono::milliseconds step) {
  const std::lock_guard lock(mutex_);
  wall_ += step;
  wake_all();
}

void ManualClock::wake_all() {
  for (Wakeup* wakeup : waiting_) wakeup->notify();
}

}  // namespace workerid::testing
