// SPDX-License-Identifier: MIT
//
// Generator: gets worker IDs of one cluster from a store.
//
//     auto store = workerid::open_redis_store("redis://localhost:6379");
//     workerid::Generator generator{store, "mycluster", {.max_worker_id = 32}};
//     workerid::Lease lease = generator.lease();
#pragma once

#include <workerid/lease.hpp>
#include <workerid/options.hpp>
#include <workerid/store.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace workerid {

namespace detail {
class GeneratorCore;
}

/// A worker ID and the token that proves its ownership.
struct Assignment {
  WorkerId worker_id = 0;
  Token token;
};

/// Gets worker IDs of one cluster, in the explicit way (`get_id`, `renew`, `release`) or as leases
/// that renew themselves (`lease`).
///
/// Owns one thread for all its leases, from the first one on, and one for `Options::on_event` if it
/// is set; both block all signals, which stay the program's. Shares the store with whoever else has
/// it. Leases may outlive it, and keep its identity file locked. pthread_cancel(3) ends `get_id` and
/// `lease` where they wait, with nothing granted; every other call comes to its end first, as do those
/// of a Lease and a Store.
/// Thread-safe; made before fork(2) it serves the parent only (`invalid_argument` in the child: make
/// another there).
class Generator {
 public:
  /// How long `get_id` and `lease` wait by default for an ID that is about to come free.
  static constexpr std::chrono::milliseconds default_wait{2000};

  /// Touches neither the store nor the identity file.
  /// Errors: `invalid_argument` with the value, the limit and the reason.
  Generator(std::shared_ptr<Store> store, std::string cluster, Options options = {});
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;
  ~Generator();

  /// Gets a worker ID for the lease time. The caller renews it in time and must itself stop using it
  /// when the lease time, counted from before this call, is over; `lease()` does both. An ID that has
  /// the name of `Options::identity_file` is renewed and used only while this Generator lives: the
  /// file is locked that long, and then the next process takes the ID over.
  /// Waits up to `wait` (0 or more) while the store is unavailable or no ID is free; at once, if none
  /// can come free by then, it fails.
  /// Errors: `no_available_id` with the time of the next (G9); `configuration_mismatch` (G12);
  /// `holding_back`; `denied` if another live process has the identity file; those of every
  /// `Store` verb. After `outcome_unknown` an ID may stay taken until it expires.
  /// Blocks for `wait` and one attempt (a sixth of the lease time, 5 s at the most).
  Assignment get_id(std::chrono::milliseconds wait = default_wait);

  /// Extends the lease by the lease time, counted from before this call. Never revives one that has
  /// ended: this Generator remembers when its own leases ended, and does not ask the store about
  /// those. One that still runs is registered anew if the store forgot it (G7).
  /// Errors: `token_expired`, `token_mismatch`, `not_assigned`, `invalid_worker_id`, `invalid_token`
  /// (empty), `holding_back` for a lease that this Generator did not get (G7), and those of every
  /// `Store` verb. Blocks for one attempt, for two where the store forgot the lease.
  void renew(WorkerId worker_id, const Token& token);

  /// Gives the ID back; stop using it before. Repeating a successful release is no error. An ID that
  /// was taken over comes free no sooner than it would have without (`Options::takeover`).
  /// Errors: as `renew`. Blocks for one attempt.
  void release(WorkerId worker_id, const Token& token);

  /// Gets a worker ID that renews itself. Waits, fails and blocks like `get_id`; `unavailable`, before
  /// the store is asked, if no thread can be started.
  Lease lease(std::chrono::milliseconds wait = default_wait);

  /// The cluster as the store sees it; with this Generator's configuration and no leases if it was
  /// never used. Errors: those of every `Store` verb. Blocks for 5 s at the most.
  ClusterView inspect();

  /// How far the promises hold on this store as it is set up now (G13). Errors: those of every
  /// `Store` verb. Blocks for 5 s at the most.
  Guarantee guarantee();

  const std::string& cluster() const noexcept;

  /// The descriptor that keeps the identity file locked, -1 before the first acquisition or without
  /// one. It is closed on exec; a process that lets a program it starts use the ID clears that flag
  /// in the child (fcntl(2), FD_CLOEXEC), so that the lock lasts as long as the program.
  int identity_descriptor() const noexcept;

 private:
  std::shared_ptr<detail::GeneratorCore> core_;
};

}  // namespace workerid
