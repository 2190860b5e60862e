// SPDX-License-Identifier: MIT
//
// The shell around the lease machine: one thread that renews all leases of a generator, and one
// that calls the user's event callback.
#pragma once

#include "lease_machine.hpp"
#include "owned_thread.hpp"

#include <workerid/detail/fork_guard.hpp>
#include <workerid/lease.hpp>
#include <workerid/options.hpp>
#include <workerid/store.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace workerid::detail {

// Keeps `object` for ever. For a child made by fork(2): what belongs to the parent's threads,
// locked mutexes among it, must neither be used nor destroyed there (G11).
void leave_to_parent(std::shared_ptr<void> object);

// Who sent a request and when; shared by all requests of a generator.
ClientTime client_time(const Moment& moment);

// Registers anew what `origin` was granted, by a holder whose validity is `validity`.
RestoreRequest restore_request(const AcquireRequest& origin, const Grant& grant,
                               const LeaseMachine::Validity& validity, const Moment& moment);

class Keeper;

// One lease: what its holder reads at every use, and the machine behind it.
class LeaseControl {
 public:
  // `origin` is what the lease was acquired with. `claim` is let go when it ends: see GeneratorCore.
  LeaseControl(Keeper& keeper, AcquireRequest origin, LeaseMachine machine,
               std::shared_ptr<void> claim);

  bool forked() const noexcept { return fork_guard_.forked(); }
  // Asked at every use: inline, and without a lock, an allocation or a write.
  bool held() const noexcept {
    const BootTime boot_deadline = boot_deadline_.load(std::memory_order_acquire);
    const WallTime wall_deadline = wall_deadline_.load(std::memory_order_acquire);
    const LeaseMachine::Validity validity{boot_deadline, wall_deadline};
    return !forked() && validity.covers(clock_->now());  // G1, G2, G11
  }
  Lease::State state() const noexcept;

  const std::string& cluster() const noexcept { return origin_.cluster; }
  // Whoever has the token can learn of the reserved timestamps by it.
  const Token& expose_token() {
    expose_timestamps();
    return origin_.token;
  }
  WorkerId worker_id() const noexcept { return worker_id_; }
  std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
  BootTime valid_until() const noexcept;
  // Never the end of a later range with the beginning of an earlier one: between the two others may
  // have had timestamps. The beginning is published first, so it is read last.
  TimestampRange reserved() const noexcept {
    const std::int64_t last_ms = last_timestamp_ms_.load(std::memory_order_acquire);
    return {first_timestamp_ms_.load(std::memory_order_acquire), last_ms};
  }
  // For whoever may use them: from then on a release cannot say that none was used. None where one has
  // said so, or where the keeper cannot be told, in a forked child. Takes the keeper's mutex once.
  TimestampRange expose_timestamps();
  std::stop_token lost() const noexcept { return lost_.get_token(); }
  std::optional<Error> loss() const;

  Keeper& keeper() const noexcept { return keeper_; }
  const std::shared_ptr<Clock>& clock() const noexcept { return clock_; }
  const Configuration& configuration() const noexcept { return origin_.configuration; }

  // What a generator of timestamps asks at every use: whether the lease is held, as the keeper knows it.
  // Not whether its time is over; that its timestamps are says the wall clock (G8).
  bool held_as_told() const noexcept {
    return !forked() && state_.load(std::memory_order_acquire) == LeaseMachine::State::held;
  }

 private:
  friend class Keeper;

  // Makes what the machine says visible to the holder.
  void publish();

  const ForkGuard fork_guard_;
  Keeper& keeper_;  // kept alive by the handle that Keeper::keep returns
  const std::shared_ptr<Clock> clock_;
  const AcquireRequest origin_;
  const WorkerId worker_id_;

  // Read at every use, without a lock.
  std::atomic<BootTime> boot_deadline_{BootTime::min()};
  std::atomic<WallTime> wall_deadline_{WallTime::min()};
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<std::int64_t> first_timestamp_ms_{0};
  std::atomic<std::int64_t> last_timestamp_ms_{0};
  std::atomic<LeaseMachine::State> state_{LeaseMachine::State::acquiring};
  std::stop_source lost_;

  // Guarded by the keeper's mutex.
  LeaseMachine machine_;
  std::shared_ptr<void> claim_;
  std::atomic<bool> timestamps_exposed_{false};  // read without the mutex, too
  // Its place in the keeper's schedule; none while a request is under way or when it has ended.
  std::optional<std::multimap<BootTime, std::shared_ptr<LeaseControl>>::iterator> place_;
  std::uint64_t outcomes_ = 0;     // of renewals: how many were answered or failed
  std::vector<Wakeup*> awaiting_;  // the next outcome, or the end
};

// Says that the lease, which may be none, is not held. Apart from the check, which it would make slower.
[[gnu::cold, gnu::noinline]] Error not_held(const LeaseControl* lease);

// Renews all leases of a generator. Thread-safe.
class Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  Keeper(std::shared_ptr<Store> store, std::shared_ptr<Clock> clock,
         std::function<void(const Event&)> on_event);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  const std::shared_ptr<Clock>& clock() const noexcept;

  // Starts the threads that a lease needs, while nothing is granted yet that would have to be given
  // back. Errors: `unavailable`.
  void start_threads();

  // Takes over a lease that was just acquired, after start_threads(). What is returned keeps this
  // object alive, which the keeper's own references do not: so its thread ends before its last user's
  // destructor returns.
  std::shared_ptr<LeaseControl> keep(AcquireRequest origin, LeaseMachine machine,
                                     std::shared_ptr<void> claim);

  // Ends a lease; release blocks until the store answered or the machine gives up, and returns why
  // it did. `last_timestamp_ms` is as in ReleaseRequest; without it, none was used if none was exposed.
  std::optional<Error> release(LeaseControl& lease,
                               std::optional<std::int64_t> last_timestamp_ms = std::nullopt);
  void abandon(LeaseControl& lease);

  // False if it ended before; then a release may have given them back.
  bool expose_timestamps(LeaseControl& lease);

  std::optional<Error> loss(const LeaseControl& lease) const;

  // How many renewals of a lease were answered or failed. Ask before you look at what they change.
  std::uint64_t outcomes(const LeaseControl& lease) const;

  // Has a lease renewed before its time, and blocks until more than `seen` renewals were answered or
  // failed, until `deadline` at the most. False, without blocking, if there is nothing to wait for: the
  // lease ended, or the last renewal failed and will be repeated in its time.
  bool renew_soon(LeaseControl& lease, std::uint64_t seen, BootTime deadline);

 private:
  // What the thread needs; it outlives the Keeper when the Keeper ends on its own thread.
  struct Shared;
  static void run(Shared& shared);

  std::shared_ptr<Shared> shared_;
  OwnedThread thread_;
};

}  // namespace workerid::detail
