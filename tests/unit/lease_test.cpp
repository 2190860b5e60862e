// SPDX-License-Identifier: MIT
//
// Lease and its keeper, on a manual clock and a store that fails when it is told to.
#include <workerid/memory_store.hpp>
#include <workerid/testing/fault_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/workerid.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace workerid {
namespace {

using namespace std::chrono_literals;
using testing::Fault;
using testing::FaultStore;
using testing::ManualClock;

constexpr std::chrono::milliseconds lease_time = 60s;

// Events as they come, and waiting for one.
class Journal {
 public:
  void operator()(const Event& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
    happened_.notify_all();
  }

  // Blocks until this kind has happened `count` times in all.
  Event wait_for(Event::Kind kind, int count = 1) {
    std::unique_lock lock(mutex_);
    const Event* found = nullptr;
    happened_.wait(lock, [&] {
      int seen = 0;
      for (const Event& event : events_) {
        if (event.kind == kind && ++seen == count) found = &event;
      }
      return found != nullptr;
    });
    return *found;
  }

  std::vector<Event::Kind> kinds() {
    const std::lock_guard lock(mutex_);
    std::vector<Event::Kind> kinds;
    for (const Event& event : events_) kinds.push_back(event.kind);
    return kinds;
  }

 private:
  std::mutex mutex_;
  std::condition_variable happened_;
  std::vector<Event> events_;
};

class LeaseTest : public ::testing::Test {
 protected:
  Generator generator(Options options = {}) {
    options.max_lease_time = lease_time;
    options.clock = clock;
    if (!options.on_event) {
      options.on_event = [this](const Event& event) { journal(event); };
    }
    return Generator(store, "test", options);
  }

  // Moves time in small steps until `done`, each when `waiters` threads have done what was due.
  void advance_until(const std::function<bool()>& done, std::size_t waiters = 1) {
    for (;;) {
      clock->await_waiters(waiters);
      if (done()) return;
      clock->advance(100ms);
    }
  }

  // The ID under another process's name.
  Grant grant_to_another(WorkerId worker_id) {
    for (;;) {
      const Grant grant = store->acquire({.cluster = "test",
                                          .configuration = configuration(),
                                          .token = Token::random(),
                                          .instance = {},
                                          .takeover = {},
                                          .owner = "another",
                                          .client = {}},
                                         1s);
      if (grant.worker_id == worker_id) return grant;
    }
  }

  // The ID that another process would get now, by the memory store alone; nothing if it gets none.
  std::optional<WorkerId> free_id() {
    const auto view = store->inspect("test", 1s);
    for (const LeaseView& lease : view->leases) {
      if (lease.state == LeaseState::free) return lease.worker_id;
    }
    return std::nullopt;
  }

  static Configuration configuration() {
    Options options;
    options.max_worker_id = 1;
    options.max_lease_time = lease_time;
    return options.configuration();
  }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<FaultStore> store = std::make_shared<FaultStore>(open_memory_store(clock));
  Journal journal;
};

TEST_F(LeaseTest, IsHeldAndSaysWhatItHas) {
  Generator test = generator({.max_worker_id = 1});
  const Lease lease = test.lease();
  EXPECT_TRUE(lease.held());
  EXPECT_EQ(lease.state(), Lease::State::held);
  EXPECT_EQ(lease.worker_id(), 1);
  EXPECT_GT(lease.epoch(), 0U);
  EXPECT_FALSE(lease.token().empty());
  EXPECT_EQ(lease.valid_until(), clock->now().boot + lease_time);
  EXPECT_LT(lease.reserved_timestamps().first_ms, lease.reserved_timestamps().last_ms);
  EXPECT_FALSE(lease.lost().stop_requested());
  EXPECT_FALSE(lease.loss());
  const Event granted = journal.wait_for(Event::Kind::granted);
  EXPECT_EQ(granted.cluster, "test");
  EXPECT_EQ(granted.worker_id, 1);
  EXPECT_EQ(granted.epoch, lease.epoch());
}

TEST_F(LeaseTest, RenewsItself) {
  Generator test = generator();
  const Lease lease = test.lease();
  const std::uint64_t epoch = lease.epoch();
  for (int renewals = 1; renewals <= 10; ++renewals) {
    advance_until([&] { return store->count("renew") >= renewals; });
    journal.wait_for(Event::Kind::renewed, renewals);
    EXPECT_TRUE(lease.held());
  }
  EXPECT_EQ(lease.epoch(), epoch);
  EXPECT_GT(lease.valid_until(), clock->now().boot + lease_time / 2);
}

TEST_F(LeaseTest, EndsByTimeAloneWhenTheStoreIsSilent) {  // G2
  Generator test = generator();
  const Lease lease = test.lease();
  store->always(Fault::request_lost);
  clock->advance(lease_time - 1ms);
  EXPECT_TRUE(lease.held());
  EXPECT_EQ(lease.worker_id(), 1);
  clock->advance(1ms);
  EXPECT_FALSE(lease.held()) << "at once, whatever the keeper's thread does";
  EXPECT_EQ(lease.state(), Lease::State::suspended);
  try {
    static_cast<void>(lease.worker_id());
    FAIL() << "it must not give the ID away";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_code(), ErrorCode::token_expired);
    EXPECT_NE(std::string{error.what()}.find("worker ID 1 of cluster \"test\" is not held"),
              std::string::npos);
  }
  journal.wait_for(Event::Kind::suspended);
  EXPECT_FALSE(lease.lost().stop_requested());
  store->always(Fault::none);
}

TEST_F(LeaseTest, ResumesWithItsIdUnderANewEpochWhenTheStoreIsBack) {
  Generator test = generator();
  const Lease lease = test.lease();
  const std::uint64_t epoch = lease.epoch();
  const TimestampRange reserved = lease.reserved_timestamps();
  store->always(Fault::unavailable);
  clock->advance(lease_time * 10);  // longer than lease and reuse delay
  journal.wait_for(Event::Kind::suspended);
  EXPECT_FALSE(lease.held());
  store->always(Fault::none);
  advance_until([&] { return lease.held(); });
  EXPECT_EQ(lease.worker_id(), 1);
  EXPECT_GT(lease.epoch(), epoch);                                    // G4
  EXPECT_GT(lease.reserved_timestamps().first_ms, reserved.last_ms);  // G8
  EXPECT_EQ(journal.wait_for(Event::Kind::resumed).epoch, lease.epoch());
}

TEST_F(LeaseTest, IsLostForGoodWhenSomebodyElseGotTheId) {  // G1, G3
  Generator test = generator({.max_worker_id = 1});
  const Lease lease = test.lease();
  store->always(Fault::request_lost);
  clock->advance(lease_time * 3 / 2);  // lease and reuse delay
  journal.wait_for(Event::Kind::suspended);
  // It is told before the first attempt to resume, which must be lost as well.
  while (store->count("renew") == 0) std::this_thread::yield();
  store->always(Fault::none);
  std::atomic<bool> told = false;
  const std::stop_callback tell(lease.lost(), [&] { told = true; });
  const Grant other = grant_to_another(1);
  advance_until([&] { return told.load(); });
  EXPECT_TRUE(lease.lost().stop_requested());
  EXPECT_EQ(lease.state(), Lease::State::lost);
  EXPECT_EQ(lease.loss()->error_code(), ErrorCode::token_mismatch);
  EXPECT_EQ(journal.wait_for(Event::Kind::lost).error->error_code(), ErrorCode::token_mismatch);
  EXPECT_THROW(static_cast<void>(lease.worker_id()), Error);
  EXPECT_GT(other.epoch, lease.epoch());
}

TEST_F(LeaseTest, AnEvictedHolderIsLostAtItsNextRenewal) {  // G1
  Generator test = generator({.max_worker_id = 1});
  const Lease lease = test.lease();
  clock->await_waiters(1);
  const BootTime valid_until = lease.valid_until();
  const auto kept = store->evict({"test", 1, lease.epoch(), {}}, 1s);
  EXPECT_GE(clock->now().boot + kept, valid_until) << "it may believe in its lease so long";
  EXPECT_TRUE(lease.held()) << "it has not heard of it";
  std::atomic<bool> told = false;
  const std::stop_callback tell(lease.lost(), [&] { told = true; });
  advance_until([&] {
    EXPECT_EQ(free_id(), std::nullopt);
    return told.load();
  });
  EXPECT_LT(clock->now().boot, valid_until) << "it is told by a renewal, not by time";
  EXPECT_EQ(lease.state(), Lease::State::lost);
  EXPECT_EQ(lease.loss()->error_code(), ErrorCode::not_assigned);
  EXPECT_NE(std::string{lease.loss()->what()}.find("evicted"), std::string::npos);
}

TEST_F(LeaseTest, AnEvictedIdIsNobodysWhileItsHolderMayBelieve) {  // G1
  Generator test = generator({.max_worker_id = 1});
  const Lease lease = test.lease();
  clock->await_waiters(1);
  store->always(Fault::request_lost);  // it cannot be told
  store->evict({"test", 1, lease.epoch(), {}}, 1s);
  advance_until([&] {
    if (!lease.held()) return true;
    EXPECT_EQ(free_id(), std::nullopt);
    return false;
  });
  const BootTime not_before = clock->now().boot + lease_time / 2 - 100ms;  // the reuse delay
  advance_until([&] { return free_id() == 1; });
  EXPECT_GE(clock->now().boot, not_before);
  EXPECT_FALSE(lease.held());
  store->always(Fault::none);
}

TEST_F(LeaseTest, AHolderOutsideTheRangeGoesOnUntilItLapses) {  // G12
  Generator test = generator({.max_worker_id = 2});
  const Lease first = test.lease();
  const Lease second = test.lease();
  ASSERT_EQ(second.worker_id(), 2);
  store->resize({"test", 1, 1, {}}, 1s);
  journal.wait_for(Event::Kind::granted, 2);
  advance_until([&] { return store->count("renew") >= 4; });
  EXPECT_TRUE(second.held());
  EXPECT_THROW(test.lease(0ms), Error) << "it asks for the former range";
  store->always(Fault::unavailable);
  advance_until([&] { return !first.held() && !second.held(); });
  store->always(Fault::none);
  advance_until([&] { return first.held() && second.lost().stop_requested(); });
  EXPECT_EQ(second.loss()->error_code(), ErrorCode::invalid_worker_id);
}

TEST_F(LeaseTest, AForwardStepOfTheWallClockSuspendsForOneRenewal) {  // F19
  Generator test = generator();
  const Lease lease = test.lease();
  std::promise<void> resuming;
  std::promise<void> go_on;
  store->before([&](const std::string& verb) {
    if (verb == "renew") {
      resuming.set_value();
      go_on.get_future().wait();
    }
  });
  clock->await_waiters(1);
  clock->step_wall(1h);
  EXPECT_FALSE(lease.held());
  clock->advance(lease_time / 12);
  resuming.get_future().wait();
  EXPECT_FALSE(lease.held());
  go_on.set_value();
  journal.wait_for(Event::Kind::resumed);
  EXPECT_TRUE(lease.held());
}

TEST_F(LeaseTest, EarlyWarningComesBeforeTheLossOfValidity) {
  Generator test = generator();
  const Lease lease = test.lease();
  store->always(Fault::unavailable);
  advance_until([&] { return !lease.held(); });
  journal.wait_for(Event::Kind::suspended);
  const std::vector<Event::Kind> kinds = journal.kinds();
  const auto warning = std::find(kinds.begin(), kinds.end(), Event::Kind::early_warning);
  const auto suspended = std::find(kinds.begin(), kinds.end(), Event::Kind::suspended);
  EXPECT_LT(warning, suspended);
  store->always(Fault::none);
}

TEST_F(LeaseTest, ReleaseGivesTheIdBackAfterTheCoolDown) {
  Generator test = generator({.max_worker_id = 1});
  Lease lease = test.lease();
  bool held_when_sent = true;
  store->before([&](const std::string& verb) {
    if (verb == "release") held_when_sent = lease.held();
  });
  lease.release();
  EXPECT_FALSE(held_when_sent);  // mutant: release before the local stop
  EXPECT_EQ(lease.state(), Lease::State::released);
  EXPECT_THROW(static_cast<void>(lease.worker_id()), Error);
  EXPECT_EQ(store->count("release"), 1);
  lease.release();
  EXPECT_EQ(store->count("release"), 1) << "the second one has nothing to do";
  clock->advance(1s);
  EXPECT_EQ(test.lease(0ms).worker_id(), 1);
  journal.wait_for(Event::Kind::released);
}

TEST_F(LeaseTest, ReleaseGivesTimestampsBackThatNobodyAskedFor) {
  Generator test = generator({.max_worker_id = 1});
  const auto first_ms_after = [&](auto use) {
    Lease lease = test.lease();
    const std::int64_t last_ms = test.inspect().leases.at(0).reserved.last_ms;
    use(lease);
    lease.release();
    clock->advance(1s);
    const Lease next = test.lease(0ms);
    return std::pair{next.reserved_timestamps().first_ms, last_ms};
  };
  const auto [unused, end_ms] = first_ms_after([](const Lease&) {});
  EXPECT_LE(unused, end_ms);
  clock->advance(1h);
  const auto [asked, asked_end_ms] =
      first_ms_after([](const Lease& lease) { static_cast<void>(lease.reserved_timestamps()); });
  EXPECT_GT(asked, asked_end_ms);
  clock->advance(1h);
  const auto [known, known_end_ms] =
      first_ms_after([](const Lease& lease) { static_cast<void>(lease.token()); });
  EXPECT_GT(known, known_end_ms);
}

TEST_F(LeaseTest, TimestampsThatWereGivenBackAreToldToNobody) {
  Generator test = generator({.max_worker_id = 2});
  Lease unasked = test.lease();
  Lease asked = test.lease();
  const TimestampRange range = asked.reserved_timestamps();
  unasked.release();
  asked.release();
  EXPECT_EQ(unasked.reserved_timestamps(), TimestampRange{});
  EXPECT_EQ(asked.reserved_timestamps(), range);
}

// As one that lost a resumption does: the lease then has its earlier range.
class RefusesTimestamps final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

 private:
  void do_release(const ReleaseRequest& request, std::chrono::milliseconds timeout) override {
    if (request.last_timestamp_ms) throw Error(ErrorCode::invalid_argument, "above the range");
    next().release(request, timeout);
  }
};

TEST_F(LeaseTest, ReleaseIsRepeatedWhereTheStoreHasAnEarlierRange) {
  Generator test{std::make_shared<RefusesTimestamps>(store), "jobs", {.clock = clock}};
  Lease lease = test.lease();
  auto done = std::async(std::launch::async, [&] { lease.release(); });
  clock->await_waiters(2);  // the keeper, and who releases
  clock->advance(100ms);    // as long as it waits after a first failure at the most
  EXPECT_NO_THROW(done.get());
  clock->advance(1s);
  EXPECT_EQ(test.inspect().leases.at(0).state, LeaseState::free);
}

TEST_F(LeaseTest, TheDestructorReleases) {
  Generator test = generator({.max_worker_id = 1});
  { const Lease lease = test.lease(); }
  EXPECT_EQ(store->count("release"), 1);
  EXPECT_EQ(test.inspect().leases.at(0).state, LeaseState::cooling_down);
}

TEST_F(LeaseTest, AbandonTellsNobody) {
  Generator test = generator({.max_worker_id = 1});
  {
    Lease lease = test.lease();
    lease.abandon();
    EXPECT_EQ(lease.state(), Lease::State::abandoned);
    EXPECT_FALSE(lease.held());
  }
  EXPECT_EQ(store->count("release"), 0);
  EXPECT_EQ(test.inspect().leases.at(0).state, LeaseState::leased);
  journal.wait_for(Event::Kind::abandoned);
}

TEST_F(LeaseTest, AReleaseThatIsNotHeardIsAnErrorAndStillStops) {  // G10
  Generator test = generator();
  Lease lease = test.lease();
  store->always(Fault::unavailable);
  auto done = std::async(std::launch::async, [&] { lease.release(); });
  while (done.wait_for(0s) != std::future_status::ready) clock->advance(10ms);
  try {
    done.get();
    FAIL() << "the store did not hear of it";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_code(), ErrorCode::unavailable);
  }
  EXPECT_GE(store->count("release"), 1);
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.state(), Lease::State::released);
}

TEST_F(LeaseTest, MovesAndLeavesAnEmptyOneBehind) {
  Generator test = generator();
  Lease first = test.lease();
  const WorkerId id = first.worker_id();
  Lease second = std::move(first);
  EXPECT_EQ(second.worker_id(), id);
  EXPECT_EQ(first.state(), Lease::State::empty);  // NOLINT(bugprone-use-after-move)
  EXPECT_FALSE(first.held());
  EXPECT_THROW(static_cast<void>(first.worker_id()), Error);
  EXPECT_EQ(first.epoch(), 0U);
  EXPECT_TRUE(first.token().empty());
  EXPECT_FALSE(first.loss());
  EXPECT_FALSE(first.lost().stop_possible());
  first.release();
  first.abandon();
  EXPECT_EQ(store->count("release"), 0);

  Lease third = test.lease();
  third = std::move(second);  // gives its own one back
  EXPECT_EQ(store->count("release"), 1);
  EXPECT_EQ(third.worker_id(), id);
}

TEST_F(LeaseTest, OutlivesItsGenerator) {
  std::optional<Generator> test(generator());
  const Lease lease = test->lease();
  test.reset();
  advance_until([&] { return store->count("renew") >= 3; });
  journal.wait_for(Event::Kind::renewed, 3);
  EXPECT_TRUE(lease.held());
}

TEST_F(LeaseTest, OneThreadKeepsManyLeases) {
  Generator test = generator();
  std::vector<Lease> leases;
  for (int count = 0; count < 200; ++count) leases.push_back(test.lease());
  advance_until([&] { return store->count("renew") >= 1000; });
  journal.wait_for(Event::Kind::renewed, 1000);
  std::map<WorkerId, int> holders;
  for (const Lease& lease : leases) ++holders[lease.worker_id()];
  EXPECT_EQ(holders.size(), leases.size());
}

// Counts the requests for renewals, and the renewals in them.
class CountsRenewals final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  std::atomic<int> requests = 0;
  std::atomic<int> renewals = 0;

 private:
  Grant do_renew(const RenewRequest& request, std::chrono::milliseconds timeout) override {
    ++requests;
    ++renewals;
    return next().renew(request, timeout);
  }
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> all,
                                        std::chrono::milliseconds timeout) override {
    ++requests;
    renewals += static_cast<int>(all.size());
    return next().renew_all(all, timeout);
  }
};

TEST_F(LeaseTest, RenewalsThatAreDueTogetherGoOutTogether) {
  const auto counting = std::make_shared<CountsRenewals>(store);
  Options options{.max_lease_time = lease_time};
  options.clock = clock;
  Generator test(counting, "test", options);
  std::vector<Lease> leases;
  for (int count = 0; count < 600; ++count) leases.push_back(test.lease());
  clock->await_waiters(1);
  clock->advance(lease_time / 2);  // later than a third of it and the jitter
  clock->await_waiters(1);
  EXPECT_EQ(counting->renewals, 600);
  EXPECT_EQ(counting->requests, 3) << "of 256 renewals at the most";
  for (const Lease& lease : leases) EXPECT_GT(lease.valid_until(), clock->now().boot + 59s);
}

TEST_F(LeaseTest, ARenewalThatFailsAmongOthersIsRepeatedAlone) {
  const auto counting = std::make_shared<CountsRenewals>(store);
  Options options{.max_lease_time = lease_time};
  options.clock = clock;
  Generator test(counting, "test", options);
  std::vector<Lease> leases;
  for (int count = 0; count < 10; ++count) leases.push_back(test.lease());
  store->schedule({Fault::none, Fault::unavailable, Fault::none, Fault::reply_lost});
  clock->await_waiters(1);
  clock->advance(lease_time / 2);
  clock->await_waiters(1);
  EXPECT_EQ(counting->renewals, 10);
  EXPECT_EQ(counting->requests, 1);
  advance_until([&] { return counting->renewals >= 12; });
  clock->await_waiters(1);
  for (const Lease& lease : leases) EXPECT_GT(lease.valid_until(), clock->now().boot + 50s);
}

TEST_F(LeaseTest, ACallbackThatBlocksDelaysNoRenewal) {  // F14
  std::promise<void> unblock;
  std::shared_future<void> unblocked = unblock.get_future().share();
  {
    Generator test = generator({.on_event = [unblocked](const Event&) { unblocked.wait(); }});
    const Lease lease = test.lease();
    advance_until([&] { return store->count("renew") >= 5; });
    EXPECT_TRUE(lease.held());
    unblock.set_value();
  }
}

TEST_F(LeaseTest, ACallbackMayThrowAndEndTheLease) {  // F14
  std::promise<void> ended;
  std::optional<Lease> lease;
  std::promise<void> assigned;
  Generator test = generator({.on_event = [&](const Event& event) {
    if (event.kind == Event::Kind::granted) {
      assigned.get_future().wait();
      lease.reset();
      ended.set_value();
    }
    throw std::runtime_error("swallowed");
  }});
  lease.emplace(test.lease());
  assigned.set_value();
  ended.get_future().wait();
  EXPECT_EQ(store->count("release"), 1);
}

TEST_F(LeaseTest, ALossCallbackMayEndTheLeaseAndItsGenerator) {
  std::optional<Generator> test(generator({.max_worker_id = 1}));
  std::optional<Lease> lease(test->lease());
  test.reset();  // the lease is the last to hold the keeper
  std::promise<void> ended;
  const std::stop_callback end(lease->lost(), [&] {
    lease.reset();
    ended.set_value();
  });
  store->always(Fault::request_lost);
  clock->advance(lease_time * 3 / 2);
  journal.wait_for(Event::Kind::suspended);
  // It is told before the first attempt to resume, which must be lost as well.
  while (store->count("renew") == 0) std::this_thread::yield();
  store->always(Fault::none);
  grant_to_another(1);
  auto done = ended.get_future();
  while (done.wait_for(0s) != std::future_status::ready) clock->advance(10ms);
}

// The first renewal that a store is asked for, kept under way for as long as a test wants.
class FirstRenewal {
 public:
  void stop_at(FaultStore& store) {
    store.before([this](const std::string& verb) {
      if (verb == "renew" && first_.exchange(false)) {
        under_way_.set_value();
        go_on_.get_future().wait();
      }
    });
  }
  void wait_for_it() { under_way_.get_future().wait(); }
  void let_go_on() { go_on_.set_value(); }

 private:
  std::promise<void> under_way_;
  std::promise<void> go_on_;
  std::atomic<bool> first_ = true;
};

TEST_F(LeaseTest, ARenewalUnderWayDoesNotReviveAReleasedLease) {  // F16
  FirstRenewal renewal;  // outlives the generator, whose end waits for its thread
  Generator test = generator({.max_worker_id = 1});
  std::optional<Lease> lease(test.lease());
  renewal.stop_at(*store);
  clock->await_waiters(1);
  clock->advance(lease_time / 2);
  renewal.wait_for_it();
  lease->release();
  EXPECT_FALSE(lease->held());
  renewal.let_go_on();
  clock->advance(1s);
  const Lease next = test.lease(0ms);
  EXPECT_EQ(next.worker_id(), 1);
  EXPECT_FALSE(lease->held());
  EXPECT_EQ(lease->state(), Lease::State::released);
}

// Its end is nobody's loss.
TEST_F(LeaseTest, AnAnswerThatComesAfterTheEndIsIgnored) {  // G3
  for (const bool released : {false, true}) {
    FirstRenewal renewal;  // outlives the generator, whose end waits for its thread
    Generator test = generator();
    Lease lease = test.lease();
    renewal.stop_at(*store);
    clock->await_waiters(1);
    clock->advance(lease_time / 2);
    renewal.wait_for_it();
    if (released) {
      lease.release();
    } else {
      lease.abandon();
    }
    renewal.let_go_on();
    clock->await_waiters(1);  // the keeper has the answer
    EXPECT_FALSE(lease.lost().stop_requested());
    EXPECT_EQ(lease.state(), released ? Lease::State::released : Lease::State::abandoned);
    EXPECT_FALSE(lease.loss());
    store->before({});
  }
}

// Released between the store's word that it does not know the lease and what comes of it.
TEST_F(LeaseTest, AReleasedLeaseIsNotRegisteredAnew) {  // G7
  std::promise<void> asked;
  std::promise<void> forget;
  std::promise<void> other_asked;
  std::promise<void> go_on;
  std::atomic<int> renewals = 0;
  store->before([&](const std::string& verb) {
    if (verb != "renew") return;
    switch (++renewals) {
      case 1:
        asked.set_value();
        forget.get_future().wait();
        throw Error(ErrorCode::not_assigned, "it was never granted");
      case 2:
        other_asked.set_value();
        go_on.get_future().wait();
        break;
      default:
        break;
    }
  });
  Generator test = generator();
  Lease forgotten = test.lease();
  clock->await_waiters(1);
  clock->advance(5s);
  // Its renewal is due after 23 s at the earliest, when the first one's is under way, and 27 s at the
  // latest.
  const Lease other = test.lease();
  journal.wait_for(Event::Kind::granted, 2);
  clock->await_waiters(1);
  clock->advance(17s + 1ms);
  asked.get_future().wait();
  clock->advance(6s);
  forget.set_value();
  other_asked.get_future().wait();  // of the same step as the restoration, which comes next
  forgotten.release();
  go_on.set_value();
  clock->await_waiters(1);
  EXPECT_EQ(store->count("restore"), 0);
  EXPECT_TRUE(other.held());
}

TEST_F(LeaseTest, AReleaseWaitsForNoOtherLeasesRenewals) {  // G10
  FirstRenewal renewal;  // outlives the generator, whose end waits for its thread
  Generator test = generator();
  std::vector<Lease> leases;
  for (int count = 0; count < 5; ++count) leases.push_back(test.lease());
  renewal.stop_at(*store);
  clock->await_waiters(1);
  clock->advance(lease_time / 2);
  renewal.wait_for_it();
  leases[3].release();  // its renewal is under way among the others
  EXPECT_EQ(leases[3].state(), Lease::State::released);
  renewal.let_go_on();
  journal.wait_for(Event::Kind::renewed, 4);
  EXPECT_EQ(leases[3].state(), Lease::State::released);
  for (const std::size_t other : {0U, 1U, 2U, 4U}) EXPECT_TRUE(leases[other].held());
}

TEST_F(LeaseTest, AfterForkOnlyTheParentHoldsIt) {  // G11, F10
  Generator test = generator({.max_worker_id = 1});
  std::optional<Lease> lease(test.lease());
  const pid_t child = ::fork();
  if (child == 0) {
    int wrong = 0;
    if (lease->held()) wrong |= 1;
    if (lease->state() != Lease::State::forked) wrong |= 2;
    try {
      static_cast<void>(lease->worker_id());
      wrong |= 4;
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::not_assigned) wrong |= 8;
    }
    try {
      static_cast<void>(test.get_id());
      wrong |= 16;
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::invalid_argument) wrong |= 32;
    }
    lease->release();
    lease.reset();  // sends nothing and waits for no thread
    ::_exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(lease->held());
  EXPECT_EQ(test.inspect().leases.at(0).state, LeaseState::leased);
  advance_until([&] { return store->count("renew") >= 2; });
  EXPECT_TRUE(lease->held());
}

TEST_F(LeaseTest, ForkInTheMiddleOfARenewalDoesNotBlockTheChild) {  // F12
  Generator test = generator();
  std::optional<Lease> lease(test.lease());
  std::promise<void> renewing;
  std::promise<void> go_on;
  std::atomic<bool> first = true;
  store->before([&](const std::string& verb) {
    if (verb == "renew" && first.exchange(false)) {
      renewing.set_value();
      go_on.get_future().wait();
    }
  });
  clock->await_waiters(1);
  clock->advance(lease_time / 2);
  renewing.get_future().wait();
  const pid_t child = ::fork();
  if (child == 0) {
    const bool held = lease->held();
    lease.reset();
    { const Generator dropped(std::move(test)); }
    ::_exit(held ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  go_on.set_value();
  journal.wait_for(Event::Kind::renewed);
  EXPECT_TRUE(lease->held());
}

TEST_F(LeaseTest, AStoreThatThrowsSomethingElseDoesNotEndTheProcess) {
  Generator test = generator();
  const Lease lease = test.lease();
  store->before([](const std::string&) { throw std::logic_error("a store's own error"); });
  clock->advance(lease_time / 2);
  const Event failed = journal.wait_for(Event::Kind::renewal_failed);
  EXPECT_EQ(failed.error->error_code(), ErrorCode::outcome_unknown);
  EXPECT_NE(std::string{failed.error->what()}.find("a store's own error"), std::string::npos);
  EXPECT_TRUE(lease.held());
  store->before({});
}

}  // namespace
}  // namespace workerid
