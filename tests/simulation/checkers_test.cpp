// SPDX-License-Identifier: MIT
//
// The checkers of the simulator, on traces made by hand: each sees what it must, and lets pass what
// is right. Also what the simulator itself promises: clocks, and schedules that can be saved.
#include "checkers/calm.hpp"
#include "checkers/deadlines.hpp"
#include "checkers/epochs.hpp"
#include "checkers/exclusivity.hpp"
#include "checkers/hold_back.hpp"
#include "checkers/liveness.hpp"
#include "checkers/ownership.hpp"
#include "checkers/reserved.hpp"
#include "checkers/reuse.hpp"
#include "checkers/timestamps.hpp"
#include "checkers/uniqueness.hpp"
#include "judgement.hpp"
#include "profiles.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace simulation {
namespace {

using namespace std::chrono_literals;
using workerid::ErrorCode;
using Kind = Entry::Kind;

constexpr Promise promised{.configuration = {.min_worker_id = 1,
                                             .max_worker_id = 2,
                                             .lease_time = 10s,
                                             .reuse_delay = 5s,
                                             .cool_down = 1s},
                           .rho = 0,
                           .store_step = {},
                           .ordered_store = true,
                           .calm = true};

Entry clock_of(int host) {
  Entry entry{.kind = Kind::clock, .host = host};
  entry.line = {.since = {}, .boot = 100s, .wall = 1000s};
  return entry;
}

// Host, process and lease of one number; both clocks end it at `until`.
Entry holds(Time at, int lease, workerid::WorkerId worker_id, Time until, std::uint64_t epoch = 0) {
  Entry entry{.kind = Kind::belief, .time = at, .host = lease, .process = lease, .lease = lease};
  entry.worker_id = worker_id;
  entry.epoch = epoch == 0 ? static_cast<std::uint64_t>(lease) + 1 : epoch;
  entry.boot_validity = 100s + until;
  entry.wall_validity = std::chrono::floor<std::chrono::milliseconds>(1000s + until).count();
  return entry;
}

Entry executed(Time at, Verb verb, int lease, workerid::WorkerId worker_id,
               std::uint64_t epoch = 0) {
  Entry entry{.kind = Kind::executed, .time = at, .process = lease, .lease = lease};
  entry.verb = verb;
  entry.worker_id = worker_id;
  entry.epoch = epoch;
  entry.store_now = std::chrono::floor<std::chrono::milliseconds>(at).count();
  return entry;
}

Entry loss(Time at) {
  Entry entry{.kind = Kind::loss, .time = at};
  entry.text = "restart";
  return entry;
}

template <typename OfChecker>
bool sees(OfChecker checker, const std::vector<Entry>& trace) {
  for (const Entry& entry : trace) checker.see(entry);
  return checker.violation().has_value();
}

TEST(ExclusivityChecker, SeesTwoHoldersAtOneInstant) {  // G1
  const std::vector<Entry> clocks{clock_of(0), clock_of(1)};
  const auto with = [&](std::vector<Entry> trace) {
    trace.insert(trace.begin(), clocks.begin(), clocks.end());
    return trace;
  };
  EXPECT_TRUE(sees(Exclusivity{}, with({holds(1s, 0, 7, 10s), holds(9s, 1, 7, 20s)})));
  EXPECT_FALSE(sees(Exclusivity{}, with({holds(1s, 0, 7, 10s), holds(10s, 1, 7, 20s)})));
  EXPECT_FALSE(sees(Exclusivity{}, with({holds(1s, 0, 7, 10s), holds(9s, 1, 8, 20s)})));
  EXPECT_FALSE(sees(Exclusivity{}, with({holds(1s, 0, 7, 10s),
                                         {.kind = Kind::ended, .time = 2s, .lease = 0},
                                         holds(3s, 1, 7, 20s)})));
  EXPECT_FALSE(sees(Exclusivity{}, with({holds(1s, 0, 7, 10s),
                                         {.kind = Kind::crashed, .time = 2s, .process = 0},
                                         holds(3s, 1, 7, 20s)})));
}

TEST(ExclusivityChecker, SeesAHolderThatABentClockBringsBack) {
  Entry bent = clock_of(0);
  bent.time = 15s;
  bent.line = {.since = 15s, .boot = 105s, .wall = 1005s};
  EXPECT_TRUE(sees(Exclusivity{},
                   {clock_of(0), clock_of(1), holds(1s, 0, 7, 10s), holds(12s, 1, 7, 20s), bent}));
}

TEST(ExclusivityChecker, SeesALeaseThatSaysWhatItsClocksDoNot) {
  Entry checked{.kind = Kind::checked, .time = 11s, .lease = 0};
  EXPECT_TRUE(sees(Exclusivity{}, {clock_of(0), holds(1s, 0, 7, 10s), checked}));
  checked.time = 9s;
  EXPECT_FALSE(sees(Exclusivity{}, {clock_of(0), holds(1s, 0, 7, 10s), checked}));
}

TEST(EpochsChecker, SeesAnEpochThatDoesNotGrow) {  // G4
  const Epochs epochs(promised);
  EXPECT_TRUE(
      sees(epochs, {executed(1s, Verb::acquire, 0, 1, 5), executed(2s, Verb::acquire, 1, 2, 4)}));
  EXPECT_FALSE(
      sees(epochs, {executed(1s, Verb::acquire, 0, 1, 5), executed(2s, Verb::acquire, 0, 1, 5)}))
      << "a repetition";
  EXPECT_TRUE(
      sees(epochs, {clock_of(0), clock_of(1), holds(1s, 0, 1, 3s, 5), holds(4s, 1, 1, 9s, 4)}));
}

TEST(EpochsChecker, LetsALateAnswerTellOfALostGrantWhereTheClockWentBack) {  // A5
  const auto trace = [](const std::vector<Entry>& between) {
    std::vector<Entry> all{clock_of(0), clock_of(1), executed(1s, Verb::acquire, 0, 1, 9), loss(2s),
                           holds(3s, 0, 1, 5s, 9)};
    all.insert(all.end(), between.begin(), between.end());
    all.push_back(executed(30s, Verb::acquire, 1, 1, 4));
    all.push_back(holds(31s, 1, 1, 40s, 4));
    return all;
  };
  EXPECT_TRUE(sees(Epochs(promised), trace({})));
  Promise unordered = promised;
  unordered.ordered_store = false;
  EXPECT_FALSE(sees(Epochs(unordered), trace({})));
  EXPECT_TRUE(sees(Epochs(unordered), trace({executed(3s, Verb::restore, 0, 1, 9)})))
      << "but what was restored counts";
  auto survived = trace({});
  survived[3].epoch = 9;
  EXPECT_TRUE(sees(Epochs(unordered), survived)) << "and what was not lost";
}

TEST(EpochsChecker, SeesALeaseThatComesBackUnderItsFormerEpoch) {
  EXPECT_TRUE(
      sees(Epochs(promised), {clock_of(0), holds(1s, 0, 1, 3s, 5), holds(4s, 0, 1, 9s, 5)}));
  EXPECT_FALSE(
      sees(Epochs(promised), {clock_of(0), holds(1s, 0, 1, 3s, 5), holds(4s, 0, 1, 9s, 6)}));
}

TEST(EpochsChecker, SeesOneEpochOfTwoLeases) {
  EXPECT_TRUE(sees(Epochs(promised),
                   {executed(1s, Verb::acquire, 0, 1, 5), executed(2s, Verb::restore, 1, 1, 5)}));
}

TEST(OwnershipChecker, SeesSomebodyElsesRenewalAndRelease) {  // G3
  for (const Verb verb : {Verb::renew_held, Verb::release, Verb::restore}) {
    EXPECT_TRUE(
        sees(Ownership(promised), {executed(1s, Verb::acquire, 0, 1), executed(2s, verb, 1, 1)}));
    EXPECT_FALSE(
        sees(Ownership(promised), {executed(1s, Verb::acquire, 0, 1), executed(2s, verb, 0, 1)}));
  }
}

TEST(OwnershipChecker, SeesALeaseThatComesBackFromItsEnd) {
  const Entry ended{.kind = Kind::ended, .time = 2s, .lease = 0};
  EXPECT_TRUE(sees(Ownership(promised), {holds(1s, 0, 1, 5s), ended, holds(3s, 0, 1, 8s)}));
}

TEST(OwnershipChecker, SeesASecondIdOfOneAcquisition) {  // G5
  const auto first = executed(1s, Verb::acquire, 0, 1);
  const auto second = executed(4s, Verb::acquire, 0, 2);
  EXPECT_TRUE(sees(Ownership(promised), {first, second}));
  const auto restored = executed(3s, Verb::restore, 0, 1);
  EXPECT_TRUE(sees(Ownership(promised), {first, loss(2s), restored, second}));
  Entry hole = loss(2s);
  hole.worker_id = 1;
  EXPECT_FALSE(sees(Ownership(promised), {first, hole, restored, second}))
      << "where its record alone was lost";
  Entry sent{.kind = Kind::sent, .time = 3s, .seat = 0, .process = 0, .lease = 0};
  sent.verb = Verb::acquire;
  sent.message = second.message;
  sent.seat = second.seat;
  EXPECT_TRUE(sees(Ownership(promised), {first, hole, restored, sent, second}))
      << "but not for what was sent since";
  hole.worker_id = 2;
  EXPECT_TRUE(sees(Ownership(promised), {first, hole, restored, second}));
}

TEST(ReuseChecker, SeesAnIdThatIsGivenAwayTooEarly) {  // G6
  const Reuse reuse(promised);
  EXPECT_TRUE(sees(reuse, {executed(1s, Verb::acquire, 0, 1), executed(15s, Verb::acquire, 1, 1)}));
  EXPECT_FALSE(
      sees(reuse, {executed(1s, Verb::acquire, 0, 1), executed(16s, Verb::acquire, 1, 1)}));
  const auto released = executed(2s, Verb::release, 0, 1);
  EXPECT_TRUE(sees(
      reuse, {executed(1s, Verb::acquire, 0, 1), released, executed(2500ms, Verb::acquire, 1, 1)}));
  EXPECT_FALSE(sees(
      reuse, {executed(1s, Verb::acquire, 0, 1), released, executed(3s, Verb::acquire, 1, 1)}));
}

TEST(TimestampsChecker, SeesRangesThatOverlap) {  // G8
  Entry first = holds(1s, 0, 1, 5s);
  first.reserved = {100, 200};
  Entry second = holds(20s, 1, 1, 25s);
  second.reserved = {200, 300};
  EXPECT_TRUE(sees(Timestamps(promised), {first, second}));
  Entry covered = loss(10s);
  covered.reserved.last_ms = 200;
  EXPECT_TRUE(sees(Timestamps(promised), {first, covered, second})) << "also after a loss";
  covered.reserved.last_ms = 199;
  EXPECT_FALSE(sees(Timestamps(promised), {first, covered, second})) << "which covers no more";
  second.reserved.first_ms = 201;
  EXPECT_FALSE(sees(Timestamps(promised), {first, second}));
}

TEST(TimestampsChecker, LetsALateAnswerTellOfLostTimestampsWhereTheClockWentBack) {  // A5
  Promise unordered = promised;
  unordered.ordered_store = false;
  Entry late = holds(4s, 0, 1, 5s, 3);
  late.reserved = {100, 200};
  Entry restored = executed(3s, Verb::restore, 0, 1, 3);
  restored.reserved = {100, 150};
  Entry next = holds(20s, 1, 1, 25s, 4);
  next.reserved = {151, 300};
  EXPECT_FALSE(sees(Timestamps(unordered), {loss(2s), restored, late, next}));
  next.reserved.first_ms = 150;
  EXPECT_TRUE(sees(Timestamps(unordered), {loss(2s), restored, late, next}));
}

TEST(TimestampsChecker, LetsTheNextHolderHaveWhatWasGivenBack) {
  Entry first = holds(1s, 0, 1, 5s);
  first.reserved = {100, 200};
  Entry released = executed(2s, Verb::release, 0, 1);
  Entry second = holds(3s, 1, 1, 9s);
  second.reserved = {151, 300};
  EXPECT_TRUE(sees(Timestamps(promised), {first, released, second})) << "all counts as used";
  released.reserved.last_ms = 150;
  EXPECT_FALSE(sees(Timestamps(promised), {first, released, second}));
  second.reserved.first_ms = 150;
  EXPECT_TRUE(sees(Timestamps(promised), {first, released, second}));
}

// IDs of positions `first` to `last`, whose tick ends at `last_ms`.
Entry issued(Time at, int lease, std::int64_t first, std::int64_t last, std::int64_t last_ms) {
  Entry entry{.kind = Kind::issued, .time = at, .process = lease, .lease = lease};
  entry.worker_id = 1;
  entry.epoch = static_cast<std::uint64_t>(lease) + 1;
  entry.position = first;
  entry.amount = last - first + 1;
  entry.reserved = {last_ms - 9, last_ms};
  return entry;
}

TEST(UniquenessChecker, SeesAnIdThatIsIssuedTwice) {  // G8
  const Uniqueness checker(promised);
  const Entry first = issued(1s, 0, 10, 20, 100);
  for (const auto& [from, to] : {std::pair{20, 30}, {5, 10}, {12, 13}, {5, 30}, {10, 20}}) {
    EXPECT_TRUE(sees(checker, {first, issued(2s, 1, from, to, 100)})) << from << ".." << to;
  }
  for (const auto& [from, to] : {std::pair{21, 30}, {5, 9}}) {
    EXPECT_FALSE(sees(checker, {first, issued(2s, 1, from, to, 100)})) << from << ".." << to;
  }
  Entry of_another_id = issued(2s, 1, 10, 20, 100);
  of_another_id.worker_id = 2;
  EXPECT_FALSE(sees(checker, {first, of_another_id}));
}

TEST(UniquenessChecker, SeesAnIdThatIsIssuedTwiceAcrossALoss) {
  Entry covered = loss(10s);
  const Entry first = issued(1s, 0, 10, 20, 100);
  covered.reserved.last_ms = 100;
  EXPECT_TRUE(sees(Uniqueness(promised), {first, covered, issued(11s, 1, 15, 16, 100)}));
  covered.reserved.last_ms = 99;
  EXPECT_FALSE(sees(Uniqueness(promised), {first, covered, issued(11s, 1, 15, 16, 100)}));
}

TEST(UniquenessChecker, SeesAGeneratorThatGoesBack) {
  EXPECT_TRUE(sees(Uniqueness(promised), {issued(1s, 0, 10, 20, 100), issued(2s, 0, 5, 9, 100)}));
  EXPECT_FALSE(
      sees(Uniqueness(promised), {issued(1s, 0, 10, 20, 100), issued(2s, 0, 30, 40, 110)}));
}

TEST(UniquenessChecker, CountsIdsBlocksAndHandOvers) {
  Uniqueness checker(promised);
  for (const Entry& entry :
       {issued(1s, 0, 10, 20, 100), issued(2s, 0, 21, 25, 110), issued(3s, 1, 30, 30, 120)}) {
    checker.see(entry);
  }
  EXPECT_EQ(checker.ids(), 17);
  EXPECT_EQ(checker.blocks(), 3);
  EXPECT_EQ(checker.hand_overs(), 1);
}

TEST(ReservedChecker, SeesATimestampThatIsNotReserved) {  // G8
  Entry grant = holds(1s, 0, 1, 5s);
  grant.reserved = {91, 200};
  EXPECT_FALSE(sees(Reserved{}, {grant, issued(2s, 0, 1, 1, 100), issued(2s, 0, 2, 2, 200)}));
  EXPECT_TRUE(sees(Reserved{}, {grant, issued(2s, 0, 1, 1, 99)})) << "begins before";
  EXPECT_TRUE(sees(Reserved{}, {grant, issued(2s, 0, 1, 1, 201)})) << "ends after";
  EXPECT_TRUE(sees(Reserved{}, {issued(2s, 0, 1, 1, 100)}));
}

TEST(DeadlinesChecker, SeesACallThatIsLate) {  // G10
  Entry calling{.kind = Kind::calling, .time = 1s, .host = 0, .process = 0, .lease = 0};
  calling.limit = 103s;
  Entry over{.kind = Kind::over, .time = 4s, .host = 0, .process = 0, .lease = 0};
  EXPECT_TRUE(sees(Deadlines{}, {clock_of(0), calling, over}));
  EXPECT_FALSE(sees(
      Deadlines{}, {clock_of(0), calling, {.kind = Kind::paused, .time = 2s, .process = 0}, over}));
  over.time = 3s;
  EXPECT_FALSE(sees(Deadlines{}, {clock_of(0), calling, over}));
  EXPECT_TRUE(sees(Deadlines{}, {clock_of(0), calling, {.kind = Kind::finished, .time = 9s}}));
}

TEST(HoldBackChecker, SeesAGrantSoonAfterALoss) {  // G7
  const HoldBack checker(promised);
  const auto before = executed(1s, Verb::acquire, 0, 1, 5);
  for (const Verb verb : {Verb::acquire, Verb::renew_resume, Verb::renew_strict}) {
    EXPECT_TRUE(sees(checker, {before, loss(2s), executed(16s, verb, 1, 1, 6)}));
    EXPECT_FALSE(sees(checker, {before, loss(2s), executed(17s, verb, 1, 1, 6)}));
  }
  EXPECT_FALSE(sees(checker, {before, loss(2s), executed(3s, Verb::renew_held, 0, 1, 5)}));
}

TEST(HoldBackChecker, SeesAHolderThatIsRefused) {
  Entry refused = executed(3s, Verb::renew_held, 0, 1);
  refused.code = ErrorCode::holding_back;
  EXPECT_TRUE(sees(HoldBack(promised), {refused}));
}

TEST(HoldBackChecker, SeesAWitnessThatIsIgnored) {
  Entry silent = loss(2s);
  silent.amount = 1;
  silent.epoch = 5;
  Entry granted = executed(30s, Verb::acquire, 1, 1, 9);
  granted.seen_epoch = 8;
  EXPECT_TRUE(sees(HoldBack(promised), {executed(1s, Verb::acquire, 0, 1, 8), silent, granted}));
  granted.seen_epoch = 5;
  EXPECT_FALSE(sees(HoldBack(promised), {executed(1s, Verb::acquire, 0, 1, 8), silent, granted}));
  granted.seen_epoch = 8;
  Entry noticed = executed(14s, Verb::restore, 0, 1, 8);
  noticed.noticed = true;
  const auto held_back = [&] {
    return std::vector{executed(1s, Verb::acquire, 0, 1, 8), silent, noticed, granted};
  };
  EXPECT_FALSE(sees(HoldBack(promised), held_back())) << "a restoration told of the loss";
  noticed.time = 16s;
  EXPECT_TRUE(sees(HoldBack(promised), held_back())) << "which is a lease and a reuse delay ago";
  noticed = executed(16s, Verb::acquire, 1, 1);
  noticed.noticed = true;
  noticed.code = ErrorCode::holding_back;
  EXPECT_TRUE(sees(HoldBack(promised), held_back())) << "an acquisition told of it";
  Entry again = silent;
  again.time = 17s;
  const auto lost_again = [&] {
    auto trace = held_back();
    trace.insert(trace.end() - 1, again);
    trace.back().seen_epoch = 0;
    return trace;
  };
  EXPECT_FALSE(sees(HoldBack(promised), lost_again())) << "the store lost its hold-back, too";
  again.noticed = true;
  EXPECT_TRUE(sees(HoldBack(promised), lost_again())) << "it still holds back";
}

TEST(LivenessChecker, SeesWhoGetsNothing) {
  Entry started{.kind = Kind::started, .time = 1s, .seat = 0, .process = 0};
  started.amount = 1;
  const Entry healed{.kind = Kind::healed, .time = 1s};
  const Entry finished{.kind = Kind::finished, .time = 16s};
  EXPECT_TRUE(sees(Liveness(promised), {clock_of(0), started, healed, finished}));
  EXPECT_FALSE(
      sees(Liveness(promised), {clock_of(0), started, healed, holds(2s, 0, 1, 20s), finished}));
  EXPECT_TRUE(
      sees(Liveness(promised), {clock_of(0), started, healed, holds(2s, 0, 1, 8s), finished}));
}

TEST(CalmChecker, SeesASuspensionWithoutACause) {
  Entry notice{.kind = Kind::notice, .time = 1s, .lease = 0};
  notice.event = workerid::Event::Kind::suspended;
  EXPECT_TRUE(sees(Calm(promised), {notice}));
  notice.event = workerid::Event::Kind::renewed;
  EXPECT_FALSE(sees(Calm(promised), {notice}));
}

TEST(SimulatedClock, TellsWhenItShowsATime) {
  for (const std::int64_t rate : {889'000, 1'000'000, 1'111'000}) {
    const HostClock clock({.since = 3s, .boot = 100s, .wall = 1000s, .boot_rate = rate});
    const workerid::BootTime until{107s + 1ns};
    const Time when = clock.when(until, 4s);
    EXPECT_GE(clock.boot(when), until.time_since_epoch());
    EXPECT_LT(clock.boot(when - 2ns), until.time_since_epoch());
  }
}

TEST(SimulatedSchedule, IsTheSameAfterItWasSaved) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Schedule schedule = draw(seed, seed % 4 == 0 ? "snowflake" : "");
    EXPECT_EQ(text(parse(text(schedule))), text(schedule));
    EXPECT_EQ(judge(parse(text(schedule))).hash, judge(schedule).hash);
  }
}

}  // namespace
}  // namespace simulation
