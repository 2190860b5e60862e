// SPDX-License-Identifier: MIT
#include <workerid/clock.hpp>

#include <algorithm>
#include <ctime>

namespace workerid {

namespace {

timespec read_clock(clockid_t id) noexcept {
  timespec time;
  ::clock_gettime(id, &time);
  return time;
}

BootTime boot_time() noexcept {
  const timespec time = read_clock(CLOCK_BOOTTIME);
  return BootTime{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

WallTime wall_time(clockid_t id) noexcept {
  const timespec time = read_clock(id);
  // Cheaper to divide than the whole, and the kernel never makes it negative.
  const auto nanoseconds = static_cast<std::uint32_t>(time.tv_nsec);
  return WallTime{std::chrono::seconds{time.tv_sec} +
                  std::chrono::milliseconds{nanoseconds / 1'000'000U}};
}

class MachineClock final : public Clock {
 public:
  Moment now() const noexcept override { return {boot_time(), wall_time(CLOCK_REALTIME)}; }
  WallTime wall() const noexcept override { return wall_time(CLOCK_REALTIME); }
  // The kernel's last tick: a load instead of an instruction that asks the hardware.
  WallTime coarse_wall() const noexcept override { return wall_time(CLOCK_REALTIME_COARSE); }

  void wait_until(Wakeup& wakeup, BootTime deadline) override {
    // The kernel's timed waits stop while the machine is suspended: look again now and then, so
    // that a renewal due meanwhile goes out soon after waking.
    constexpr std::chrono::nanoseconds longest = std::chrono::seconds{5};
    const auto time = deadline - boot_time();
    if (time > std::chrono::nanoseconds::zero()) wakeup.wait_for(std::min(time, longest));
  }

  // To the nanosecond: who waits for the next millisecond would else miss a part of it each time.
  void wait_until_wall(Wakeup& wakeup, WallTime time) override {
    const timespec now = read_clock(CLOCK_REALTIME);
    const auto left = time.time_since_epoch() - std::chrono::seconds{now.tv_sec} -
                      std::chrono::nanoseconds{now.tv_nsec};
    if (left > std::chrono::nanoseconds::zero()) wait_until(wakeup, boot_time() + left);
  }
};

}  // namespace

BootTime BootClock::now() noexcept {
  return boot_time();
}

void Clock::wait_until_wall(Wakeup& wakeup, WallTime time) {
  const Moment present = now();
  if (present.wall < time) wait_until(wakeup, present.boot + (time - present.wall));
}

void Wakeup::notify() {
  {
    const std::lock_guard lock(mutex_);
    notified_ = true;
  }
  condition_.notify_one();
}

void Wakeup::wait_for(std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  condition_.wait_for(lock, time, [this] { return notified_; });
  notified_ = false;
}

std::shared_ptr<Clock> boottime_clock() {
  static const auto clock = std::make_shared<MachineClock>();
  return clock;
}

}  // namespace workerid
