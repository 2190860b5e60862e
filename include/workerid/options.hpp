// SPDX-License-Identifier: MIT
//
// What a Generator can be told.
#pragma once

#include <workerid/clock.hpp>
#include <workerid/error.hpp>
#include <workerid/store.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace workerid {

/// Something that happened to a lease, for logs and metrics.
struct Event {
  enum class Kind {
    granted,         ///< Obtained for the first time.
    renewed,         ///< Extended; `latency` says how long the store took.
    renewal_failed,  ///< One attempt failed; `error` says why. More follow by themselves.
    early_warning,   ///< Half of the validity is gone without an answer.
    suspended,       ///< Not held now, by time alone; comes back when the store answers.
    resumed,         ///< Held again, under a new epoch.
    restored,        ///< The store had forgotten the lease; it was registered anew (G7).
    lost,            ///< Ended for good: somebody else has the ID, or it was taken away.
    released,        ///< Given back.
    abandoned,       ///< Left to expire.
  };

  Kind kind;
  std::string cluster;
  WorkerId worker_id;
  std::uint64_t epoch;
  std::chrono::nanoseconds latency{};  ///< Of the store's answer; 0 where none is involved.
  std::optional<Error> error;          ///< For `renewal_failed` and `lost`.
};

/// The kind's name as it stands in the enumeration. Never blocks.
std::string_view name(Event::Kind kind) noexcept;

/// What a configuration bears without ever giving one ID to two processes at once.
struct Tolerance {
  /// How much faster or slower than true time any clock may run, in millionths. 111,000 (11.1 %)
  /// with the default ratios: more than the fastest slew of chrony (10 %).
  std::int64_t clock_rate_ppm;
  /// How far one step of the store's wall clock can carry its lease clock: steps of any size count
  /// as at most this (a quarter of the lease time).
  std::chrono::milliseconds store_step;
};

/// Options of a Generator, an aggregate: `{.max_worker_id = 32, .max_lease_time = 30s}`.
/// All values are checked when the Generator is made; none is changed silently.
struct Options {
  /// The range of worker IDs, both ends included: 0 to `largest_worker_id`. A wide range costs
  /// nothing: IDs never granted are not stored.
  WorkerId min_worker_id = 1;
  WorkerId max_worker_id = 1000;

  /// How long a lease lasts without being renewed: 2 s to 30 days. Short ones bring the IDs of
  /// crashed processes back sooner, long ones bear longer outages of the store.
  std::chrono::milliseconds max_lease_time = std::chrono::minutes{5};

  /// How long the ID of an expired lease is kept from everybody else. Default: half of
  /// `max_lease_time`. `tolerance()` says what a value bears; less than it takes to bear clocks that
  /// run 0.1 % off beside one step of the store's clock is refused.
  std::optional<std::chrono::milliseconds> reuse_delay = std::nullopt;

  /// How long a released ID is kept from everybody: 0 to 30 days. The default covers the skew of
  /// wall clocks under NTP, for those who derive timestamps from them.
  std::chrono::milliseconds cool_down = std::chrono::seconds{1};

  /// A stable name of this process (a pod's name, a host and a slot): it prefers the ID it had
  /// before, when nobody holds it. Up to 200 bytes without control characters. It names one lease of
  /// a Generator; further ones, while that one lasts, go without it. A name is a wish, not a proof:
  /// two live processes of one name get two IDs.
  std::string instance = {};

  /// Says that the process which last had `instance` is certainly gone (a StatefulSet guarantees
  /// it), so that its ID may be resumed at once, even if its lease still runs. What is meant is the
  /// lease that the store has when the acquisition begins: a later one is left alone. A false claim
  /// gives one ID to the two processes of the name. Anybody else waits for that ID as long as without
  /// the claim. Prefer `identity_file`, which needs no claim. Needs `instance`.
  bool takeover = false;

  /// A small file on a local disk, made where missing and locked as long as the Generator or a
  /// Lease of it lives. Whoever gets the lock knows that the former process is gone and resumes its
  /// ID at once: a crash loop uses up no IDs. After a reboot, or in a copy, the former ID is a wish,
  /// as with `instance`. Not to be shared by processes that run at the same time. A symbolic link, and
  /// a file of another user than root, is refused (`denied`).
  std::filesystem::path identity_file = {};

  /// Says that nobody holds an ID of this cluster where the store does not know it: it is used for
  /// the first time, or its data were removed on purpose. Without it a store that may have lost the
  /// cluster grants nothing (`holding_back`) until every former lease is over: `max_lease_time` and
  /// `reuse_delay` after a Redis server started, was promoted, or was seen to lose it (G7). A false
  /// claim breaks the promise. Without effect once the cluster has granted or restored anything.
  bool fresh = false;

  /// Called for every event, on a thread of the Generator's own, one call at a time, without a
  /// lock: it may block, or end the lease. What it throws is swallowed; if it ends its thread
  /// (pthread_exit(3)), it is called no more. All signals are blocked there, and in what it starts.
  std::function<void(const Event&)> on_event = {};

  /// The time source; empty for the machine's (`boottime_clock()`).
  std::shared_ptr<Clock> clock = nullptr;

  /// Options for worker IDs of `bits` bits: 0 to 2^bits - 1, for 1 to 31 bits.
  /// Errors: `invalid_argument`.
  static Options worker_bits(int bits);

  /// The part that all processes of a cluster must agree on, the default of `reuse_delay` filled in.
  /// Unchecked.
  Configuration configuration() const;

  /// Checks every value, as a Generator does when it is made.
  /// Errors: `invalid_argument` with the value, the limit and the reason.
  void check() const;

  /// What this configuration bears. Errors: as `check`.
  Tolerance tolerance() const;
};

}  // namespace workerid
