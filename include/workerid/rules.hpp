// SPDX-License-Identifier: MIT
//
// The rules of a record, pure: what may be granted, renewed and released, and what a record becomes.
// Every store written in C++ looks up the records that a decision needs, asks for the decision, and
// writes what it says, all inside one atomic step. `src/stores/memory` shows how little that is.
#pragma once

#include <workerid/store.hpp>

#include <optional>

namespace workerid::rules {

/// A store's clock, read inside the atomic step. `now` counts from anywhere, goes back by less than a
/// sixteenth of the lease time if at all (which delays, and shortens nothing) and, between two of a
/// lease's operations, never runs ahead of true time by more than a quarter of the lease time
/// (`Tolerance::store_step`); `wall` is the server's wall clock.
struct StoreTime {
  std::chrono::milliseconds now{};
  WallTime wall;
  /// `now` is the boot clock of the clients, too: all are on this machine.
  bool of_clients = false;
};

/// What a store knows of its own past, read inside the atomic step (G7). A store that cannot lose
/// what it acknowledged while a holder lives leaves both empty.
struct History {
  /// Another text after everything that may have lost acknowledged writes (A1).
  std::string incarnation{};
  /// How long ago it may have lost a cluster that it does not know; empty if it did not.
  std::optional<std::chrono::milliseconds> lost_ago{};
};

/// A clock for a store whose server has but a wall clock, kept with the cluster. A step of any size
/// advances it by a quarter of the lease time at most. The full time is credited where a boot clock,
/// which does not step, bears it out: the same machine's at the last operation and now.
struct LeaseClock {
  std::chrono::milliseconds now{};
  WallTime last_wall;
  std::string witness{};  ///< The machine whose boot clock is the witness; empty for none.
  BootTime witness_boot;
  WallTime latest_client;  ///< The latest time that a client showed: who shows less came late.

  /// Advances the clock, first thing in every operation, and returns what it shows; keep it also when
  /// the operation is refused, or a full cluster would not age. Mostly it is unchanged, and need not
  /// be written, when less than a sixteenth of the lease time passed: the next operation counts that
  /// again. `wall` is the server's. Pure.
  std::chrono::milliseconds advance(std::chrono::milliseconds lease_time, WallTime wall,
                                    const ClientTime& client);

  /// Counts on from `reading`, what advance() returned, without a witness; the rest is what advance()
  /// was given. For a decision that begins another incarnation: neither a witness of the time before nor
  /// this request, which may have been long on its way, may shorten the hold-back. Pure.
  void begin_anew(std::chrono::milliseconds reading, std::chrono::milliseconds lease_time,
                  WallTime wall, const ClientTime& client);

 private:
  void keep(std::chrono::milliseconds reading, std::chrono::milliseconds lease_time, WallTime wall,
            const ClientTime& client);
};

/// What a store keeps of a cluster beside its records.
struct Cluster {
  Configuration configuration;
  std::uint64_t last_epoch = 0;
  WorkerId next_fresh = 0;    ///< No ID below it was never granted; above the range when all were.
  WorkerId granted = 0;       ///< How many IDs have a record, also outside the range.
  std::string incarnation{};  ///< The store's when it was last compared (G7).
  /// When the incarnation began, as an epoch: what was granted since has a greater one, and what was
  /// granted before has not (A5).
  std::uint64_t incarnation_began = 0;
  std::chrono::milliseconds hold_back_until{};  ///< On the store's clock (G7).
  /// Timestamps up to here may have been reserved by grants that were lost.
  std::int64_t lost_timestamps_ms = 0;
  /// Somebody showed an epoch of it: it was used before, whatever the records say.
  bool proven = false;

  friend bool operator==(const Cluster&, const Cluster&) = default;
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
  /// `free_at` is never before it, whatever the holder does: the former one's, if that was taken over.
  std::chrono::milliseconds floor{};
  TimestampRange reserved{};
  bool released = false;

  friend bool operator==(const Record&, const Record&) = default;
};

/// The records that an acquisition depends on. All are looked up by the store, by an index each.
struct Candidates {
  std::optional<Record> same_token{};  ///< The record whose token is the request's.
  /// Of the request's instance: the record with the last of the tokens that a takeover names, or else
  /// the latest one.
  std::optional<Record> same_instance{};
  /// The smallest (free_at, worker_id) of the cluster's range; of all, if the store cannot resize.
  std::optional<Record> longest_free{};
  /// The lowest ID, from `Cluster::next_fresh` on, without a record: some may have been restored.
  /// One above the range stands for none.
  WorkerId fresh = -1;
};

/// What to write, and then what to answer.
struct Decision {
  Cluster cluster;
  std::optional<Record> record;  ///< Nothing if only the cluster changes.
  std::optional<Error> refusal{};

  /// The grant that the record is; throws the refusal if there is one. Call it when all is written.
  Grant answer() const;
};

/// The cluster that the first acquisition with this configuration makes.
Cluster new_cluster(const Configuration& configuration);

/// How long a cluster holds back after a loss: as long as it takes until every ID that was granted
/// before may be granted again, L + Q (safety: the lease and its margins). Pure.
std::chrono::milliseconds hold_back_time(const Configuration& configuration);

/// Decides an acquisition (design, section 3: acquire). `cluster` is empty if the store has none of
/// that name: the decision then makes it, and holds back if it may have been lost.
/// Errors: as `Store::acquire`; those that change nothing are thrown here. Pure.
Decision acquire(const std::optional<Cluster>& cluster, const AcquireRequest& request,
                 const Candidates& candidates, const StoreTime& time, const History& history = {});

/// Decides a renewal of `record`, the one of the request's worker ID. Errors: as `Store::renew`.
/// Needs `history` for other than `held` renewals only. Pure.
Decision renew(const std::optional<Cluster>& cluster, const RenewRequest& request,
               const std::optional<Record>& record, const StoreTime& time,
               const History& history = {});

/// Decides a restoration of `record`, the one of the request's worker ID (G7: R1 to R4).
/// Errors: as `Store::restore`. Pure.
Decision restore(const std::optional<Cluster>& cluster, const RestoreRequest& request,
                 const std::optional<Record>& record, const StoreTime& time,
                 const History& history = {});

/// Decides a release of `record`, the one of the request's worker ID: what the record becomes, or
/// nothing if it was released before. Errors: as `Store::release`. Pure.
std::optional<Record> release(const std::optional<Cluster>& cluster, const ReleaseRequest& request,
                              const std::optional<Record>& record, const StoreTime& time);

/// Decides a resize: what the cluster becomes. Its records stay, also those outside the range.
/// Errors: as `Store::resize`. Pure.
Cluster resize(const std::optional<Cluster>& cluster, const ResizeRequest& request);

/// Decides an eviction from `record`, the one of the request's worker ID: what the record becomes;
/// unchanged if it was released or evicted before. Errors: as `Store::evict`. Pure.
Record evict(const std::optional<Cluster>& cluster, const EvictRequest& request,
             const std::optional<Record>& record, const StoreTime& time);

/// What `inspect` shows of a record. Pure.
LeaseView view(const Record& record, const StoreTime& time);

/// What `inspect` shows of a cluster, its records apart. Pure.
ClusterView view(const Cluster& cluster, const StoreTime& time);

/// What who is refused for holding back is told where no lease of the cluster is known.
inline constexpr const char* fresh_advice =
    "; if nobody holds an ID of this cluster, as when it is used for the first time, say so: "
    "Options::fresh, or workerid --fresh";

/// How far ahead of the store's wall clock a client's may be and still be believed when timestamps
/// are reserved; beyond it the store's own bounds the range, so that one client in the year 2100
/// does not reserve an ID until then.
inline constexpr std::chrono::seconds largest_clock_lead{60};

}  // namespace workerid::rules
