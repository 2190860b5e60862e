// SPDX-License-Identifier: MIT
//
// Snowflake on a lease, a manual clock and a store that fails when it is told to.
#include "support/expect_error.hpp"
#include "support/forked_process.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/testing/fault_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/workerid.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using testing::Fault;
using testing::FaultStore;
using testing::ManualClock;

constexpr std::chrono::milliseconds lease_time = 60s;

// 4 IDs of each millisecond.
SnowflakeOptions small_options() {
  SnowflakeOptions options;
  options.layout.sequence_bits = 2;
  return options;
}

class SnowflakeTest : public ::testing::Test {
 protected:
  Generator generator(WorkerId max_worker_id = 1) {
    return Generator(store, "test",
                     {.max_worker_id = max_worker_id,
                      .max_lease_time = lease_time,
                      .cool_down = 0ms,
                      .clock = clock});
  }

  Snowflake snowflake(SnowflakeOptions options = {}) {
    return Snowflake(generator().lease(), options);
  }

  std::int64_t last_reserved_ms() { return generator().inspect().leases.front().reserved.last_ms; }

  std::int64_t now_ms() const { return clock->now().wall.time_since_epoch().count(); }

  static std::int64_t ms(const Snowflake& snowflake, std::int64_t id) {
    return snowflake.layout().decompose(id).time.time_since_epoch().count();
  }

  // Lets somebody else have the ID, so that `held` is lost.
  void lose(const Snowflake& held) {
    std::promise<void> told;
    const std::stop_callback tell(held.lease().lost(), [&] { told.set_value(); });
    store->always(Fault::request_lost);
    clock->advance(lease_time * 2);
    while (store->count("renew") == 0) std::this_thread::yield();
    store->always(Fault::none);
    const Grant grant = store->acquire({.cluster = "test",
                                        .configuration = generator_configuration(),
                                        .token = Token::random(),
                                        .owner = "another",
                                        .client = {clock->now(), ""}},
                                       1s);
    ASSERT_EQ(grant.worker_id, 1);
    std::future<void> lost = told.get_future();
    while (lost.wait_for(0s) != std::future_status::ready) {
      clock->await_waiters(1);
      clock->advance(1s);
    }
  }

  static Configuration generator_configuration() {
    Options options;
    options.max_worker_id = 1;
    options.max_lease_time = lease_time;
    options.cool_down = 0ms;
    return options.configuration();
  }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<FaultStore> store = std::make_shared<FaultStore>(open_memory_store(clock));
};

TEST_F(SnowflakeTest, ItsIdsSayWhenAndByWhom) {
  Snowflake test = snowflake();
  const SnowflakeLayout& layout = test.layout();
  EXPECT_EQ(layout.decompose(test.next()), (SnowflakeParts{clock->now().wall, 1, 0}));
  EXPECT_EQ(layout.decompose(test.next()), (SnowflakeParts{clock->now().wall, 1, 1}));
  clock->advance(7ms);
  EXPECT_EQ(layout.decompose(test.next()), (SnowflakeParts{clock->now().wall, 1, 0}));
  EXPECT_EQ(test.worker_id(), 1);
  EXPECT_TRUE(test.lease().held());
}

TEST_F(SnowflakeTest, ServesAFixedWorkerId) {
  Snowflake test(5, SnowflakeOptions{.layout = SnowflakeLayout::sonyflake()}, clock);
  const std::int64_t id = test.next();
  EXPECT_EQ(test.layout().decompose(id).worker_id, 5);
  EXPECT_GT(test.next(), id);
  EXPECT_EQ(test.lease().state(), Lease::State::empty);
  test.release();
  expect_error(ErrorCode::not_assigned, [&] { test.next(); });
  expect_error(ErrorCode::not_assigned, [&] { test.try_next(); });
}

TEST_F(SnowflakeTest, RefusesAClusterThatDoesNotFitWithBothNumbers) {
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { Snowflake(generator(1024).lease()); }, "1024", "1023");
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { Snowflake(1024, {}, clock); }, "1024", "1023");
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { Snowflake(-1, {}, clock); }, "-1", "1023");
}

TEST_F(SnowflakeTest, RefusesOptionsThatAreWrong) {
  const auto refuse = [&](const SnowflakeOptions& options, const std::string& name) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { Snowflake(1, options, clock); }, name);
  };
  refuse({.layout = {.tick = 0ms}}, "tick");
  refuse({.max_ahead = -1ms}, "max_ahead");
  refuse({.max_borrowed = 25h}, "max_borrowed");
  refuse({.max_wait = -1ms}, "max_wait");
  refuse({.layout = {.timestamp_bits = 30}}, "2025-01-13");  // it ran out on that day
  expect_error_naming(
      ErrorCode::invalid_argument,
      [&] { Snowflake(generator().lease(), {.layout = {.timestamp_bits = 20, .tick = 60s}}); },
      "60000 ms", "120000 ms");
  Lease moved_from = generator().lease();
  const Lease taken = std::move(moved_from);
  expect_error(ErrorCode::invalid_argument,
               [&] { Snowflake(std::move(moved_from)); });  // NOLINT(bugprone-use-after-move)
}

TEST_F(SnowflakeTest, ACleanHandOverCostsNoWaiting) {  // G8
  Snowflake first = snowflake();
  const std::int64_t before = first.next();
  first.release();
  EXPECT_EQ(last_reserved_ms(), ms(first, before));
  clock->advance(1ms);
  Snowflake second = snowflake();
  const std::int64_t after = second.next();
  EXPECT_GT(after, before);
  EXPECT_EQ(ms(second, after), now_ms());
}

TEST_F(SnowflakeTest, TheDestructorHandsOverAsWell) {
  std::int64_t before = 0;
  {
    Snowflake first = snowflake();
    before = first.next();
    EXPECT_GT(last_reserved_ms(), ms(first, before));
  }
  EXPECT_EQ(last_reserved_ms(), now_ms());
  clock->advance(1ms);
  EXPECT_GT(snowflake().next(), before);
}

TEST_F(SnowflakeTest, GivesAllTimestampsBackThatItDidNotUse) {
  const std::int64_t start_ms = now_ms();
  snowflake().release();
  EXPECT_EQ(last_reserved_ms(), start_ms - 1);
}

TEST_F(SnowflakeTest, AnAbandonedLeaseKeepsItsTimestamps) {  // G8
  Snowflake first = snowflake();
  first.next();
  first.abandon();
  expect_error(ErrorCode::not_assigned, [&] { first.next(); });
  EXPECT_EQ(last_reserved_ms(), now_ms() + lease_time.count());
}

TEST_F(SnowflakeTest, ASuccessorWhoseClockIsBehindRunsAheadOrSaysHowLong) {  // G8
  std::int64_t before = 0;
  {
    clock->step_wall(4s);
    Snowflake first = snowflake();
    before = first.next();
  }
  clock->step_wall(-4s);
  {
    Snowflake second = snowflake();
    const std::int64_t after = second.next();
    EXPECT_GT(after, before);
    EXPECT_GT(ms(second, after), now_ms());
  }
  Snowflake third = snowflake({.max_ahead = 0ms, .max_wait = 1s});
  const Error error = expect_error_naming(
      ErrorCode::unavailable, [&] { third.next(); }, "behind", "max_ahead");
  EXPECT_EQ(error.retry_after(), 4002ms);
  EXPECT_EQ(third.try_next(), std::nullopt);
}

TEST_F(SnowflakeTest, SharesNoCoarseTickWithItsSuccessor) {  // G8
  const SnowflakeOptions seconds{.layout = SnowflakeLayout::seconds()};
  clock->advance(300ms);
  // The second began before the timestamps that this lease has.
  EXPECT_EQ(snowflake(seconds).try_next(), std::nullopt);
  clock->advance(700ms);
  Snowflake first = snowflake(seconds);
  const std::int64_t before = first.next();
  clock->advance(500ms);
  first.release();
  EXPECT_EQ(last_reserved_ms(), ms(first, before) + 999);
  Snowflake second = snowflake(seconds);
  EXPECT_EQ(second.try_next(), std::nullopt);
  clock->advance(500ms);
  EXPECT_EQ(ms(second, second.next()), ms(first, before) + 1000);
}

TEST_F(SnowflakeTest, AClockThatWasSetBackCostsNothingUpToABound) {
  Snowflake test = snowflake({.max_wait = 0ms});
  clock->advance(10s);
  const std::int64_t before = test.next();
  clock->step_wall(-5s);
  EXPECT_EQ(test.next(), before + 1);
  clock->step_wall(-1ms);
  const Error error = expect_error(ErrorCode::unavailable, [&] { test.next(); });
  EXPECT_EQ(error.retry_after(), 1ms);
  clock->advance(1ms);
  EXPECT_EQ(test.next(), before + 2);
}

TEST_F(SnowflakeTest, AClockThatWasSetForwardCostsOneRenewal) {  // F19
  Snowflake test = snowflake();
  const std::int64_t before = test.next();
  clock->advance(1s);
  clock->step_wall(10min);
  const std::int64_t after = test.next();
  EXPECT_EQ(ms(test, after) - ms(test, before), 601'000);
  EXPECT_EQ(store->count("renew"), 1);
}

TEST_F(SnowflakeTest, TryNextAsksForTheRenewalAndDoesNotWait) {
  Snowflake test = snowflake();
  clock->advance(1s);
  clock->step_wall(10min);
  EXPECT_EQ(test.try_next(), std::nullopt);
  while (!test.lease().held()) std::this_thread::yield();
  EXPECT_NE(test.try_next(), std::nullopt);
}

// A store that does not believe the clock reserves nothing for it (largest_clock_lead).
TEST_F(SnowflakeTest, AClockFarAheadOfTheStoresGetsNoIds) {
  const auto far_ahead = std::make_shared<ManualClock>();
  far_ahead->step_wall(24h * 365);
  Generator generator(store, "test",
                      {.max_worker_id = 1, .max_lease_time = lease_time, .clock = far_ahead});
  Snowflake test(generator.lease(), {.max_wait = 0ms});
  expect_error_naming(
      ErrorCode::unavailable, [&] { test.next(); }, "reserved", "ahead of the store's");
  EXPECT_EQ(test.try_next(), std::nullopt);
}

TEST_F(SnowflakeTest, WaitsForTheNextTick) {
  Snowflake test = snowflake(small_options());
  for (int number = 0; number < 4; ++number) test.next();
  EXPECT_EQ(test.try_next(), std::nullopt);
  auto waiting = std::async(std::launch::async, [&] { return test.next(); });
  clock->await_waiters(2);  // and the keeper
  clock->advance(1ms);
  EXPECT_EQ(ms(test, waiting.get()), now_ms());
}

TEST_F(SnowflakeTest, BorrowsTicksWhereItMay) {
  SnowflakeOptions options = small_options();
  options.max_borrowed = 10ms;
  options.max_wait = 0ms;
  Snowflake test = snowflake(options);
  std::array<std::int64_t, 44> ids{};
  test.next(ids);
  EXPECT_EQ(ms(test, ids.back()), now_ms() + 10);
  const Error error = expect_error(ErrorCode::unavailable, [&] { test.next(); });
  EXPECT_EQ(error.retry_after(), 1ms);
}

TEST_F(SnowflakeTest, FillsManyInIncreasingOrder) {
  for (const bool worker_id_last : {false, true}) {
    SnowflakeOptions options = small_options();
    options.layout.worker_id_last = worker_id_last;
    options.max_borrowed = 1s;
    Snowflake test = snowflake(options);
    std::array<std::int64_t, 101> ids{};
    test.next(ids);
    test.next(std::span<std::int64_t>{});
    for (std::size_t place = 0; place < ids.size(); ++place) {
      const SnowflakeParts parts = test.layout().decompose(ids[place]);
      EXPECT_EQ(parts.worker_id, 1);
      EXPECT_EQ(parts.sequence, static_cast<std::int64_t>(place % 4));
      if (place > 0) {
        EXPECT_GT(ids[place], ids[place - 1]);
      }
    }
    EXPECT_GT(test.next(), ids.back());
    clock->advance(1s);
  }
}

TEST_F(SnowflakeTest, StopsWithItsReservedTimestamps) {  // G8
  Snowflake test = snowflake({.max_wait = 0ms});
  test.next();
  const std::int64_t end_ms = last_reserved_ms();
  store->always(Fault::unavailable);
  std::int64_t last_ms = 0;
  try {
    for (;;) {
      last_ms = ms(test, test.next());
      clock->advance(10ms);
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.error_code(), ErrorCode::token_expired) << error.what();
  }
  EXPECT_LE(last_ms, end_ms);
  EXPECT_GT(last_ms, end_ms - 1000);
  // The store is back: so is the lease, under a new epoch, and goes on above.
  store->always(Fault::none);
  while (!test.lease().held()) {
    clock->await_waiters(1);
    clock->advance(100ms);
  }
  EXPECT_GT(ms(test, test.next()), end_ms);
}

TEST_F(SnowflakeTest, ALostLeaseGivesNothing) {
  Snowflake test = snowflake();
  test.next();
  lose(test);
  expect_error_naming(
      ErrorCode::not_assigned, [&] { test.next(); }, "lost");
  expect_error_naming(
      ErrorCode::not_assigned, [&] { test.try_next(); }, "lost");
  std::array<std::int64_t, 3> ids{};
  expect_error_naming(
      ErrorCode::not_assigned, [&] { test.next(ids); }, "lost");
}

// In whichever way it is asked for IDs.
void expect_refused(Snowflake& ids, ErrorCode code, const std::string& why) {
  std::array<std::int64_t, 3> several{};
  expect_error_naming(
      code, [&] { ids.next(); }, why);
  expect_error_naming(
      code, [&] { ids.try_next(); }, why);
  expect_error_naming(
      code, [&] { ids.next(several); }, why);
}

// By the boot clock alone, as the wall clock was set back: it has timestamps for half a lease time more.
TEST_F(SnowflakeTest, ASuspendedLeaseGivesNothingThoughTimestampsAreLeft) {
  std::promise<void> failed;
  Generator test(store, "test",
                 {.max_worker_id = 1,
                  .max_lease_time = lease_time,
                  .on_event =
                      [&](const Event& event) {
                        if (event.kind == Event::Kind::renewal_failed) failed.set_value();
                      },
                  .clock = clock});
  Snowflake ids(test.lease(), {.max_ahead = lease_time, .max_wait = 0ms});
  const std::int64_t end_ms = last_reserved_ms();
  store->always(Fault::unavailable);
  clock->step_wall(-lease_time / 2);
  ids.next();
  clock->advance(lease_time);
  failed.get_future().wait();  // the first attempt to resume
  EXPECT_LT(now_ms() + 1000, end_ms);
  expect_refused(ids, ErrorCode::token_expired, "suspended");
  store->always(Fault::none);
}

TEST_F(SnowflakeTest, ALostLeaseGivesNothingThoughTimestampsAreLeft) {
  Snowflake test = snowflake();
  test.next();
  std::promise<void> told;
  const std::stop_callback tell(test.lease().lost(), [&] { told.set_value(); });
  store->before([](const std::string& verb) {
    if (verb == "renew" || verb == "restore") {
      throw Error(ErrorCode::token_mismatch, "it was granted to another");
    }
  });
  clock->await_waiters(1);
  clock->advance(lease_time / 2);
  told.get_future().wait();
  ASSERT_LT(now_ms() + 1000, last_reserved_ms());
  expect_refused(test, ErrorCode::not_assigned, "lost");
}

TEST_F(SnowflakeTest, GivesNothingInAChild) {  // G11
  Snowflake leased = snowflake();
  Snowflake fixed(7, {}, clock);
  leased.next();
  fixed.next();
  const auto refused = [](const std::function<void()>& operation) {
    try {
      operation();
    } catch (const Error& error) {
      return error.error_code() == ErrorCode::not_assigned;
    }
    return false;
  };
  ForkedProcess child([&] {
    if (!refused([&] { leased.next(); })) return 1;
    if (!refused([&] { leased.try_next(); })) return 2;
    if (!refused([&] { fixed.next(); })) return 3;
    if (!refused([&] { fixed.try_next(); })) return 4;
    leased.release();
    return 0;
  });
  EXPECT_EQ(child.wait(), ExitStatus{0});
  EXPECT_EQ(store->count("release"), 0);
  leased.next();
  fixed.next();
}

TEST_F(SnowflakeTest, MovesWithItsLease) {
  Snowflake first = snowflake();
  const std::int64_t before = first.next();
  Snowflake second = std::move(first);
  EXPECT_GT(second.next(), before);
  second = Snowflake(9, {}, clock);
  EXPECT_EQ(store->count("release"), 1);
  EXPECT_EQ(second.layout().decompose(second.next()).worker_id, 9);
}

// The machine's clock from here on.
class SnowflakeThreadsTest : public ::testing::Test {
 protected:
  static constexpr int threads = 4;

  // What each thread got until it had `count` or was refused.
  static std::vector<std::vector<std::int64_t>> generate(Snowflake& snowflake, std::size_t count,
                                                         std::atomic<std::size_t>& taken) {
    std::vector<std::vector<std::int64_t>> ids(threads);
    std::vector<std::thread> takers;
    takers.reserve(threads);
    for (std::vector<std::int64_t>& mine : ids) {
      takers.emplace_back([&] {
        try {
          while (mine.size() < count) {
            mine.push_back(snowflake.next());
            ++taken;
          }
        } catch (const Error& error) {
          EXPECT_EQ(error.error_code(), ErrorCode::not_assigned) << error.what();
        }
      });
    }
    for (std::thread& taker : takers) taker.join();
    return ids;
  }

  static std::vector<std::int64_t> all_of(const std::vector<std::vector<std::int64_t>>& ids) {
    std::vector<std::int64_t> all;
    for (const std::vector<std::int64_t>& mine : ids) {
      EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
      all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  std::shared_ptr<Store> store = open_memory_store();
  Generator generator{store, "test", {.max_worker_id = 1, .cool_down = 0ms}};
};

TEST_F(SnowflakeThreadsTest, ThreadsNeverRepeatAnId) {
  Snowflake snowflake(generator.lease());
  std::atomic<std::size_t> taken{0};
  const std::vector<std::int64_t> ids = all_of(generate(snowflake, 20'000, taken));
  EXPECT_EQ(ids.size(), threads * 20'000U);
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST_F(SnowflakeThreadsTest, NobodyGetsALaterTimestampThanAReleaseReports) {  // G8
  std::vector<std::int64_t> all;
  for (int round = 0; round < 20; ++round) {
    Snowflake snowflake(generator.lease());
    std::atomic<std::size_t> taken{0};
    auto generating =
        std::async(std::launch::async, [&] { return generate(snowflake, 1'000'000, taken); });
    while (taken < 200) std::this_thread::yield();
    snowflake.release();
    const std::vector<std::int64_t> ids = all_of(generating.get());
    const SnowflakeParts last = snowflake.layout().decompose(ids.back());
    EXPECT_EQ(generator.inspect().leases.front().reserved.last_ms,
              last.time.time_since_epoch().count());
    if (!all.empty()) {
      EXPECT_GT(ids.front(), all.back());
    }
    all.insert(all.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST_F(SnowflakeThreadsTest, TheCoarseClockDoesAsWell) {
  Snowflake snowflake(generator.lease(), {.coarse_clock = true});
  std::atomic<std::size_t> taken{0};
  const std::vector<std::int64_t> ids = all_of(generate(snowflake, 10'000, taken));
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

}  // namespace
}  // namespace workerid::tests
