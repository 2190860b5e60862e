// SPDX-License-Identifier: MIT
//
// What a lease shows in the middle of what its keeper publishes. Threads that race hit those few
// instructions too seldom: here the processor stops after each one (the trap flag of x86-64).
#include <workerid/workerid.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <ucontext.h>
#include <utility>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// While it lives, `look` is called after each instruction of the thread that made it, wherever that
// is: it must take no lock and no memory. One at a time.
class SingleSteps {
 public:
  explicit SingleSteps(std::function<void()> look) {
    look_ = std::move(look);
    struct sigaction action {};
    action.sa_sigaction = &trapped;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGTRAP, &action, &former_action_);
    sigset_t trap;
    ::sigemptyset(&trap);
    ::sigaddset(&trap, SIGTRAP);
    ::pthread_sigmask(SIG_UNBLOCK, &trap, &former_mask_);
    on_ = true;
    ::raise(SIGTRAP);
  }
  ~SingleSteps() {
    on_ = false;  // the next trap is the last one
    ::pthread_sigmask(SIG_SETMASK, &former_mask_, nullptr);
    ::sigaction(SIGTRAP, &former_action_, nullptr);
  }
  SingleSteps(const SingleSteps&) = delete;
  SingleSteps& operator=(const SingleSteps&) = delete;

 private:
  static void trapped(int, siginfo_t*, void* context) {
    constexpr greg_t trap_flag = 0x100;
    greg_t& flags = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL];
    flags = on_ ? flags | trap_flag : flags & ~trap_flag;
    if (on_) look_();
  }

  static inline std::atomic<bool> on_ = false;
  static inline std::function<void()> look_;
  struct sigaction former_action_ {};
  sigset_t former_mask_{};
};

constexpr milliseconds lease_time = 60s;
constexpr milliseconds hour = 1h;

// Shows at once whatever time somebody waits for.
class LeapingClock final : public Clock {
 public:
  Moment now() const noexcept override {
    const milliseconds time{time_.load()};
    return {BootTime{time}, WallTime{time}};
  }
  void wait_until(Wakeup& wakeup, BootTime deadline) override {
    if (deadline == BootTime::max()) return wakeup.wait_for(24h);
    leap_to(std::chrono::ceil<milliseconds>(deadline.time_since_epoch()));
  }
  void leap_to(milliseconds time) { time_ = std::max(time_.load(), time.count()); }

 private:
  std::atomic<std::int64_t> time_ = hour.count();
};

// Lets every lease lapse when it is told to, and resumes it in the next hour. The number of the hour
// is the epoch, and the timestamps are those of the hour.
class HourlyStore final : public Store {
 public:
  explicit HourlyStore(std::shared_ptr<LeapingClock> clock) : clock_(std::move(clock)) {}

  std::string description() const override { return "hourly:"; }

  // The hour of the last grant.
  std::int64_t hour_granted() const { return granted_; }

  // Returns when the lease is resumed and its keeper asks for the next renewal. Takes no lock.
  void let_lapse_once() {
    const std::int64_t asked_before = ++allowed_;
    while (asked_ <= asked_before) ::sched_yield();
  }

  // On the keeper's thread: before the answer that resumes a lease, and at the next request.
  std::function<void()> resuming = [] {};
  std::function<void()> resumed = [] {};

 private:
  static Grant grant(std::int64_t number) {
    return {.worker_id = 1,
            .epoch = static_cast<std::uint64_t>(number),
            .reserved = {number * hour.count(), (number + 1) * hour.count() - 1},
            .lease_time = lease_time};
  }

  Grant do_acquire(const AcquireRequest&, milliseconds) override { return grant(granted_); }
  Grant do_renew(const RenewRequest& request, milliseconds) override {
    if (request.renewal == Renewal::resume) {
      const Grant answer = grant(++granted_);
      resuming();
      return answer;
    }
    resumed();
    ++asked_;
    while (allowed_ < asked_) ::sched_yield();
    clock_->leap_to((granted_ + 1) * hour);
    throw Error(ErrorCode::unavailable, "until the lease has lapsed");
  }
  Grant do_restore(const RestoreRequest&, milliseconds) override { return grant(granted_); }
  void do_release(const ReleaseRequest&, milliseconds) override {
    allowed_ = std::numeric_limits<std::int64_t>::max();
  }
  std::optional<ClusterView> do_inspect(const std::string&, milliseconds) override { return {}; }
  Guarantee do_guarantee(milliseconds) override { return {}; }

  const std::shared_ptr<LeapingClock> clock_;
  std::atomic<std::int64_t> granted_ = 1;
  std::atomic<std::int64_t> asked_ = 0;
  std::atomic<std::int64_t> allowed_ = 0;
};

// By their hours.
struct Seen {
  explicit Seen(const Lease& lease)
      : valid(std::chrono::floor<milliseconds>(lease.valid_until().time_since_epoch()) / hour),
        epoch(static_cast<std::int64_t>(lease.epoch())),
        range(lease.reserved_timestamps()),
        first(range.first_ms / hour.count()),
        last(range.last_ms / hour.count()) {}

  std::int64_t valid;
  std::int64_t epoch;
  TimestampRange range;
  std::int64_t first;
  std::int64_t last;
};

class Publication : public ::testing::Test {
 protected:
  Generator generator() {
    return Generator(store, "test", {.max_lease_time = lease_time, .clock = clock});
  }

  std::shared_ptr<LeapingClock> clock = std::make_shared<LeapingClock>();
  std::shared_ptr<HourlyStore> store = std::make_shared<HourlyStore>(clock);
};

TEST_F(Publication, WhoSeesTheNewValiditySeesTheNewEpochAndRange) {  // G4, G8
  struct {
    int looks = 0;
    int before = 0;
    int validity_first = 0;
    int end_first = 0;
  } found;
  std::optional<SingleSteps> steps;
  const Lease* shown = nullptr;
  store->resuming = [&] {
    steps.emplace([&] {
      const Seen seen(*shown);
      ++found.looks;
      if (seen.valid < store->hour_granted()) ++found.before;
      if (seen.valid > std::min({seen.epoch, seen.first, seen.last})) ++found.validity_first;
      if (seen.last > seen.first) ++found.end_first;
    });
  };
  store->resumed = [&] { steps.reset(); };

  Generator test = generator();
  const Lease lease = test.lease();
  static_cast<void>(lease.reserved_timestamps());  // from then on it is read without a lock
  shown = &lease;
  store->let_lapse_once();
  EXPECT_EQ(lease.epoch(), 2U);
  EXPECT_GT(found.before, 0);
  EXPECT_LT(found.before, found.looks);
  EXPECT_EQ(found.validity_first, 0) << "of " << found.looks << " looks";
  EXPECT_EQ(found.end_first, 0) << "of " << found.looks << " looks";
}

TEST_F(Publication, TheEndOfALaterRangeIsNotReadWithAnEarlierBeginning) {  // G8
  Generator test = generator();
  const Lease lease = test.lease();
  TimestampRange range = lease.reserved_timestamps();
  {
    const SingleSteps steps([this] { store->let_lapse_once(); });
    range = lease.reserved_timestamps();
  }
  EXPECT_GT(store->hour_granted(), 10) << "one for each instruction";
  EXPECT_LE(range.last_ms / hour.count(), range.first_ms / hour.count());
}

}  // namespace
}  // namespace workerid::tests
