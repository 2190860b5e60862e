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

WallTime wall_time() noexcept {
  const timespec time = read_clock(CLOCK_REALTIME);
  // Cheaper to divide than the whole, and the kernel never makes it negative.
  const auto nanoseconds = static_cast<std::uint32_t>(time.tv_nsec);
  return WallTime{std::chrono::seconds{time.tv_sec} +
                  std::chrono::milliseconds{nanoseconds / 1'000'000U}};
}

class MachineClock final : public Clock {
 public:
  Moment now() const noexcept override { return {boot_time(), wall_time()}; }

  void wait_until(Wakeup& wakeup, BootTime deadline) override {
    // The kernel's timed waits stop while the machine is suspended: look again now and then, so
    // that a renewal due meanwhile goes out soon after waking.
    constexpr std::chrono::nanoseconds longest = std::chrono::seconds{5};
    const auto time = deadline - boot_time();
    if (time > std::chrono::nanoseconds::zero()) wakeup.wait_for(std::min(time, longest));
  }
};

}  // namespace

BootTime BootClock::now() noexcept {
  return boot_time();
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
