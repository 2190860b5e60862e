// SPDX-License-Identifier: MIT
//
// The rules of a record, pure: what may be granted, renewed and released, and what a record becomes.
// Every store written in C++ looks up the records that a decision needs, asks for the decision, and
// writes what it says, all inside one atomic step. `src/stores/memory` shows how little that is.
#pragma once

#include <workerid/store.hpp>

#include <optional>

namespace workerid::rules {

/// A store's clock, read inside the atomic step. `now` counts from anywhere but never goes back
/// and, between two of a lease's operations, never runs ahead of true time by more than a quarter
/// of the lease time (`Tolerance::store_step`); `wall` is the server's wall clock.
struct StoreTime {
  std::chrono::milliseconds now{};
  WallTime wall;
};

/// What a store keeps of a cluster beside its records.
struct Cluster {
  Configuration configuration;
  std::uint64_t last_epoch = 0;
  WorkerId next_fresh = 0;  ///< The lowest ID never granted; above the range when all were.
};

/// What a store keeps of a worker ID from its first grant on. Never deleted: a missing record then
/// means a lost one.
struct Record {
  WorkerId worker_id = 0;
  Token token{};  ///< Of the last grant, kept after a release so that repeating it is recognised.
  std::uint64_t epoch = 0;
  std::string instance{};
  std::string owner{};
  std::chrono::milliseconds lease_end{};  ///< On the store's clock.
  std::chrono::milliseconds free_at{};    ///< On the store's clock: when another may be granted.
  TimestampRange reserved{};
  bool released = false;

  friend bool operator==(const Record&, const Record&) = default;
};

/// The records that an acquisition depends on. All are looked up by the store, by an index each.
struct Candidates {
  std::optional<Record> same_token{};     ///< The record whose token is the request's.
  std::optional<Record> same_instance{};  ///< A record of the request's instance, if it names one.
  std::optional<Record> longest_free{};   ///< The smallest (free_at, worker_id) of all.
};

/// What to write, and what to answer.
struct Decision {
  Cluster cluster;
  Record record;
  Grant grant;
};

/// The cluster that the first acquisition with this configuration makes.
Cluster new_cluster(const Configuration& configuration);

/// Decides an acquisition (design, section 3: acquire, steps 2 to 6).
/// `cluster` is empty if the store has none of that name: the decision then makes it.
/// Errors: as `Store::acquire`. Pure.
Decision acquire(const std::optional<Cluster>& cluster, const AcquireRequest& request,
                 const Candidates& candidates, const StoreTime& time);

/// Decides a renewal of `record`, the one of the request's worker ID. Errors: as `Store::renew`.
/// Only the record changes, and the cluster's epoch when the lease resumes. Pure.
Decision renew(const std::optional<Cluster>& cluster, const RenewRequest& request,
               const std::optional<Record>& record, const StoreTime& time);

/// Decides a release of `record`, the one of the request's worker ID: what the record becomes, or
/// nothing if it was released before. Errors: as `Store::release`. Pure.
std::optional<Record> release(const std::optional<Cluster>& cluster, const ReleaseRequest& request,
                              const std::optional<Record>& record, const StoreTime& time);

/// What `inspect` shows of a record. Pure.
LeaseView view(const Record& record, const StoreTime& time);

/// How many IDs of a cluster's range were never granted. Pure.
WorkerId never_granted(const Cluster& cluster);

/// How far ahead of the store's wall clock a client's may be and still be believed when timestamps
/// are reserved; beyond it the store's own bounds the range, so that one client in the year 2100
/// does not reserve an ID until then.
inline constexpr std::chrono::seconds largest_clock_lead{60};

}  // namespace workerid::rules
