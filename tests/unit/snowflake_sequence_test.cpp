// SPDX-License-Identifier: MIT
//
// The positions of a generator: what the clock, the reserved timestamps and the closing allow.
#include "snowflake_sequence.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <optional>
#include <thread>
#include <vector>

namespace workerid::detail {
namespace {

using namespace std::chrono_literals;
using Outcome = SnowflakeSequence::Outcome;
using Taken = SnowflakeSequence::Taken;

constexpr std::int64_t epoch_ms = 1'000'000;

// 4 IDs of each millisecond.
SnowflakeLayout small_layout() {
  SnowflakeLayout layout;
  layout.sequence_bits = 2;
  layout.epoch = WallTime{std::chrono::milliseconds{epoch_ms}};
  return layout;
}

SnowflakeLayout coarse_layout(std::chrono::milliseconds tick) {
  SnowflakeLayout layout = small_layout();
  layout.tick = tick;
  return layout;
}

constexpr TimestampRange everything{std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()};

// Times are milliseconds after the epoch.
constexpr TimestampRange reserved(std::int64_t first, std::int64_t last) {
  return {epoch_ms + first, epoch_ms + last};
}

WallTime at(std::int64_t time) {
  return WallTime{std::chrono::milliseconds{epoch_ms + time}};
}

Taken take(SnowflakeSequence& sequence, std::int64_t now, const TimestampRange& range = everything,
           std::int64_t count = 1) {
  const auto read_wall = [now] { return at(now); };
  return sequence.take(count, range, read_wall, read_wall);
}

void expect_taken(const Taken& taken, std::int64_t tick, std::int64_t sequence,
                  std::int64_t count = 1) {
  EXPECT_EQ(taken.outcome, Outcome::taken);
  EXPECT_EQ(taken.tick, tick);
  EXPECT_EQ(taken.sequence, sequence);
  EXPECT_EQ(taken.count, count);
}

TEST(SnowflakeSequenceTest, CountsWithinATickAndFollowsTheClock) {
  SnowflakeSequence sequence(small_layout(), {});
  expect_taken(take(sequence, 10), 10, 0);
  expect_taken(take(sequence, 10), 10, 1);
  expect_taken(take(sequence, 11), 11, 0);
  expect_taken(take(sequence, 5000), 5000, 0);
}

TEST(SnowflakeSequenceTest, WaitsForTheNextTickWhenOneIsUsedUp) {
  SnowflakeSequence sequence(small_layout(), {.borrowed = 0, .behind = 5000});
  for (std::int64_t number = 0; number < 4; ++number) expect_taken(take(sequence, 10), 10, number);
  const Taken refused = take(sequence, 10);
  EXPECT_EQ(refused.outcome, Outcome::used_up);
  EXPECT_EQ(refused.ready_at, at(11));
  expect_taken(take(sequence, 11), 11, 0);
}

TEST(SnowflakeSequenceTest, BorrowsAsFarAsItMay) {
  SnowflakeSequence sequence(small_layout(), {.borrowed = 2, .behind = 5000});
  for (std::int64_t number = 0; number < 12; ++number) {
    expect_taken(take(sequence, 10), 10 + number / 4, number % 4);
  }
  const Taken refused = take(sequence, 10);
  EXPECT_EQ(refused.outcome, Outcome::used_up);
  EXPECT_EQ(refused.ready_at, at(11));
  expect_taken(take(sequence, 11), 13, 0);
}

TEST(SnowflakeSequenceTest, GoesOnFromTheLastTimestampWhenTheClockWasSetBack) {
  SnowflakeSequence sequence(small_layout(), {.borrowed = 0, .behind = 3000});
  expect_taken(take(sequence, 10'000), 10'000, 0);
  expect_taken(take(sequence, 7001), 10'000, 1);
  const Taken refused = take(sequence, 6999);
  EXPECT_EQ(refused.outcome, Outcome::clock_behind);
  EXPECT_EQ(refused.ready_at, at(7000));
  EXPECT_EQ(refused.ahead, 3001ms);
  expect_taken(take(sequence, 7000), 10'000, 2);
  expect_taken(take(sequence, 10'001), 10'001, 0);
}

TEST(SnowflakeSequenceTest, KeepsThePaceOfAClockThatIsBehind) {
  SnowflakeSequence sequence(small_layout(), {.borrowed = 0, .behind = 3000});
  expect_taken(take(sequence, 1000), 1000, 0);
  for (std::int64_t number = 1; number < 4; ++number)
    expect_taken(take(sequence, 900), 1000, number);
  EXPECT_EQ(take(sequence, 900).outcome, Outcome::used_up);
  EXPECT_EQ(take(sequence, 900).ready_at, at(901));
  expect_taken(take(sequence, 901), 1001, 0);
  // Where it has caught up, what it was behind is forgotten.
  for (std::int64_t number = 0; number < 4; ++number)
    expect_taken(take(sequence, 2000), 2000, number);
  EXPECT_EQ(take(sequence, 2000).outcome, Outcome::used_up);
}

TEST(SnowflakeSequenceTest, NeverLeavesTheReservedTimestamps) {  // G8
  SnowflakeSequence sequence(small_layout(), {});
  expect_taken(take(sequence, 20, reserved(10, 20)), 20, 0);
  const Taken refused = take(sequence, 21, reserved(10, 20));
  EXPECT_EQ(refused.outcome, Outcome::unreserved);
  EXPECT_EQ(refused.ready_at, at(21));
  expect_taken(take(sequence, 21, reserved(10, 21)), 21, 0);
}

TEST(SnowflakeSequenceTest, BeginsWhereTheReservedTimestampsDo) {  // G8
  SnowflakeSequence sequence(small_layout(), {.borrowed = 0, .behind = 100});
  EXPECT_EQ(take(sequence, 5, reserved(106, 1000)).outcome, Outcome::clock_behind);
  expect_taken(take(sequence, 6, reserved(106, 1000)), 106, 0);
  // Resumed: a new range above all that was reserved before.
  expect_taken(take(sequence, 107, reserved(150, 2000)), 150, 0);
  EXPECT_EQ(take(sequence, 107, reserved(300, 3000)).outcome, Outcome::clock_behind);
  expect_taken(take(sequence, 250, reserved(300, 3000)), 300, 0);
}

TEST(SnowflakeSequenceTest, TakesNothingFromAnEmptyRange) {
  SnowflakeSequence sequence(small_layout(), {.borrowed = 0, .behind = 100});
  // As a renewal looks that is read in the middle: the new beginning, the former end.
  EXPECT_EQ(take(sequence, 10, reserved(15, 12)).outcome, Outcome::unreserved);
}

TEST(SnowflakeSequenceTest, SharesNoCoarseTickWithAnotherHolder) {  // G8
  const SnowflakeLayout layout = coarse_layout(10ms);
  SnowflakeSequence sequence(layout, {.borrowed = 0, .behind = 500});
  // 25 is in the middle of tick 2: the holder before may have used it.
  EXPECT_EQ(take(sequence, 25, reserved(25, 59)).outcome, Outcome::used_up);
  expect_taken(take(sequence, 30, reserved(25, 59)), 3, 0);
  // 59 is the last millisecond of tick 5; 58 would leave it to the next holder.
  expect_taken(take(sequence, 50, reserved(25, 59)), 5, 0);
  EXPECT_EQ(take(sequence, 50, reserved(25, 58)).outcome, Outcome::unreserved);
  EXPECT_EQ(sequence.close(), epoch_ms + 59);
}

TEST(SnowflakeSequenceTest, TakesManyOfATickAtOnce) {
  SnowflakeSequence sequence(small_layout(), {});
  expect_taken(take(sequence, 10, everything, 3), 10, 0, 3);
  expect_taken(take(sequence, 10, everything, 3), 10, 3, 1);
  expect_taken(take(sequence, 11, everything, 100), 11, 0, 4);
  EXPECT_EQ(take(sequence, 11, everything, 100).outcome, Outcome::used_up);
}

TEST(SnowflakeSequenceTest, GivesNothingOnceItIsClosed) {
  SnowflakeSequence sequence(small_layout(), {});
  take(sequence, 10);
  take(sequence, 20);
  EXPECT_EQ(sequence.close(), epoch_ms + 20);
  EXPECT_EQ(take(sequence, 30).outcome, Outcome::closed);
  EXPECT_EQ(sequence.close(), epoch_ms + 20);
}

TEST(SnowflakeSequenceTest, SaysThatNothingWasUsed) {
  SnowflakeSequence sequence(small_layout(), {});
  EXPECT_EQ(sequence.close(), std::nullopt);
}

TEST(SnowflakeSequenceTest, TheLastOfATickIsUsedWhenTheNextIsDue) {
  SnowflakeSequence sequence(small_layout(), {});
  take(sequence, 10, everything, 4);
  EXPECT_EQ(sequence.close(), epoch_ms + 10);
}

TEST(SnowflakeSequenceTest, IsBeforeItsEpoch) {
  SnowflakeSequence sequence(coarse_layout(10ms), {.borrowed = 0, .behind = 3});
  const Taken refused = take(sequence, -31);
  EXPECT_EQ(refused.outcome, Outcome::clock_behind);
  EXPECT_EQ(refused.ready_at, at(-30));
  EXPECT_EQ(refused.ahead, 40ms);
  expect_taken(take(sequence, -30), 0, 0);
}

TEST(SnowflakeSequenceTest, RunsOutWithItsLayout) {
  SnowflakeLayout layout = small_layout();
  layout.timestamp_bits = 4;
  SnowflakeSequence sequence(layout, {});
  expect_taken(take(sequence, 15), 15, 0);
  EXPECT_EQ(take(sequence, 16).outcome, Outcome::run_out);
  EXPECT_EQ(take(sequence, 1'000'000).outcome, Outcome::run_out);
}

TEST(SnowflakeSequenceTest, UsesAllBitsOfTheWordWithoutBeginningAnew) {
  const SnowflakeLayout layout{
      .timestamp_bits = 5, .worker_bits = 0, .sequence_bits = 58, .tick = 1ms, .epoch = at(0)};
  SnowflakeSequence sequence(layout, {});
  constexpr std::int64_t all = std::int64_t{1} << 58;
  expect_taken(take(sequence, 30, everything, all), 30, 0, all);
  EXPECT_EQ(take(sequence, 31, everything, all).outcome, Outcome::run_out);
  EXPECT_EQ(sequence.close(), epoch_ms + 30);
}

TEST(SnowflakeSequenceTest, OneThatWasHeldUpDoesNotTakeOthersTimeForTheFuture) {
  SnowflakeSequence sequence(small_layout(), {.borrowed = 0, .behind = 5000});
  const auto held_up = [&] {
    // Meanwhile another one uses up the ticks up to 15.
    for (std::int64_t now = 10; now <= 15; ++now) take(sequence, now, everything, 4);
    return at(10);
  };
  const Taken taken = sequence.take(1, everything, held_up, [] { return at(15); });
  EXPECT_EQ(taken.outcome, Outcome::used_up);
  EXPECT_EQ(taken.ready_at, at(16));
}

TEST(SnowflakeSequenceTest, AGlanceDoesWhereTheTickHasNumbersLeft) {
  SnowflakeSequence sequence(small_layout(), {});
  const auto coarse = [] { return at(10); };
  for (std::int64_t number = 0; number < 4; ++number) {
    expect_taken(sequence.take(1, everything, coarse, [] { return at(13); }), 10, number);
  }
  expect_taken(sequence.take(1, everything, coarse, [] { return at(13); }), 13, 0);
  expect_taken(sequence.take(1, everything, coarse, [] { return at(13); }), 13, 1);
  expect_taken(sequence.take(1, everything, coarse, [] { return at(14); }), 14, 0);
}

// Several threads take positions while another one closes the sequence.
class SnowflakeSequenceThreadsTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(SnowflakeSequenceThreadsTest, NeverRepeatAPositionNorGoBeyondTheClosing) {
  constexpr int threads = 4;
  constexpr std::size_t each = 20'000;
  SnowflakeSequence sequence(small_layout(), {.borrowed = std::int64_t{1} << 40, .behind = 0});
  std::atomic<std::int64_t> time{0};
  std::atomic<std::size_t> taken_in_all{0};
  std::vector<std::vector<std::int64_t>> positions(threads);
  std::vector<std::thread> takers;
  takers.reserve(threads);
  for (std::vector<std::int64_t>& mine : positions) {
    takers.emplace_back([&] {
      while (mine.size() < each) {
        const auto read_wall = [&] { return at(time.fetch_add(1) / 16); };
        const Taken taken = sequence.take(GetParam(), everything, read_wall, read_wall);
        if (taken.outcome != Outcome::taken) {
          EXPECT_EQ(taken.outcome, Outcome::closed);
          return;
        }
        for (std::int64_t number = 0; number < taken.count; ++number) {
          mine.push_back(taken.tick * 4 + taken.sequence + number);
        }
        taken_in_all += static_cast<std::size_t>(taken.count);
      }
    });
  }
  while (taken_in_all < each) std::this_thread::yield();
  const std::optional<std::int64_t> last_ms = sequence.close();
  for (std::thread& taker : takers) taker.join();

  std::vector<std::int64_t> all;
  for (const std::vector<std::int64_t>& mine : positions) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  EXPECT_EQ(last_ms, epoch_ms + all.back() / 4);
}

INSTANTIATE_TEST_SUITE_P(Counts, SnowflakeSequenceThreadsTest, ::testing::Values(1, 3));

}  // namespace
}  // namespace workerid::detail
