// SPDX-License-Identifier: MIT
#include <workerid/testing/manual_clock.hpp>

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
    waiters_.push_back({&wakeup, deadline});
  }
  began_to_wait_.notify_all();
  wakeup.wait_for(std::chrono::hours{24});
  const std::lock_guard lock(mutex_);
  std::erase_if(waiters_, [&](const Waiter& waiter) { return waiter.wakeup == &wakeup; });
}

void ManualClock::advance(std::chrono::nanoseconds time) {
  const std::lock_guard lock(mutex_);
  boot_ += time;
  wall_ += time;
  std::erase_if(waiters_, [this](const Waiter& waiter) {
    const bool due = waiter.deadline <= BootTime{boot_};
    if (due) waiter.wakeup->notify();
    return due;
  });
}

void ManualClock::step_wall(std::chrono::milliseconds step) {
  const std::lock_guard lock(mutex_);
  wall_ += step;
}

void ManualClock::await_waiters(std::size_t count) {
  std::unique_lock lock(mutex_);
  began_to_wait_.wait(lock, [&] { return waiters_.size() >= count; });
}

}  // namespace workerid::testing
