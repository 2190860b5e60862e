// SPDX-License-Identifier: MIT
//
// What only a clock that stands still shows: the exact moments. The rest is in tests/conformance.
#include "support/expect_error.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <gtest/gtest.h>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

class MemoryStore : public ::testing::Test {
 protected:
  AcquireRequest request() const {
    return {.cluster = "c", .configuration = configuration, .token = Token::random()};
  }
  Grant acquire() { return store->acquire(request(), 1s); }
  Grant renew(const Token& token, Renewal renewal = Renewal::strict) {
    return store->renew({"c", 1, token, renewal, {}}, 1s);
  }
  void release(const Token& token) { store->release({"c", 1, token, true, std::nullopt, {}}, 1s); }
  LeaseView record() { return store->inspect("c", 1s)->leases.at(0); }
  std::chrono::milliseconds exhausted_for() {
    return *expect_error(ErrorCode::no_available_id, [&] { acquire(); }).retry_after();
  }

  const Configuration configuration{1, 1, 10s, 5s, 1s};
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  std::shared_ptr<Store> store = open_memory_store(clock);
};

TEST_F(MemoryStore, LeaseEndsAndComesFreeToTheMillisecond) {
  const AcquireRequest first = request();
  store->acquire(first, 1s);
  EXPECT_EQ(exhausted_for(), 15s);
  clock->advance(9999ms);
  EXPECT_EQ(record().state, LeaseState::leased);
  EXPECT_EQ(record().lease_left, 1ms);
  clock->advance(1ms);
  EXPECT_EQ(record().state, LeaseState::expired);
  expect_error(ErrorCode::token_expired, [&] { renew(first.token); });
  EXPECT_EQ(exhausted_for(), 5s);
  clock->advance(4999ms);
  EXPECT_EQ(exhausted_for(), 1ms);
  clock->advance(1ms);
  EXPECT_EQ(record().state, LeaseState::free);
  EXPECT_EQ(acquire().worker_id, 1);
}

TEST_F(MemoryStore, RenewalInTheLastMillisecondExtends) {
  const AcquireRequest first = request();
  store->acquire(first, 1s);
  clock->advance(9999ms);
  renew(first.token);
  EXPECT_EQ(record().lease_left, 10s);
  EXPECT_EQ(record().free_in, 15s);
}

TEST_F(MemoryStore, CoolDownEndsToTheMillisecond) {
  const AcquireRequest first = request();
  store->acquire(first, 1s);
  clock->advance(3s);
  release(first.token);
  EXPECT_EQ(record().state, LeaseState::cooling_down);
  EXPECT_EQ(exhausted_for(), 1s);
  clock->advance(999ms);
  EXPECT_EQ(exhausted_for(), 1ms);
  clock->advance(1ms);
  EXPECT_EQ(record().state, LeaseState::free);
  EXPECT_EQ(acquire().worker_id, 1);
}

TEST_F(MemoryStore, StepOfTheWallClockEndsNothing) {
  const AcquireRequest first = request();
  store->acquire(first, 1s);
  for (const std::chrono::hours step : {48h, -100h}) {
    clock->step_wall(step);
    EXPECT_EQ(record().lease_left, 10s);
    EXPECT_EQ(exhausted_for(), 15s);
  }
}

TEST_F(MemoryStore, EpochGrowsWhenTheWallClockGoesBack) {
  const AcquireRequest first = request();
  const std::uint64_t epoch = store->acquire(first, 1s).epoch;
  clock->step_wall(-48h);
  EXPECT_EQ(renew(first.token, Renewal::resume).epoch, epoch + 1);  // G4
}

TEST_F(MemoryStore, TwoStoresHaveNothingInCommon) {
  acquire();
  const auto other = open_memory_store(clock);
  EXPECT_FALSE(other->inspect("c", 1s).has_value());
  EXPECT_EQ(other->acquire(request(), 1s).worker_id, 1);
}

TEST_F(MemoryStore, SaysWhatItIs) {
  EXPECT_EQ(store->description(), "memory:");
}

}  // namespace
}  // namespace workerid::tests
