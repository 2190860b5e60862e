// SPDX-License-Identifier: MIT
//
// Generator and Lease on a store that forgets everything (G7). What the rules and the lease machine
// make of it stands in their own tests.
#include "support/expect_error.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/workerid.hpp>

#include <condition_variable>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::ManualClock;

// A memory store that can be replaced by an empty one.
class ForgetfulStore final : public Store {
 public:
  explicit ForgetfulStore(std::shared_ptr<Clock> clock) : clock_(std::move(clock)) { forget(); }

  void forget() {
    const std::lock_guard lock(mutex_);
    store_ = open_memory_store(clock_);
  }

  std::string description() const override { return "forgetful:"; }

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds timeout) override {
    return store()->acquire(request, timeout);
  }
  Grant do_renew(const RenewRequest& request, milliseconds timeout) override {
    return store()->renew(request, timeout);
  }
  Grant do_restore(const RestoreRequest& request, milliseconds timeout) override {
    return store()->restore(request, timeout);
  }
  void do_release(const ReleaseRequest& request, milliseconds timeout) override {
    store()->release(request, timeout);
  }
  std::optional<ClusterView> do_inspect(const std::string& cluster, milliseconds timeout) override {
    return store()->inspect(cluster, timeout);
  }
  Guarantee do_guarantee(milliseconds timeout) override { return store()->guarantee(timeout); }

  std::shared_ptr<Store> store() {
    const std::lock_guard lock(mutex_);
    return store_;
  }

  std::shared_ptr<Clock> clock_;
  std::mutex mutex_;
  std::shared_ptr<Store> store_;
};

class Amnesia : public ::testing::Test {
 protected:
  Generator generator(Options options = {}) {
    options.clock = clock;
    return {store, "test", options};
  }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<ForgetfulStore> store = std::make_shared<ForgetfulStore>(clock);
};

TEST_F(Amnesia, AnExplicitLeaseThatRunsIsRegisteredAnew) {
  Generator test = generator({.instance = "web-0"});
  const Assignment mine = test.get_id();
  clock->advance(4min);
  store->forget();
  test.renew(mine.worker_id, mine.token);
  const ClusterView view = test.inspect();
  EXPECT_EQ(view.leases.at(0).instance, "web-0");
  EXPECT_GT(view.hold_back, 0ms);
  expect_error(ErrorCode::holding_back, [&] { static_cast<void>(generator().get_id()); });
  clock->advance(4min);
  test.renew(mine.worker_id, mine.token);  // held, though the store holds back
  clock->advance(4min);
  EXPECT_EQ(generator().get_id().worker_id, 2);
}

// What the store lost may have been granted to others since: nobody is asked.
TEST_F(Amnesia, AnExplicitLeaseThatEndedIsNot) {
  Generator test = generator();
  const Assignment mine = test.get_id();
  clock->advance(5min);
  store->forget();
  expect_error(ErrorCode::token_expired, [&] { test.renew(mine.worker_id, mine.token); });
}

// Whoever did not get the ID cannot know whether it is valid.
TEST_F(Amnesia, AnotherGeneratorRestoresNothing) {
  const Assignment mine = generator().get_id();
  store->forget();
  Generator other = generator();
  expect_error(ErrorCode::not_assigned, [&] { other.renew(mine.worker_id, mine.token); });
}

TEST_F(Amnesia, AGeneratorIsAWitnessOfWhatItSaw) {
  Generator test = generator();
  static_cast<void>(test.get_id());
  store->forget();
  expect_error(ErrorCode::holding_back, [&] { static_cast<void>(test.get_id()); });
}

TEST_F(Amnesia, ALeaseGoesOnAndTellsIt) {
  std::mutex mutex;
  std::condition_variable told;
  std::vector<Event> restored;
  Generator test = generator({.on_event = [&](const Event& event) {
    const std::lock_guard lock(mutex);
    if (event.kind == Event::Kind::restored) restored.push_back(event);
    told.notify_one();
  }});
  const Lease lease = test.lease();
  const std::uint64_t epoch = lease.epoch();
  store->forget();
  clock->advance(2min);
  {
    std::unique_lock lock(mutex);
    told.wait(lock, [&] { return !restored.empty(); });
  }
  EXPECT_TRUE(lease.held());
  EXPECT_EQ(lease.epoch(), epoch);
  EXPECT_EQ(test.inspect().leases.size(), 1U);
}

TEST_F(Amnesia, TheGuaranteeIsTheStores) {  // G13
  EXPECT_EQ(generator().guarantee().exclusivity, GuaranteeLevel::exact);
}

}  // namespace
}  // namespace workerid::tests
