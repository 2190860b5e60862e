// SPDX-License-Identifier: MIT
#include <workerid/clock.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <gtest/gtest.h>
#include <thread>

namespace workerid::tests {
namespace {

using testing::ManualClock;
using namespace std::chrono_literals;

TEST(BootClock, DoesNotGoBack) {
  BootTime last = BootClock::now();
  for (int reading = 0; reading < 1000; ++reading) {
    const BootTime now = BootClock::now();
    ASSERT_LE(last, now);
    last = now;
  }
}

TEST(MachineClock, ReadsBothClocks) {
  const auto clock = boottime_clock();
  EXPECT_EQ(clock, boottime_clock());
  const BootTime boot = BootClock::now();
  const auto wall = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const Moment now = clock->now();
  EXPECT_LE(boot, now.boot);
  EXPECT_LE(now.boot, BootClock::now());
  EXPECT_LE(wall, now.wall);
  EXPECT_LE(now.wall, std::chrono::system_clock::now());
}

TEST(MachineClock, WaitEndsAtTheDeadline) {
  const auto clock = boottime_clock();
  Wakeup wakeup;
  const BootTime deadline = BootClock::now() + 5ms;
  while (BootClock::now() < deadline) clock->wait_until(wakeup, deadline);
  clock->wait_until(wakeup, deadline - 1h);
}

TEST(MachineClock, WaitEndsByANotification) {
  const auto clock = boottime_clock();
  Wakeup wakeup;
  bool woken = false;
  std::thread waiting([&] {
    clock->wait_until(wakeup, BootClock::now() + 1h);
    woken = true;
  });
  wakeup.notify();
  waiting.join();
  EXPECT_TRUE(woken);
}

TEST(Wakeup, NotificationBeforeTheWaitIsNotLost) {
  Wakeup wakeup;
  wakeup.notify();
  wakeup.wait_for(1h);
  // It is consumed: the next wait takes its time.
  const BootTime start = BootClock::now();
  wakeup.wait_for(2ms);
  EXPECT_GE(BootClock::now() - start, 1ms);
}

TEST(ManualClock, StandsStillUntilItIsMoved) {
  ManualClock clock;
  const Moment start = clock.now();
  EXPECT_EQ(clock.now().boot, start.boot);
  EXPECT_EQ(start.wall, std::chrono::sys_days{std::chrono::year{2026} / 1 / 1});
  clock.advance(1500us);
  EXPECT_EQ(clock.now().boot, start.boot + 1500us);
  EXPECT_EQ(clock.now().wall, start.wall + 1ms);
  clock.step_wall(-1h);
  EXPECT_EQ(clock.now().boot, start.boot + 1500us);
  EXPECT_EQ(clock.now().wall, start.wall + 1ms - 1h);
}

TEST(ManualClock, MovingItEndsAWait) {
  ManualClock clock;
  const BootTime deadline = clock.now().boot + 1h;
  std::thread waiting([&] {
    Wakeup wakeup;
    while (clock.now().boot < deadline) clock.wait_until(wakeup, deadline);
  });
  for (int step = 0; step < 4; ++step) clock.advance(15min);
  waiting.join();
}

}  // namespace
}  // namespace workerid::tests
