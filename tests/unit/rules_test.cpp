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
  return {configuration, 5'000'000'000, next_fresh};
}
// All of its IDs were granted.
const Cluster full_cluster = used_cluster(4);

// ---- acquire ------------------------------------------------------------------------------------

TEST(RulesAcquire, FirstOneMakesTheCluster) {
  const AcquireRequest request = acquire_request("pod");
  const Decision decision = rules::acquire(std::nullopt, request, {}, at(20ms));
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
  EXPECT_EQ(decision.cluster.last_epoch, decision.record.epoch);
  const Grant grant{1, wall_ms * 1000, {wall_ms, wall_ms + 100}, 100ms};
  EXPECT_EQ(decision.grant, grant);
}

TEST(RulesAcquire, OtherConfigurationIsRefusedWithBoth) {
  AcquireRequest request = acquire_request();
  request.configuration.max_worker_id = 9;
  expect_error_naming(
      ErrorCode::configuration_mismatch,
      [&] { rules::acquire(full_cluster, request, {}, at(0ms)); }, "\"c\"", "1 to 3", "1 to 9");
}

TEST(RulesAcquire, SameTokenGetsTheSameGrantRefreshed) {
  AcquireRequest request = acquire_request();
  request.token = owner_token;
  for (const milliseconds now : {990ms, 1010ms, 5000ms}) {  // leased, expired, long since free
    const Decision decision =
        rules::acquire(full_cluster, request, {.same_token = leased_record()}, at(now));
    EXPECT_EQ(decision.grant.worker_id, 2);
    EXPECT_EQ(decision.grant.epoch, 7U);
    EXPECT_EQ(decision.record.lease_end, now + 100ms);
    EXPECT_EQ(decision.record.free_at, now + 150ms);
    EXPECT_EQ(decision.record.instance, "pod") << "the repetition is of the same acquisition";
    EXPECT_EQ(decision.record.reserved, (TimestampRange{500, wall_ms + 100}));
    EXPECT_EQ(decision.cluster.last_epoch, full_cluster.last_epoch);
  }
}

TEST(RulesAcquire, RepetitionNeverShortens) {
  AcquireRequest request = acquire_request();
  request.token = owner_token;
  Record record = leased_record();
  record.reserved.last_ms = wall_ms + 5000;
  const Decision decision = rules::acquire(full_cluster, request, {.same_token = record}, at(10ms));
  EXPECT_EQ(decision.record, record);
}

TEST(RulesAcquire, ReleasedTokenIsUsedUp) {
  AcquireRequest request = acquire_request();
  request.token = owner_token;
  const Error error = expect_error(ErrorCode::invalid_token, [&] {
    rules::acquire(full_cluster, request, {.same_token = released_record()}, at(2000ms));
  });
  EXPECT_EQ(std::string{error.what()}.find(owner_token.text()), std::string::npos);
}

TEST(RulesAcquire, InstanceGetsItsFormerIdWhenItIsFree) {
  const Candidates candidates{.same_instance = leased_record()};
  const Cluster cluster = used_cluster(3);
  EXPECT_EQ(rules::acquire(cluster, acquire_request("pod"), candidates, at(1049ms)).grant.worker_id,
            3);
  const Decision decision = rules::acquire(cluster, acquire_request("pod"), candidates, at(1050ms));
  EXPECT_EQ(decision.grant.worker_id, 2);
  EXPECT_EQ(decision.cluster.next_fresh, 3);
  EXPECT_EQ(decision.record.epoch, cluster.last_epoch + 1);
  EXPECT_EQ(decision.record.reserved, (TimestampRange{wall_ms, wall_ms + 100}));
}

TEST(RulesAcquire, TakeoverShortensTheFormerPromise) {
  AcquireRequest request = acquire_request("pod");
  request.takeover = true;
  Record record = leased_record();
  record.lease_end = 10'000ms;
  record.free_at = 10'050ms;
  const Decision decision =
      rules::acquire(used_cluster(3), request, {.same_instance = record}, at(500ms));
  EXPECT_EQ(decision.record.worker_id, 2);
  EXPECT_EQ(decision.record.token, request.token);
  EXPECT_EQ(decision.record.lease_end, 600ms);
  EXPECT_EQ(decision.record.free_at, 650ms);
  EXPECT_GT(decision.record.epoch, full_cluster.last_epoch);
}

TEST(RulesAcquire, NeverUsedIdsComeBeforeFreeOnes) {
  const Decision decision = rules::acquire(used_cluster(3), acquire_request(),
                                           {.longest_free = released_record()}, at(2000ms));
  EXPECT_EQ(decision.grant.worker_id, 3);
  EXPECT_EQ(decision.cluster.next_fresh, 4);
}

TEST(RulesAcquire, FreeIdIsGrantedUnderANewEpoch) {
  Record record = released_record();
  record.reserved = {wall_ms, wall_ms + 40};
  const AcquireRequest request = acquire_request("other");
  const Decision decision =
      rules::acquire(full_cluster, request, {.longest_free = record}, at(910ms));
  EXPECT_EQ(decision.record.worker_id, 2);
  EXPECT_EQ(decision.record.token, request.token);
  EXPECT_EQ(decision.record.instance, "other");
  EXPECT_EQ(decision.record.owner, "somebody");
  EXPECT_FALSE(decision.record.released);
  EXPECT_EQ(decision.record.epoch, full_cluster.last_epoch + 1);
  EXPECT_EQ(decision.record.reserved, (TimestampRange{wall_ms + 41, wall_ms + 141}));  // G8
}

TEST(RulesAcquire, ExhaustionSaysWhen) {
  const Error error = expect_error(ErrorCode::no_available_id, [&] {
    rules::acquire(full_cluster, acquire_request(), {.longest_free = leased_record()}, at(1000ms));
  });
  EXPECT_EQ(error.retry_after(), 50ms);
  EXPECT_NE(std::string{error.what()}.find("all of its 3 worker IDs"), std::string::npos);
  EXPECT_NE(std::string{error.what()}.find("50 ms"), std::string::npos);
}

TEST(RulesAcquire, FullClusterWithoutRecordsIsCorrupt) {
  expect_error(ErrorCode::corrupt_record,
               [&] { rules::acquire(full_cluster, acquire_request(), {}, at(0ms)); });
}

TEST(RulesAcquire, LargestIdEndsTheRange) {
  AcquireRequest request = acquire_request();
  request.configuration.max_worker_id = largest_worker_id;
  const Cluster cluster{request.configuration, 1, largest_worker_id};
  const Decision decision = rules::acquire(cluster, request, {}, at(0ms));
  EXPECT_EQ(decision.grant.worker_id, largest_worker_id);
  EXPECT_EQ(rules::never_granted(decision.cluster), 0);
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
    EXPECT_EQ(rules::acquire(cluster, acquire_request(), {}, time).grant.epoch, row.expected);
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
    EXPECT_EQ(rules::acquire(std::nullopt, request, {}, at(0ms)).grant.reserved, row.expected)
        << row.client_wall_ms;
  }
}

TEST(RulesTimestamps, RangeBeginsAboveTheFormerOne) {
  AcquireRequest request = acquire_request();
  for (const std::int64_t client_wall_ms : {-1000L, 0L, 599L, 600L}) {
    request.client = client(client_wall_ms);
    const Decision decision =
        rules::acquire(full_cluster, request, {.longest_free = leased_record()}, at(2000ms));
    EXPECT_EQ(decision.grant.reserved, (TimestampRange{601, 701})) << client_wall_ms;
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
    EXPECT_EQ(decision.grant.epoch, 7U);
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
    EXPECT_EQ(decision.grant.epoch, 7U);
    EXPECT_EQ(decision.record.lease_end, now + 100ms);
    EXPECT_EQ(decision.record.reserved.first_ms, 500);
  }
}

TEST(RulesRenew, ResumptionIsANewGrant) {
  for (const milliseconds now : {500ms, 1000ms, 9000ms}) {
    const Decision decision =
        rules::renew(full_cluster, renew_request(Renewal::resume), leased_record(), at(now));
    EXPECT_EQ(decision.grant.worker_id, 2);
    EXPECT_EQ(decision.grant.epoch, full_cluster.last_epoch + 1);
    EXPECT_EQ(decision.cluster.last_epoch, decision.grant.epoch);
    EXPECT_EQ(decision.grant.reserved, (TimestampRange{wall_ms, wall_ms + 100}));
    EXPECT_EQ(decision.record.lease_end, std::max(1000ms, now + 100ms));
    EXPECT_EQ(decision.record.token, owner_token);
  }
}

TEST(RulesRenew, NeverShortens) {
  Record record = leased_record();
  record.lease_end = 9000ms;
  record.free_at = 9500ms;
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

TEST(RulesNeverGranted, CountsWhatIsLeftOfTheRange) {
  EXPECT_EQ(rules::never_granted(rules::new_cluster(configuration)), 3);
  EXPECT_EQ(rules::never_granted(used_cluster(3)), 1);
  EXPECT_EQ(rules::never_granted(full_cluster), 0);
  EXPECT_EQ(rules::never_granted(rules::new_cluster({0, largest_worker_id, 1s, 1s, 0s})),
            largest_worker_id + 1);
}

}  // namespace
}  // namespace workerid::tests
