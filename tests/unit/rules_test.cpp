// SPDX-License-Identifier: MIT
//
// The rules of a record: each branch, without a store.
#include "support/expect_error.hpp"

#include <workerid/rules.hpp>

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using rules::Candidates;
using rules::Cluster;
using rules::Decision;
using rules::Record;
using rules::StoreTime;
using std::chrono::milliseconds;

constexpr Configuration configuration{1, 3, 100ms, 50ms, 10ms};
// The store's wall clock, in milliseconds; its lease clock is the tests' business.
constexpr std::int64_t wall_ms = 1'000'000;
// How far from the lease's end reserved timestamps that move on with it may be.
constexpr std::int64_t near_ms = 100 / 64;

StoreTime at(milliseconds now) {
  return {now, WallTime{milliseconds{wall_ms}}};
}

ClientTime client(std::int64_t client_wall_ms = wall_ms) {
  return {{{}, WallTime{milliseconds{client_wall_ms}}}, ""};
}

const Token owner_token = Token::random();

AcquireRequest acquire_request(const std::string& instance = "") {
  return {.cluster = "c",
          .configuration = configuration,
          .token = Token::random(),
          .instance = instance,
          .owner = "somebody",
          .client = client()};
}

// Takes over what leased_record() is.
AcquireRequest takeover_request() {
  AcquireRequest request = acquire_request("pod");
  request.takeover.tokens = {owner_token};
  return request;
}

RenewRequest renew_request(Renewal renewal) {
  return {"c", 2, owner_token, renewal, client()};
}

ReleaseRequest release_request(bool strict = true,
                               std::optional<std::int64_t> last_timestamp_ms = std::nullopt) {
  return {"c", 2, owner_token, strict, last_timestamp_ms, client()};
}

// Leased until 1000, free at 1050.
Record leased_record() {
  return {.worker_id = 2,
          .token = owner_token,
          .epoch = 7,
          .instance = "pod",
          .owner = "former",
          .lease_end = 1000ms,
          .free_at = 1050ms,
          .reserved = {500, 600}};
}

Record released_record() {
  Record record = leased_record();
  record.released = true;
  record.lease_end = 900ms;
  record.free_at = 910ms;
  return record;
}

Cluster used_cluster(WorkerId next_fresh) {
  Cluster cluster = rules::new_cluster(configuration);
  cluster.last_epoch = 5'000'000'000;
  cluster.next_fresh = next_fresh;
  cluster.granted = next_fresh - 1;
  return cluster;
}
// All of its IDs were granted.
const Cluster full_cluster = used_cluster(4);

// Every ID below next_fresh has a record, and none above.
Decision decide(const std::optional<Cluster>& cluster, const AcquireRequest& request,
                Candidates candidates, const StoreTime& time, const rules::History& history = {}) {
  if (cluster) candidates.fresh = cluster->next_fresh;
  return rules::acquire(cluster, request, candidates, time, history);
}

// ---- acquire ------------------------------------------------------------------------------------

TEST(RulesAcquire, FirstOneMakesTheCluster) {
  const AcquireRequest request = acquire_request("pod");
  const Decision decision = decide(std::nullopt, request, {}, at(20ms));
  EXPECT_EQ(decision.cluster.configuration, configuration);
  EXPECT_EQ(decision.cluster.next_fresh, 2);
  const Record expected{.worker_id = 1,
                        .token = request.token,
                        .epoch = wall_ms * 1000,
                        .instance = "pod",
                        .owner = "somebody",
                        .lease_end = 120ms,
                        .free_at = 170ms,
                        .reserved = {wall_ms, wall_ms + 100}};
  EXPECT_EQ(decision.record, expected);
  EXPECT_EQ(decision.cluster.last_epoch, decision.record->epoch);
  const Grant grant{1, wall_ms * 1000, {wall_ms, wall_ms + 100}, 100ms};
  EXPECT_EQ(decision.answer(), grant);
}

TEST(RulesAcquire, OtherConfigurationIsRefusedWithBoth) {
  AcquireRequest request = acquire_request();
  request.configuration.max_worker_id = 9;
  expect_error_naming(
      ErrorCode::configuration_mismatch, [&] { decide(full_cluster, request, {}, at(0ms)); },
      "\"c\"", "1 to 3", "1 to 9");
}

TEST(RulesAcquire, SameTokenGetsTheSameGrantRefreshed) {
  AcquireRequest request = acquire_request();
  request.token = owner_token;
  for (const milliseconds now : {990ms, 1010ms, 5000ms}) {  // leased, expired, long since free
    const Decision decision =
        decide(full_cluster, request, {.same_token = leased_record()}, at(now));
    EXPECT_EQ(decision.answer().worker_id, 2);
    EXPECT_EQ(decision.answer().epoch, 7U);
    EXPECT_EQ(decision.record->lease_end, now + 100ms);
    EXPECT_EQ(decision.record->free_at, now + 150ms);
    EXPECT_EQ(decision.record->instance, "pod") << "the repetition is of the same acquisition";
    EXPECT_EQ(decision.record->reserved, (TimestampRange{500, wall_ms + 100}));
    EXPECT_EQ(decision.cluster.last_epoch, full_cluster.last_epoch);
  }
}

TEST(RulesAcquire, RepetitionNeverShortens) {
  AcquireRequest request = acquire_request();
  request.token = owner_token;
  Record record = leased_record();
  record.reserved.last_ms = wall_ms + 5000;
  const Decision decision = decide(full_cluster, request, {.same_token = record}, at(10ms));
  EXPECT_EQ(decision.record, record);
}

TEST(RulesAcquire, ReleasedTokenIsUsedUp) {
  AcquireRequest request = acquire_request();
  request.token = owner_token;
  const Error error = expect_error(ErrorCode::invalid_token, [&] {
    decide(full_cluster, request, {.same_token = released_record()}, at(2000ms));
  });
  EXPECT_EQ(std::string{error.what()}.find(owner_token.text()), std::string::npos);
}

TEST(RulesAcquire, InstanceGetsItsFormerIdWhenItIsFree) {
  const Candidates candidates{.same_instance = leased_record(), .fresh = 3};
  const Cluster cluster = used_cluster(3);
  EXPECT_EQ(decide(cluster, acquire_request("pod"), candidates, at(1049ms)).answer().worker_id, 3);
  const Decision decision = decide(cluster, acquire_request("pod"), candidates, at(1050ms));
  EXPECT_EQ(decision.answer().worker_id, 2);
  EXPECT_EQ(decision.cluster.next_fresh, 3);
  EXPECT_EQ(decision.record->epoch, cluster.last_epoch + 1);
  EXPECT_EQ(decision.record->reserved, (TimestampRange{wall_ms, wall_ms + 100}));
}

TEST(RulesAcquire, TakeoverKeepsTheFormerPromiseToOthers) {  // G1
  Record record = leased_record();
  record.lease_end = 10'000ms;
  record.free_at = 10'050ms;
  Decision decision =
      decide(used_cluster(3), takeover_request(), {.same_instance = record}, at(500ms));
  EXPECT_EQ(decision.record->worker_id, 2);
  EXPECT_EQ(decision.record->lease_end, 10'000ms);
  EXPECT_EQ(decision.record->free_at, 10'050ms);
  EXPECT_EQ(decision.record->floor, 10'050ms);
  EXPECT_GT(decision.record->epoch, full_cluster.last_epoch);

  // Whatever the taker does.
  const Record taken = *decision.record;
  const ReleaseRequest given_back{
      .cluster = "c", .worker_id = 2, .token = taken.token, .client = client()};
  const Record released = *rules::release(full_cluster, given_back, taken, at(600ms));
  EXPECT_EQ(released.free_at, 10'050ms);
  EXPECT_EQ(rules::evict(full_cluster, {"c", 2, taken.epoch, client()}, taken, at(600ms)).free_at,
            10'050ms);
  AcquireRequest next = acquire_request("pod");
  next.takeover.tokens = {taken.token};
  decision = decide(used_cluster(3), next, {.same_instance = released}, at(700ms));
  EXPECT_EQ(decision.record->floor, 10'050ms) << "a chain of takeovers";
  EXPECT_EQ(rules::release(full_cluster, {"c", 2, next.token, false, {}, client()}, decision.record,
                           at(10'040ms))
                ->free_at,
            10'050ms);
  EXPECT_EQ(rules::release(full_cluster, {"c", 2, next.token, false, {}, client()}, decision.record,
                           at(10'045ms))
                ->free_at,
            10'055ms);

  // It is over with the next ordinary grant.
  decision = decide(full_cluster, acquire_request(), {.longest_free = released}, at(10'050ms));
  EXPECT_EQ(decision.record->floor, 0ms);
}

TEST(RulesAcquire, TakeoverTakesWhatItNamesAndNothingElse) {  // G1, G3
  const auto taken = [](const Takeover& takeover) {
    AcquireRequest request = acquire_request("pod");
    request.takeover = takeover;
    return decide(used_cluster(3), request, {.same_instance = leased_record(), .fresh = 3},
                  at(500ms))
               .answer()
               .worker_id == 2;
  };
  EXPECT_TRUE(taken({{owner_token}, 0}));
  EXPECT_TRUE(taken({{Token::random(), owner_token, Token::random()}, 0}));
  EXPECT_TRUE(taken({{}, 7}));
  EXPECT_TRUE(taken({{Token::random()}, 7}));
  EXPECT_FALSE(taken({{}, 0}));
  EXPECT_FALSE(taken({{Token::random()}, 0}));
  EXPECT_FALSE(taken({{}, 6}));
  EXPECT_FALSE(taken({{}, 8}));
}

TEST(RulesAcquire, TakeoverOfWhatIsFreeIsAnOrdinaryGrant) {
  const Decision decision =
      decide(used_cluster(3), takeover_request(), {.same_instance = leased_record()}, at(1050ms));
  EXPECT_EQ(decision.record->free_at, 1200ms);
  EXPECT_EQ(decision.record->floor, 0ms);
}

TEST(RulesAcquire, NeverUsedIdsComeBeforeFreeOnes) {
  const Decision decision =
      decide(used_cluster(3), acquire_request(), {.longest_free = released_record()}, at(2000ms));
  EXPECT_EQ(decision.answer().worker_id, 3);
  EXPECT_EQ(decision.cluster.next_fresh, 4);
}

TEST(RulesAcquire, FreeIdIsGrantedUnderANewEpoch) {
  Record record = released_record();
  record.reserved = {wall_ms, wall_ms + 40};
  const AcquireRequest request = acquire_request("other");
  const Decision decision = decide(full_cluster, request, {.longest_free = record}, at(910ms));
  EXPECT_EQ(decision.record->worker_id, 2);
  EXPECT_EQ(decision.record->token, request.token);
  EXPECT_EQ(decision.record->instance, "other");
  EXPECT_EQ(decision.record->owner, "somebody");
  EXPECT_FALSE(decision.record->released);
  EXPECT_EQ(decision.record->epoch, full_cluster.last_epoch + 1);
  EXPECT_EQ(decision.record->reserved, (TimestampRange{wall_ms + 41, wall_ms + 141}));  // G8
}

TEST(RulesAcquire, ExhaustionSaysWhen) {
  const Error error = expect_error(ErrorCode::no_available_id, [&] {
    decide(full_cluster, acquire_request(), {.longest_free = leased_record()}, at(1000ms));
  });
  EXPECT_EQ(error.retry_after(), 50ms);
  EXPECT_NE(std::string{error.what()}.find("all of its 3 worker IDs"), std::string::npos);
  EXPECT_NE(std::string{error.what()}.find("50 ms"), std::string::npos);
}

TEST(RulesAcquire, FullClusterWithoutRecordsIsCorrupt) {
  expect_error(ErrorCode::corrupt_record,
               [&] { decide(full_cluster, acquire_request(), {}, at(0ms)); });
}

TEST(RulesAcquire, LargestIdEndsTheRange) {
  AcquireRequest request = acquire_request();
  request.configuration.max_worker_id = largest_worker_id;
  Cluster cluster = rules::new_cluster(request.configuration);
  cluster.next_fresh = largest_worker_id;
  cluster.granted = largest_worker_id - 1;
  const Decision decision = decide(cluster, request, {}, at(0ms));
  EXPECT_EQ(decision.answer().worker_id, largest_worker_id);
  EXPECT_EQ(decision.cluster.granted, largest_worker_id);
}

// ---- epochs and timestamps ----------------------------------------------------------------------

// G4: the greater of the last one and the store's wall clock in microseconds.
TEST(RulesEpoch, GrowsWhateverTheWallClockShows) {
  struct Row {
    std::uint64_t last_epoch;
    std::int64_t wall_ms;
    std::uint64_t expected;
  };
  const std::array<Row, 5> rows{
      {{0, 0, 1}, {41, 0, 42}, {41, 5, 5000}, {5000, 5, 5001}, {41, -5, 42}}};
  for (const Row& row : rows) {
    const Cluster cluster{configuration, row.last_epoch, 1};
    const StoreTime time{0ms, WallTime{milliseconds{row.wall_ms}}};
    EXPECT_EQ(decide(cluster, acquire_request(), {}, time).answer().epoch, row.expected);
  }
}

// G8: the client's clock bounds the range, as far as it is believed.
TEST(RulesTimestamps, FollowTheClientsClockWithinReason) {
  struct Row {
    std::int64_t client_wall_ms = 0;
    TimestampRange expected;
  };
  const std::array<Row, 6> rows{{
      {wall_ms, {wall_ms, wall_ms + 100}},
      {wall_ms - 500'000, {wall_ms - 500'000, wall_ms - 499'900}},
      {wall_ms + 60'000, {wall_ms + 60'000, wall_ms + 60'100}},
      {wall_ms + 60'001, {wall_ms + 60'000, wall_ms + 60'100}},
      {std::int64_t{4'102'444'800'000}, {wall_ms + 60'000, wall_ms + 60'100}},
      {-5, {1, 101}},
  }};
  for (const Row& row : rows) {
    AcquireRequest request = acquire_request();
    request.client = client(row.client_wall_ms);
    EXPECT_EQ(decide(std::nullopt, request, {}, at(0ms)).answer().reserved, row.expected)
        << row.client_wall_ms;
  }
}

TEST(RulesTimestamps, RangeBeginsAboveTheFormerOne) {
  AcquireRequest request = acquire_request();
  for (const std::int64_t client_wall_ms : {-1000L, 0L, 599L, 600L}) {
    request.client = client(client_wall_ms);
    const Decision decision =
        decide(full_cluster, request, {.longest_free = leased_record()}, at(2000ms));
    EXPECT_EQ(decision.answer().reserved, (TimestampRange{601, 701})) << client_wall_ms;
  }
}

// ---- renew --------------------------------------------------------------------------------------

TEST(RulesRenew, ExtendsWhatHasNotEnded) {
  for (const Renewal renewal : {Renewal::strict, Renewal::held}) {
    const Decision decision =
        rules::renew(full_cluster, renew_request(renewal), leased_record(), at(999ms));
    Record expected = leased_record();
    expected.lease_end = 1099ms;
    expected.free_at = 1149ms;
    expected.reserved.last_ms = wall_ms + 100;
    EXPECT_EQ(decision.record, expected);
    EXPECT_EQ(decision.cluster.last_epoch, full_cluster.last_epoch);
    EXPECT_EQ(decision.answer().epoch, 7U);
  }
}

TEST(RulesRenew, StrictOneNeverRevives) {
  for (const milliseconds now : {1000ms, 1049ms, 1050ms, 9000ms}) {
    expect_error_naming(
        ErrorCode::token_expired,
        [&] {
          rules::renew(full_cluster, renew_request(Renewal::strict), leased_record(), at(now));
        },
        "worker ID 2", "\"c\"", std::to_string((now - 1000ms).count()) + " ms ago");
  }
}

TEST(RulesRenew, HeldOneKeepsTheGrantAsLongAsTheTokenOwns) {
  for (const milliseconds now : {1000ms, 1050ms, 9000ms}) {
    const Decision decision =
        rules::renew(full_cluster, renew_request(Renewal::held), leased_record(), at(now));
    EXPECT_EQ(decision.answer().epoch, 7U);
    EXPECT_EQ(decision.record->lease_end, now + 100ms);
    EXPECT_EQ(decision.record->reserved.first_ms, 500);
  }
}

TEST(RulesRenew, ResumptionIsANewGrant) {
  for (const milliseconds now : {500ms, 1000ms, 9000ms}) {
    const Decision decision =
        rules::renew(full_cluster, renew_request(Renewal::resume), leased_record(), at(now));
    EXPECT_EQ(decision.answer().worker_id, 2);
    EXPECT_EQ(decision.answer().epoch, full_cluster.last_epoch + 1);
    EXPECT_EQ(decision.cluster.last_epoch, decision.answer().epoch);
    EXPECT_EQ(decision.answer().reserved, (TimestampRange{wall_ms, wall_ms + 100}));
    EXPECT_EQ(decision.record->lease_end, std::max(1000ms, now + 100ms));
    EXPECT_EQ(decision.record->token, owner_token);
  }
}

// So that a store need not write them at each renewal.
TEST(RulesRenew, ReservedTimestampsMoveOnWithTheLease) {
  const std::int64_t needed_ms = wall_ms + 100;
  // What the lease, moving on by 50 ms, makes of the last timestamp, and what is reserved.
  const std::vector<std::pair<std::int64_t, std::int64_t>> table{
      {needed_ms - near_ms - 1, needed_ms},  // not far enough
      {needed_ms - near_ms, needed_ms - near_ms}, {needed_ms + near_ms, needed_ms + near_ms},
      {needed_ms + near_ms + 40, needed_ms},      // further than it need be
      {needed_ms + 1000, needed_ms + 1000 - 50},  // and never taken back
  };
  for (const auto& [moved_ms, expected_ms] : table) {
    Record record = leased_record();
    record.reserved.last_ms = moved_ms - 50;
    const Decision decision =
        rules::renew(full_cluster, renew_request(Renewal::held), record, at(950ms));
    EXPECT_EQ(decision.answer().reserved.last_ms, expected_ms) << moved_ms;
  }
}

TEST(RulesRenew, NeverShortens) {
  Record record = leased_record();
  record.lease_end = 9000ms;
  record.free_at = 9050ms;
  record.reserved.last_ms = wall_ms + 7000;
  for (const Renewal renewal : {Renewal::strict, Renewal::held}) {
    const Decision decision = rules::renew(full_cluster, renew_request(renewal), record, at(10ms));
    EXPECT_EQ(decision.record, record);
  }
}

TEST(RulesRenew, ReleasedLeaseIsGone) {
  for (const Renewal renewal : {Renewal::strict, Renewal::held, Renewal::resume}) {
    expect_error_naming(
        ErrorCode::not_assigned,
        [&] { rules::renew(full_cluster, renew_request(renewal), released_record(), at(905ms)); },
        "worker ID 2", "released");
  }
}

// ---- ownership, the same for renew and release --------------------------------------------------

struct Stranger {
  std::string description;
  std::optional<Cluster> cluster;
  WorkerId worker_id;
  std::optional<Record> record;
  ErrorCode expected;
};

std::vector<Stranger> strangers() {
  Record others = leased_record();
  others.token = Token::random();
  Record others_released = released_record();
  others_released.token = Token::random();
  return {
      {"unknown cluster", std::nullopt, 2, std::nullopt, ErrorCode::not_assigned},
      {"below the range", full_cluster, 0, std::nullopt, ErrorCode::invalid_worker_id},
      {"above the range", full_cluster, 4, std::nullopt, ErrorCode::invalid_worker_id},
      {"never granted", full_cluster, 2, std::nullopt, ErrorCode::not_assigned},
      {"granted to another", full_cluster, 2, others, ErrorCode::token_mismatch},
      {"released by another", full_cluster, 2, others_released, ErrorCode::not_assigned},
  };
}

TEST(RulesOwnership, StrangersAreToldWhy) {
  for (const Stranger& stranger : strangers()) {
    SCOPED_TRACE(stranger.description);
    const std::string which = "worker ID " + std::to_string(stranger.worker_id);
    for (const Renewal renewal : {Renewal::strict, Renewal::held, Renewal::resume}) {
      RenewRequest request = renew_request(renewal);
      request.worker_id = stranger.worker_id;
      expect_error_naming(
          stranger.expected,
          [&] { rules::renew(stranger.cluster, request, stranger.record, at(990ms)); }, which,
          "\"c\"");
    }
    for (const bool strict : {true, false}) {
      ReleaseRequest request = release_request(strict);
      request.worker_id = stranger.worker_id;
      expect_error_naming(
          stranger.expected,
          [&] { rules::release(stranger.cluster, request, stranger.record, at(990ms)); }, which,
          "\"c\"");
    }
  }
}

// ---- release ------------------------------------------------------------------------------------

TEST(RulesRelease, EndsTheLeaseAndStartsTheCoolDown) {
  const auto record = rules::release(full_cluster, release_request(), leased_record(), at(300ms));
  Record expected = leased_record();
  expected.released = true;
  expected.lease_end = 300ms;
  expected.free_at = 310ms;
  EXPECT_EQ(record, expected);
}

TEST(RulesRelease, RepetitionChangesNothing) {
  for (const bool strict : {true, false}) {
    EXPECT_EQ(rules::release(full_cluster, release_request(strict), released_record(), at(905ms)),
              std::nullopt);
  }
}

TEST(RulesRelease, EndedLeaseIsRefusedOnlyWhenStrict) {
  expect_error(ErrorCode::token_expired, [&] {
    rules::release(full_cluster, release_request(true), leased_record(), at(1000ms));
  });
  const auto record =
      rules::release(full_cluster, release_request(false), leased_record(), at(1010ms));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->lease_end, 1000ms);
  EXPECT_EQ(record->free_at, 1020ms);
}

TEST(RulesRelease, GivesUnusedTimestampsBack) {
  const auto end_after = [](std::optional<std::int64_t> last_timestamp_ms) {
    return rules::release(full_cluster, release_request(true, last_timestamp_ms), leased_record(),
                          at(300ms))
        ->reserved;
  };
  EXPECT_EQ(end_after(std::nullopt), (TimestampRange{500, 600}));
  EXPECT_EQ(end_after(600), (TimestampRange{500, 600}));
  EXPECT_EQ(end_after(550), (TimestampRange{500, 550}));
  EXPECT_EQ(end_after(499), (TimestampRange{500, 499}));
  EXPECT_EQ(end_after(0), (TimestampRange{500, 499})) << "a former holder's stay reserved";
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { end_after(601); }, "601", "600");
}

// ---- view ---------------------------------------------------------------------------------------

TEST(RulesView, ShowsEachStateFromItsFirstMomentOn) {
  struct Row {
    Record record;
    milliseconds now;
    LeaseState state;
    milliseconds lease_left;
    milliseconds free_in;
  };
  const std::array<Row, 7> rows{{
      {leased_record(), 400ms, LeaseState::leased, 600ms, 650ms},
      {leased_record(), 999ms, LeaseState::leased, 1ms, 51ms},
      {leased_record(), 1000ms, LeaseState::expired, 0ms, 50ms},
      {leased_record(), 1049ms, LeaseState::expired, 0ms, 1ms},
      {leased_record(), 1050ms, LeaseState::free, 0ms, 0ms},
      {released_record(), 909ms, LeaseState::cooling_down, 0ms, 1ms},
      {released_record(), 910ms, LeaseState::free, 0ms, 0ms},
  }};
  for (const Row& row : rows) {
    const LeaseView view = rules::view(row.record, at(row.now));
    EXPECT_EQ(name(view.state), name(row.state)) << row.now.count();
    EXPECT_EQ(view.lease_left, row.lease_left) << row.now.count();
    EXPECT_EQ(view.free_in, row.free_in) << row.now.count();
    EXPECT_EQ(view.worker_id, 2);
    EXPECT_EQ(view.epoch, 7U);
    EXPECT_EQ(view.instance, "pod");
    EXPECT_EQ(view.owner, "former");
    EXPECT_EQ(view.reserved, (TimestampRange{500, 600}));
  }
}

// ---- A store that forgot: G7 --------------------------------------------------------------------

const rules::History first_life{"first", std::nullopt};
const rules::History second_life{"second", std::nullopt};

RestoreRequest restore_request(std::uint64_t epoch = 7) {
  return {"c", configuration, owner_token, {2, epoch, {500, 600}, 100ms}, "pod", "owner", client()};
}

Cluster in_life(Cluster cluster, const rules::History& history) {
  cluster.incarnation = history.incarnation;
  return cluster;
}

ErrorCode refusal_of(const Decision& decision) {
  return expect_error(ErrorCode::holding_back, [&] { decision.answer(); }).error_code();
}

TEST(RulesHoldBack, AnotherIncarnationIsNoticedByAnAcquisition) {
  const Cluster cluster = in_life(used_cluster(3), first_life);
  EXPECT_EQ(decide(cluster, acquire_request(), {}, at(10ms), first_life).answer().worker_id, 3);

  const Decision decision = decide(cluster, acquire_request(), {}, at(10ms), second_life);
  EXPECT_EQ(refusal_of(decision), ErrorCode::holding_back);
  EXPECT_EQ(decision.refusal->retry_after(), 150ms);
  EXPECT_FALSE(decision.record);
  EXPECT_EQ(decision.cluster.incarnation, "second");
  EXPECT_EQ(decision.cluster.hold_back_until, 160ms);
  EXPECT_GT(decision.cluster.incarnation_began, cluster.incarnation_began);
  EXPECT_EQ(rules::view(decision.cluster, at(60ms)).hold_back, 100ms);

  // It counts from when it was noticed, not anew with each attempt; a retry waits too (R1).
  AcquireRequest retry = acquire_request();
  retry.token = owner_token;
  const Candidates granted{.same_token = leased_record()};
  refusal_of(decide(decision.cluster, retry, granted, at(159ms), second_life));
  const Decision after = decide(decision.cluster, retry, granted, at(160ms), second_life);
  EXPECT_EQ(after.answer().worker_id, 2);
  // Another may have had it meanwhile and been lost: a new grant, above what that may have reserved.
  EXPECT_GT(after.answer().epoch, decision.cluster.last_epoch);
  EXPECT_GT(after.answer().reserved.first_ms, wall_ms + 60'000);
}

TEST(RulesHoldBack, AServerThatTellsNothingIsNotSuspected) {
  const Cluster cluster = in_life(used_cluster(3), first_life);
  EXPECT_EQ(decide(cluster, acquire_request(), {}, at(10ms)).answer().worker_id, 3);
  EXPECT_EQ(decide(cluster, acquire_request(), {}, at(10ms)).cluster.incarnation, "first");
  EXPECT_EQ(
      decide(used_cluster(3), acquire_request(), {}, at(10ms), second_life).answer().worker_id, 3);
}

TEST(RulesHoldBack, AnUnknownClusterMayHaveBeenLost) {
  const rules::History young{"first", 20ms};
  const Decision held_back = decide(std::nullopt, acquire_request(), {}, at(10ms), young);
  refusal_of(held_back);
  EXPECT_EQ(held_back.cluster.hold_back_until, 140ms) << "what was lost is 20 ms old";
  EXPECT_NE(std::string{held_back.refusal->what()}.find("--fresh"), std::string::npos);

  const rules::History old{"first", 150ms};
  EXPECT_EQ(decide(std::nullopt, acquire_request(), {}, at(10ms), old).answer().worker_id, 1);
}

TEST(RulesHoldBack, AFreshClusterNeedNotWait) {
  const rules::History young{"first", 20ms};
  AcquireRequest fresh = acquire_request();
  fresh.fresh = true;
  const Decision at_once = decide(std::nullopt, fresh, {}, at(10ms), young);
  EXPECT_EQ(at_once.answer().worker_id, 1);

  // Said later, it ends the hold-back that began without it, and what it would have cost.
  const Decision before = decide(std::nullopt, acquire_request(), {}, at(10ms), young);
  const Decision later = decide(before.cluster, fresh, {}, at(20ms), young);
  EXPECT_EQ(later.answer().worker_id, 1);
  EXPECT_EQ(later.answer().reserved.first_ms, wall_ms);

  // A lease that was restored belies it.
  const Decision restored = rules::restore(before.cluster, restore_request(), {}, at(20ms), young);
  const Decision refused = decide(restored.cluster, fresh, {}, at(30ms), young);
  refusal_of(refused);
  EXPECT_EQ(std::string{refused.refusal->what()}.find("--fresh"), std::string::npos);
}

TEST(RulesHoldBack, WhoWasGrantedAnEpochBeliesAFreshCluster) {
  AcquireRequest fresh = acquire_request();
  fresh.fresh = true;
  fresh.seen_epoch = 1;
  const rules::History old{"first", 24h};
  const Decision decision = decide(std::nullopt, fresh, {}, at(10ms), old);
  refusal_of(decision);
  EXPECT_EQ(decision.cluster.hold_back_until, 160ms);
  // For good: another process repeats the claim, after the next loss, too.
  fresh.seen_epoch = 0;
  Decision again = decide(decision.cluster, fresh, {}, at(20ms), old);
  refusal_of(again);
  EXPECT_EQ(std::string{again.refusal->what()}.find("--fresh"), std::string::npos);
  again = decide(again.cluster, fresh, {}, at(30ms), {"another", 0ms});
  refusal_of(again);
  EXPECT_EQ(again.cluster.hold_back_until, 180ms);
}

TEST(RulesHoldBack, AnEpochThatIsNotGreaterIsAProofAsWell) {
  AcquireRequest witness = acquire_request();
  witness.seen_epoch = 1;
  const rules::History young{"first", 20ms};
  const Decision before = decide(std::nullopt, acquire_request(), {}, at(10ms), young);
  const Decision proven = decide(before.cluster, witness, {}, at(20ms), young);
  AcquireRequest fresh = acquire_request();
  fresh.fresh = true;
  refusal_of(decide(proven.cluster, fresh, {}, at(30ms), young));
}

TEST(RulesHoldBack, AStrictRenewalIsBelievedInTheLifeOfItsGrantAlone) {  // R3
  Cluster cluster = in_life(full_cluster, first_life);
  cluster.incarnation_began = 8;  // the hold-back is over
  Record record = leased_record();
  const auto refused = [&] {
    expect_error(ErrorCode::token_expired, [&] {
      rules::renew(cluster, renew_request(Renewal::strict), record, at(900ms), first_life);
    });
  };
  refused();
  // What a held renewal extends is not of the new life: it may have been under way since before.
  record =
      *rules::renew(cluster, renew_request(Renewal::held), record, at(900ms), first_life).record;
  EXPECT_EQ(record.lease_end, 1000ms);
  refused();
  // A restoration says that its holder was valid when it was sent; a resumption is a grant.
  record = *rules::restore(cluster, restore_request(), record, at(900ms), first_life).record;
  refused();
  const Record resumed =
      *rules::renew(cluster, renew_request(Renewal::resume), record, at(900ms), first_life).record;
  EXPECT_NO_THROW(
      rules::renew(cluster, renew_request(Renewal::strict), resumed, at(900ms), first_life));
}

TEST(RulesHoldBack, OnlyAValidHolderIsExtended) {  // R3
  const Cluster cluster = in_life(full_cluster, first_life);
  for (const Renewal renewal : {Renewal::strict, Renewal::resume}) {
    const Decision decision =
        rules::renew(cluster, renew_request(renewal), leased_record(), at(900ms), second_life);
    refusal_of(decision);
    EXPECT_EQ(decision.cluster.hold_back_until, 1050ms);
  }
  const Decision held =
      rules::renew(cluster, renew_request(Renewal::held), leased_record(), at(900ms), second_life);
  EXPECT_EQ(held.answer().epoch, 7U);
  EXPECT_EQ(held.cluster, cluster);
}

TEST(RulesHoldBack, AWitnessShowsThatTheStoreWentBack) {
  AcquireRequest request = acquire_request();
  request.seen_epoch = full_cluster.last_epoch;
  EXPECT_EQ(decide(used_cluster(3), request, {}, at(0ms)).answer().worker_id, 3);
  ++request.seen_epoch;
  const Decision decision = decide(used_cluster(3), request, {}, at(0ms));
  refusal_of(decision);
  EXPECT_GT(decision.cluster.last_epoch, request.seen_epoch);  // G4
}

TEST(RulesHoldBack, TimestampsGoOnAboveWhatMayHaveBeenLost) {  // G8
  const rules::History young{"first", 20ms};
  const Decision before = decide(std::nullopt, acquire_request(), {}, at(0ms), young);
  const Decision after = decide(before.cluster, acquire_request(), {}, at(200ms), young);
  // The most that a lost grant can have reserved: what a client may lead by, and a lease.
  EXPECT_GT(after.answer().reserved.first_ms, wall_ms - 20 + 60'000 + 100);
}

TEST(RulesRestore, RegistersWhatWasLost) {
  const Decision decision =
      rules::restore(std::nullopt, restore_request(), std::nullopt, at(20ms), second_life);
  EXPECT_EQ(decision.answer().worker_id, 2);
  EXPECT_EQ(decision.answer().epoch, 7U);
  EXPECT_EQ(decision.answer().reserved, (TimestampRange{500, wall_ms + 100}));
  EXPECT_EQ(decision.record->lease_end, 120ms);
  EXPECT_EQ(decision.record->free_at, 170ms);
  EXPECT_EQ(decision.record->owner, "owner");
  EXPECT_EQ(decision.cluster.hold_back_until, 170ms);
  EXPECT_EQ(decision.cluster.granted, 1);
  EXPECT_EQ(decision.cluster.next_fresh, 1);
  EXPECT_EQ(decision.cluster.incarnation, "second");

  // Others that follow change nothing of the hold-back.
  const Decision other =
      rules::restore(decision.cluster, restore_request(9), std::nullopt, at(100ms), second_life);
  EXPECT_EQ(other.cluster.hold_back_until, 170ms);
}

TEST(RulesRestore, WhatIsKnownIsExtended) {
  const Decision decision = rules::restore(in_life(full_cluster, first_life), restore_request(),
                                           leased_record(), at(900ms), first_life);
  EXPECT_EQ(decision.answer().epoch, 7U);
  EXPECT_EQ(decision.record->lease_end, 1000ms);
  EXPECT_EQ(decision.cluster, in_life(full_cluster, first_life));
}

TEST(RulesRestore, AnOlderRecordOfAnotherGivesWay) {
  Record former = leased_record();
  former.token = Token::random();
  former.epoch = 6;
  const Cluster cluster = in_life(full_cluster, first_life);
  const Decision decision =
      rules::restore(cluster, restore_request(), former, at(900ms), second_life);
  EXPECT_EQ(decision.record->token, owner_token);
  EXPECT_EQ(decision.record->epoch, 7U);
  EXPECT_EQ(decision.record->free_at, 1050ms) << "what it promised another still holds";
  EXPECT_EQ(decision.record->floor, 1050ms) << "whatever becomes of this one";
  EXPECT_EQ(decision.cluster.hold_back_until, 1050ms);
  // Where nothing was lost, what is recorded is true.
  expect_error(ErrorCode::token_mismatch,
               [&] { rules::restore(cluster, restore_request(), former, at(900ms), first_life); });
}

TEST(RulesRestore, ALaterGrantStands) {  // G3
  Record later = leased_record();
  later.token = Token::random();
  later.epoch = 8;
  expect_error(ErrorCode::token_mismatch,
               [&] { rules::restore(full_cluster, restore_request(), later, at(900ms)); });
  later.released = true;
  expect_error(ErrorCode::not_assigned,
               [&] { rules::restore(full_cluster, restore_request(), later, at(900ms)); });
}

TEST(RulesRestore, OfTwoThatAreRestoredTheLaterGrantIsTrue) {  // R2
  const Decision first = rules::restore(std::nullopt, restore_request(6), std::nullopt, at(20ms));
  for (const std::uint64_t epoch : {5U, 6U, 7U}) {
    RestoreRequest second = restore_request(epoch);
    second.token = Token::random();
    const auto restore = [&] {
      return rules::restore(first.cluster, second, first.record, at(30ms));
    };
    if (epoch <= 6) {
      expect_error(ErrorCode::token_mismatch, restore);
    } else {
      const Decision decision = restore();
      EXPECT_EQ(decision.record->token, second.token);
      EXPECT_EQ(decision.cluster.hold_back_until, first.cluster.hold_back_until);
    }
  }
}

TEST(RulesRestore, WhatWasGrantedSinceTheLossStands) {  // R2
  Cluster cluster = in_life(full_cluster, first_life);
  cluster.incarnation_began = cluster.last_epoch = 100;
  Record record = leased_record();
  record.token = Token::random();
  record.epoch = cluster.last_epoch = 101;
  expect_error(ErrorCode::token_mismatch,
               [&] { rules::restore(cluster, restore_request(), record, at(900ms), first_life); });
  // Nor does it help that its epoch is a later one, where the store's clock was set back (not A5).
  cluster.last_epoch = 1'000;
  RestoreRequest later = restore_request(150);
  expect_error(ErrorCode::token_mismatch,
               [&] { rules::restore(cluster, later, record, at(900ms), first_life); });
  // An epoch from before the loss is not a grant since, even if a held renewal extended it.
  record.epoch = 6;
  EXPECT_EQ(rules::restore(cluster, restore_request(), record, at(900ms), first_life).record->token,
            owner_token);
}

// Of a store whose clock was set back before the loss (not A5).
TEST(RulesRestore, WhatAWitnessKnowsWasGrantedBeforeTheLoss) {
  Cluster cluster = in_life(full_cluster, first_life);
  cluster.incarnation_began = cluster.last_epoch = 100;
  cluster.hold_back_until = 1s;
  const auto until = cluster.hold_back_until;
  Decision decision =
      rules::restore(cluster, restore_request(150), std::nullopt, at(900ms), first_life);
  EXPECT_EQ(decision.cluster.incarnation_began, 150U);
  EXPECT_EQ(decision.cluster.hold_back_until, until);
  decision =
      rules::restore(decision.cluster, restore_request(120), std::nullopt, at(900ms), first_life);
  EXPECT_EQ(decision.cluster.incarnation_began, 150U);
}

// Its sender could begin no validity with the answer.
TEST(RulesRestore, OneThatComesTooLateChangesNothing) {
  RestoreRequest request = restore_request();
  request.valid_until = BootTime{20ms};
  rules::StoreTime time = at(20ms);
  EXPECT_NO_THROW(rules::restore(std::nullopt, request, std::nullopt, time)) << "another clock";
  time.of_clients = true;
  expect_error(ErrorCode::token_expired,
               [&] { rules::restore(std::nullopt, request, std::nullopt, time); });
  request.valid_until += 1ms;
  EXPECT_NO_THROW(rules::restore(std::nullopt, request, std::nullopt, time));
}

// G3, G8: between, another may have held the ID and used the timestamps.
TEST(RulesRestore, ALateOneGivesNoEarlierTimestampsBack) {
  Record resumed = leased_record();
  resumed.epoch = 8;
  resumed.reserved = {5000, 5100};
  const Decision decision = rules::restore(full_cluster, restore_request(), resumed, at(20ms));
  EXPECT_EQ(decision.answer().epoch, 8U);
  EXPECT_EQ(decision.answer().reserved.first_ms, 5000);
}

TEST(RulesRestore, WhatWasReleasedIsOver) {
  expect_error(ErrorCode::not_assigned, [&] {
    rules::restore(full_cluster, restore_request(), released_record(), at(2000ms));
  });
  RestoreRequest outside = restore_request();
  outside.grant.worker_id = 4;
  expect_error(ErrorCode::invalid_worker_id,
               [&] { rules::restore(full_cluster, outside, std::nullopt, at(0ms)); });
}

TEST(RulesLeaseClock, AStepCountsAQuarterOfTheLease) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{1000ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1010ms}, client()), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{100'000ms}, client()), 35ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{500ms}, client()), 35ms) << "it never goes back";
  EXPECT_EQ(clock.advance(100ms, WallTime{510ms}, client()), 45ms) << "and goes on";
}

// An operation that comes soon after the last one writes no clock, and none of the time is lost.
TEST(RulesLeaseClock, ASmallAdvanceIsNotKept) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{1000ms};
  for (const milliseconds passed : {0ms, 1ms, 5ms}) {
    EXPECT_EQ(clock.advance(100ms, WallTime{1000ms + passed}, client()), passed);
    EXPECT_EQ(clock.now, 0ms);
    EXPECT_EQ(clock.last_wall, WallTime{1000ms});
  }
  EXPECT_EQ(clock.advance(100ms, WallTime{1006ms}, client()), 6ms);
  EXPECT_EQ(clock.now, 6ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1005ms}, client()), 6ms) << "a step back";
  EXPECT_EQ(clock.advance(100ms, WallTime{1007ms}, client()), 8ms) << "is not waited for";
}

ClientTime on_machine(milliseconds boot, milliseconds wall) {
  return {{BootTime{boot}, WallTime{wall}}, "machine"};
}
ClientTime on_machine(milliseconds time) {
  return on_machine(time, time);
}

TEST(RulesLeaseClock, ABootClockBearsOutMore) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{990ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1000ms}, on_machine(5000ms, 1000ms)), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1500ms}, on_machine(5400ms, 1500ms)), 410ms);
  // A request that took long to come is no witness, neither of what passed nor for the next one.
  EXPECT_EQ(clock.advance(100ms, WallTime{1600ms}, on_machine(5500ms, 1500ms)), 435ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{2000ms}, on_machine(5900ms, 2000ms)), 460ms);
}

// A server whose clock was 60 ms behind, as long as this request took to come, is set right: were the
// witness believed, those 60 ms would count twice for whoever was granted something in between.
TEST(RulesLeaseClock, AServersClockThatIsAsLateAsARequestShowsNothing) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{1000ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1010ms}, on_machine(1070ms)), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1020ms}, on_machine(1020ms)), 20ms) << "sent before that";
  EXPECT_EQ(clock.advance(100ms, WallTime{1100ms}, on_machine(1100ms)), 45ms) << "20 ms later";
  EXPECT_EQ(clock.advance(100ms, WallTime{1150ms}, on_machine(1150ms)), 95ms) << "in time again";
}

// Were the last time kept instead of the latest, the second late request would be a witness.
TEST(RulesLeaseClock, WhatALateRequestShowsReplacesNoLaterTime) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{1000ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1010ms}, on_machine(1070ms)), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1020ms}, on_machine(1020ms)), 20ms);
  EXPECT_EQ(clock.latest_client, WallTime{1070ms});
  EXPECT_EQ(clock.advance(100ms, WallTime{1030ms}, on_machine(1030ms)), 30ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1110ms}, on_machine(1110ms)), 55ms) << "20 ms later";
}

// Two requests overtake each other, and the server's clock is set forward by what still agrees.
TEST(RulesLeaseClock, TheWitnessDoesNotGoBack) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{990ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1000ms}, on_machine(1000ms)), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1007ms}, on_machine(995ms)), 17ms);
  EXPECT_EQ(clock.witness_boot, BootTime{1000ms});
  EXPECT_EQ(clock.advance(100ms, WallTime{1110ms}, on_machine(1100ms)), 117ms)
      << "what passed since the later of the two was sent";
}

// A server's clock steps back by as much as passed, and what is granted then must not age when it is
// set right, though a boot clock shows that the time passed.
TEST(RulesLeaseClock, ADisagreementIsKeptAtOnce) {
  rules::LeaseClock clock;
  EXPECT_EQ(clock.advance(100ms, WallTime{1000ms}, on_machine(1000ms)), 25ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1003ms}, on_machine(1900ms)), 28ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1910ms}, on_machine(1910ms)), 53ms) << "10 ms later";
  // Without a witness there is nothing to keep.
  EXPECT_EQ(clock.advance(100ms, WallTime{1920ms}, client()), 63ms);
  const rules::LeaseClock kept = clock;
  EXPECT_EQ(clock.advance(100ms, WallTime{1923ms}, client()), 66ms);
  EXPECT_EQ(clock.last_wall, kept.last_wall);
}

// The wall clock of the server's own machine steps with the server's: its boot clock does not.
TEST(RulesLeaseClock, AWitnessThatSawMoreTimePassIsKeptAtOnce) {
  rules::LeaseClock clock;
  EXPECT_EQ(clock.advance(100ms, WallTime{1000ms}, on_machine(1000ms)), 25ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1003ms}, on_machine(1900ms, 1003ms)), 28ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1910ms}, on_machine(1910ms)), 53ms) << "10 ms later";
}

// Who is late is seen by the times that others showed, so those are kept.
TEST(RulesLeaseClock, ALaterTimeIsKeptAtOnce) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{1000ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1010ms}, on_machine(1070ms)), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1013ms}, on_machine(1100ms)), 13ms);
  EXPECT_EQ(clock.last_wall, WallTime{1013ms});
  EXPECT_EQ(clock.latest_client, WallTime{1100ms});
}

// A request that was sent before the loss may be as late as the server's clock is behind: were it a
// witness, a step that puts that clock right would count in full for the hold-back.
TEST(RulesLeaseClock, BeginsAnewWithoutAWitness) {
  rules::LeaseClock clock;
  EXPECT_EQ(clock.advance(100ms, WallTime{1000ms}, on_machine(1000ms)), 25ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1003ms}, on_machine(1003ms)), 28ms);
  clock.begin_anew(28ms, 100ms, WallTime{1003ms}, on_machine(1003ms));
  EXPECT_EQ(clock.last_wall, WallTime{1003ms});
  EXPECT_EQ(clock.latest_client, WallTime{1003ms});
  EXPECT_EQ(clock.advance(100ms, WallTime{1103ms}, on_machine(1103ms)), 53ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1203ms}, on_machine(1203ms)), 153ms) << "it is one again";
}

TEST(RulesLeaseClock, AClientThatIsFarAheadMakesOthersLateForALeaseTime) {
  rules::LeaseClock clock;
  clock.last_wall = WallTime{1000ms};
  EXPECT_EQ(clock.advance(100ms, WallTime{1010ms}, on_machine(1'000'000ms)), 10ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1020ms}, on_machine(1020ms)), 20ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1100ms}, on_machine(1100ms)), 45ms);
  EXPECT_EQ(clock.advance(100ms, WallTime{1200ms}, on_machine(1200ms)), 145ms);
}

// ---- view of a cluster --------------------------------------------------------------------------

TEST(RulesClusterView, CountsWhatIsLeftOfTheRange) {
  const auto never_granted = [](const Cluster& cluster) {
    return rules::view(cluster, at(0ms)).never_granted;
  };
  EXPECT_EQ(never_granted(rules::new_cluster(configuration)), 3);
  EXPECT_EQ(never_granted(used_cluster(3)), 1);
  EXPECT_EQ(never_granted(full_cluster), 0);
  EXPECT_EQ(never_granted(rules::new_cluster({0, largest_worker_id, 1s, 1s, 0s})),
            largest_worker_id + 1);
}

// ---- resize -------------------------------------------------------------------------------------

Cluster resized(const Cluster& cluster, WorkerId low, WorkerId high) {
  return rules::resize(cluster, {"c", low, high, client()});
}

TEST(RulesResize, ChangesTheRangeAlone) {
  Cluster expected = used_cluster(2);
  expected.configuration.max_worker_id = 9;
  EXPECT_EQ(resized(used_cluster(2), 1, 9), expected);
  EXPECT_EQ(resized(used_cluster(2), 1, 3), used_cluster(2));
  expect_error_naming(
      ErrorCode::invalid_argument,
      [] {
        rules::resize(std::nullopt, {"c", 1, 9, client()});
      },
      "\"c\"");
}

// No ID below it in the range was never granted.
TEST(RulesResize, NextFreshStaysInTheRange) {
  EXPECT_EQ(resized(full_cluster, 1, 9).next_fresh, 4);
  EXPECT_EQ(resized(full_cluster, 1, 2).next_fresh, 3);
  EXPECT_EQ(resized(full_cluster, 2, 9).next_fresh, 4);
  EXPECT_EQ(resized(full_cluster, 6, 9).next_fresh, 6);
  EXPECT_EQ(resized(full_cluster, 0, 9).next_fresh, 0);
  EXPECT_EQ(resized(full_cluster, 0, largest_worker_id).next_fresh, 0);
}

TEST(RulesResize, WhatIsOutsideIsNotGranted) {
  const Cluster smaller = resized(full_cluster, 1, 1);  // without the record's ID, 2
  AcquireRequest request = acquire_request("pod");
  request.configuration = smaller.configuration;
  request.takeover.tokens = {owner_token};
  EXPECT_THROW(decide(smaller, request, {.same_instance = leased_record()}, at(5000ms)), Error);
  EXPECT_THROW(decide(smaller, request, {.longest_free = leased_record()}, at(5000ms)), Error);
  request.token = owner_token;
  expect_error(ErrorCode::invalid_worker_id,
               [&] { decide(smaller, request, {.same_token = leased_record()}, at(990ms)); });
}

TEST(RulesResize, WhoHoldsWhatIsOutsideGoesOn) {
  const Cluster smaller = resized(full_cluster, 1, 1);
  for (const Renewal renewal : {Renewal::strict, Renewal::held}) {
    const Decision decision =
        rules::renew(smaller, renew_request(renewal), leased_record(), at(990ms));
    EXPECT_EQ(decision.record->lease_end, 1090ms);
    EXPECT_EQ(decision.record->epoch, 7U);
  }
  expect_error_naming(
      ErrorCode::invalid_worker_id,
      [&] { rules::renew(smaller, renew_request(Renewal::resume), leased_record(), at(990ms)); },
      "worker ID 2", "1 to 1");
  expect_error(ErrorCode::invalid_worker_id,
               [&] { rules::renew(smaller, renew_request(Renewal::held), std::nullopt, at(0ms)); });
  EXPECT_TRUE(rules::release(smaller, release_request(), leased_record(), at(990ms))->released);
}

// After a loss the cluster may be made anew with the former range of another holder.
TEST(RulesResize, WhoWasGrantedItInALargerRangeRestoresIt) {
  RestoreRequest request{.cluster = "c",
                         .configuration = configuration,
                         .token = owner_token,
                         .grant = {3, 7, {500, 600}, 100ms},
                         .instance = {},
                         .owner = {},
                         .client = client()};
  const Cluster smaller = resized(full_cluster, 1, 1);
  const Decision decision = rules::restore(smaller, request, std::nullopt, at(0ms));
  EXPECT_EQ(decision.answer().worker_id, 3);
  EXPECT_EQ(decision.cluster.configuration, smaller.configuration);
  request.configuration.max_worker_id = 2;
  expect_error(ErrorCode::invalid_worker_id,
               [&] { rules::restore(smaller, request, std::nullopt, at(0ms)); });
}

// ---- evict --------------------------------------------------------------------------------------

EvictRequest evict_request(std::uint64_t epoch = 7) {
  return {"c", 2, epoch, client()};
}

TEST(RulesEvict, EndsTheLeaseAndFreesTheIdNoSooner) {              // G1
  for (const milliseconds now : {500ms, 999ms, 1000ms, 1049ms}) {  // leased, expired
    const Record evicted = rules::evict(full_cluster, evict_request(), leased_record(), at(now));
    Record expected = leased_record();
    expected.released = true;
    expected.lease_end = std::min(now, 1000ms);
    EXPECT_EQ(evicted, expected);
    const LeaseView view = rules::view(evicted, at(now));
    EXPECT_EQ(view.state, LeaseState::cooling_down);
    EXPECT_EQ(view.lease_left, 0ms);
    EXPECT_EQ(view.free_in, 1050ms - now);
    for (const Renewal renewal : {Renewal::strict, Renewal::held, Renewal::resume}) {
      expect_error_naming(
          ErrorCode::not_assigned,
          [&] { rules::renew(full_cluster, renew_request(renewal), evicted, at(now)); }, "evicted");
    }
    EXPECT_FALSE(rules::release(full_cluster, release_request(), evicted, at(now)));
    EXPECT_THROW(decide(full_cluster, acquire_request(), {.longest_free = evicted}, at(1049ms)),
                 Error);
    EXPECT_EQ(decide(full_cluster, acquire_request(), {.longest_free = evicted}, at(1050ms))
                  .answer()
                  .worker_id,
              2);
  }
}

TEST(RulesEvict, RepetitionAndReleaseChangeNothing) {
  const Record evicted = rules::evict(full_cluster, evict_request(), leased_record(), at(500ms));
  EXPECT_EQ(rules::evict(full_cluster, evict_request(), evicted, at(600ms)), evicted);
  EXPECT_EQ(rules::evict(full_cluster, evict_request(), released_record(), at(905ms)),
            released_record());
}

TEST(RulesEvict, WhoIsNotThereIsNotEvicted) {
  const auto refused = [](ErrorCode code, const std::optional<Cluster>& cluster,
                          const EvictRequest& request, const std::optional<Record>& record,
                          milliseconds now) {
    expect_error(code, [&] { rules::evict(cluster, request, record, at(now)); });
  };
  refused(ErrorCode::not_assigned, std::nullopt, evict_request(), std::nullopt, 0ms);
  refused(ErrorCode::not_assigned, full_cluster, evict_request(), std::nullopt, 0ms);
  refused(ErrorCode::not_assigned, full_cluster, evict_request(6), leased_record(), 0ms);
  refused(ErrorCode::not_assigned, full_cluster, evict_request(8), leased_record(), 0ms);
  refused(ErrorCode::not_assigned, full_cluster, evict_request(), leased_record(), 1050ms);
  refused(ErrorCode::not_assigned, full_cluster, evict_request(), released_record(), 910ms);
  refused(ErrorCode::invalid_worker_id, resized(full_cluster, 3, 3), evict_request(), std::nullopt,
          0ms);
  EXPECT_TRUE(rules::evict(resized(full_cluster, 3, 3), evict_request(), leased_record(), at(0ms))
                  .released);
}

}  // namespace
}  // namespace workerid::tests
