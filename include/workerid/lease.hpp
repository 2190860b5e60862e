// SPDX-License-Identifier: MIT
//
// Lease: a worker ID that renews itself and knows whether it is still held.
#pragma once

#include <workerid/clock.hpp>
#include <workerid/error.hpp>
#include <workerid/store.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

namespace workerid {

namespace detail {
class LeaseControl;
class SnowflakeCore;
}  // namespace detail

/// The right to use one worker ID, renewed in the background by its Generator.
///
///     workerid::Lease lease = generator.lease();
///     while (work.next(lease.lost())) work.publish(lease.worker_id(), lease.epoch());
///
/// **Having the object does not mean holding the ID**: check before each use, watch `lost()`; where
/// a duplicate would destroy something, pass the epoch to whoever receives the work.
///
/// Validity is counted from before the request that was answered, on `CLOCK_BOOTTIME`, with the wall
/// clock as second witness (G2): `held()` turns false by time alone, also after SIGSTOP, suspension,
/// a partition or a dead store. While the store cannot be reached a lease is *suspended* and resumes
/// with its ID, under a new epoch, when the store answers; *lost* is final.
///
/// After fork(2) only the parent holds the lease (G11): in the child every accessor says so, nothing
/// is renewed, and the destructor does nothing.
///
/// Obtained from `Generator::lease()`, movable, ended by `release()`, `abandon()` or the destructor.
/// It may outlive its Generator. All const members are thread-safe and never block.
class Lease {
 public:
  enum class State {
    held,       ///< The ID may be used at this instant.
    suspended,  ///< Not now; it may come back.
    lost,       ///< Ended for good, not by us. `loss()` says why.
    released,   ///< Given back by `release()`.
    abandoned,  ///< Left to expire by `abandon()`.
    forked,     ///< This is a child's copy; the parent has the lease.
    empty,      ///< Moved from.
  };

  Lease(Lease&&) noexcept;
  /// Releases what this object had, like the destructor, and takes the other's lease.
  Lease& operator=(Lease&&) noexcept;
  /// Releases the lease if it is held or suspended. Never throws; blocks until the store answered,
  /// for a sixth of the lease time or 2 s at the most, whichever is less. A release that does not
  /// get through costs the others the rest of the lease and the reuse delay, never safety.
  /// The last of a Generator and its leases to end also waits for what their threads are doing: a
  /// renewal (a sixth of the lease time, 5 s at the most) or a call of `Options::on_event`.
  ~Lease();

  /// The worker ID.
  /// Errors: `token_expired` while suspended; `not_assigned` when lost, released, abandoned, forked
  /// or moved from.
  WorkerId worker_id() const;

  /// True if the ID is held at this instant: two clock reads.
  bool held() const noexcept;

  State state() const noexcept;

  /// The end of the present validity on the boot clock; renewals move it forward. The earliest
  /// representable time when the lease has ended.
  BootTime valid_until() const noexcept;

  /// The epoch of the present grant (G4): give it to whoever receives work from the holder, to
  /// refuse work from an earlier one. It grows when a lease resumes. 0 when moved from.
  std::uint64_t epoch() const noexcept;

  /// The token, a secret, for `Generator::renew` and `release` elsewhere. Empty when moved from. Who
  /// has it may learn of the reserved timestamps, so it counts as asking for them.
  Token token() const;

  /// The timestamps that are this holder's alone (G8). Renewals move the end forward. If nobody asked
  /// for them, `release()` gives them all back; if somebody did, all of them count as used, but for a
  /// `Snowflake`'s lease, of which those count that it used. 0 to 0 when moved from, and when asked for
  /// the first time after the lease ended or in a forked child.
  TimestampRange reserved_timestamps() const;

  /// Stopped when the lease is lost for good; not by suspension, release or abandonment. Callbacks
  /// on it run on the renewing thread, with all signals blocked: keep them short, and let them neither
  /// throw nor end the thread, which ends the process (std::stop_source).
  std::stop_token lost() const;

  /// Why the lease was lost; nothing while it is not.
  std::optional<Error> loss() const;

  /// Gives the ID back. The lease is no longer held when the request is sent; repeated within the
  /// destructor's bound if the store does not answer. An ID that was taken over comes free no sooner
  /// than it would have without (`Options::takeover`).
  /// Errors: `unavailable`, `outcome_unknown`, `denied` and the like if the store did not take it:
  /// the ID then comes free by expiring. Releasing a lease that has ended is no error.
  void release();

  /// Stops holding and renewing without telling the store: the ID comes free after the lease and
  /// the reuse delay. Never blocks.
  void abandon();

 private:
  friend class Generator;
  friend class detail::SnowflakeCore;
  explicit Lease(std::shared_ptr<detail::LeaseControl> control) noexcept;

  std::shared_ptr<detail::LeaseControl> control_;
};

/// The state's name as it stands in the enumeration. Never blocks.
std::string_view name(Lease::State state) noexcept;

}  // namespace workerid
