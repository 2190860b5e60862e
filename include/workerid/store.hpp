// SPDX-License-Identifier: MIT
//
// Store: where leases are recorded. Bring your own by deriving from `Store`; `rules.hpp` has the
// decisions, `testing/store_conformance.hpp` the proof that you got it right.
#pragma once

#include <workerid/clock.hpp>
#include <workerid/detail/fork_guard.hpp>
#include <workerid/error.hpp>
#include <workerid/token.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace workerid {

/// A worker ID: from 0 to `largest_worker_id`. Signed, so that a wrong sign is seen and refused.
using WorkerId = std::int64_t;
inline constexpr WorkerId largest_worker_id = 2'147'483'647;

/// No epoch is greater: the largest whole number that every store can count to. As microseconds
/// since 1970 it is the year 2255.
inline constexpr std::uint64_t largest_epoch = (std::uint64_t{1} << 53U) - 1;

/// What all processes of a cluster agree on (G12). The first acquisition records it in the store.
struct Configuration {
  WorkerId min_worker_id = 1;
  WorkerId max_worker_id = 1000;
  std::chrono::milliseconds lease_time{std::chrono::minutes{5}};
  std::chrono::milliseconds reuse_delay{std::chrono::seconds{150}};
  std::chrono::milliseconds cool_down{std::chrono::seconds{1}};

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// The client's clocks when it sent a request. A store uses `wall` to reserve timestamps, and
/// `boot` with `machine` as a witness of how much time really passed; never to decide expiry.
struct ClientTime {
  Moment moment;
  std::string machine;  ///< Names one run of one kernel's boot clock; empty if unknown.
};

/// Timestamps, both ends included, in milliseconds since 1970-01-01 UTC, that nobody else who is
/// ever granted this worker ID may use (G8).
struct TimestampRange {
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;

  friend bool operator==(const TimestampRange&, const TimestampRange&) = default;
};

/// What a holder was granted.
struct Grant {
  WorkerId worker_id = 0;
  std::uint64_t epoch = 0;  ///< Greater than that of every earlier grant of the cluster (G4).
  TimestampRange reserved;
  std::chrono::milliseconds lease_time{};  ///< Counted by the holder from before its request (G2).

  friend bool operator==(const Grant&, const Grant&) = default;
};

/// What an acquisition takes over before its time: the lease that its instance had last, if that is
/// one of those named here. Whoever names a lease knows that its holder is gone. A request that comes
/// late, twice, or from a copy names what is there no longer, and so takes nothing.
struct Takeover {
  static constexpr std::size_t most_tokens = 8;

  std::vector<Token> tokens{};  ///< Of such leases, `most_tokens` at most.
  std::uint64_t epoch = 0;      ///< Of such a lease; 0 for none.

  bool empty() const noexcept { return tokens.empty() && epoch == 0; }
};

struct AcquireRequest {
  std::string cluster;
  Configuration configuration{};
  Token token{};           ///< New for each acquisition, the same for each repetition of it (G5).
  std::string instance{};  ///< Stable name that prefers its former ID; empty for none.
  Takeover takeover{};     ///< Needs `instance`.
  std::string owner{};     ///< For people: host, process, start.
  /// Nobody holds an ID of the cluster, if the store does not know it: no need to hold back (G7).
  bool fresh = false;
  /// The greatest epoch that the acquirer was granted in this cluster, 0 for none. A store that does
  /// not know it went back (G7).
  std::uint64_t seen_epoch = 0;
  ClientTime client{};
};

/// How a renewal treats a lease that has ended.
enum class Renewal {
  strict,  ///< Extends only what has not ended by the store's clock: the explicit API.
  held,    ///< From a holder whose own validity still runs: extends as long as the token owns.
  resume,  ///< From a holder whose validity is over: a new grant of the same ID, if nobody got it.
};

struct RenewRequest {
  std::string cluster;
  WorkerId worker_id = 0;
  Token token{};
  Renewal renewal = Renewal::strict;
  ClientTime client{};
};

/// What one of several renewals came to: its grant, or the error that `renew` would have thrown.
using RenewAnswer = std::variant<Grant, Error>;

/// From a holder whose own validity still runs, but whose lease the store does not know (G7).
struct RestoreRequest {
  std::string cluster;
  Configuration configuration{};
  Token token{};
  Grant grant{};  ///< What the holder was granted last.
  std::string instance{};
  std::string owner{};
  ClientTime client{};
  /// When the holder's validity ends, on its boot clock: an answer that comes later is of no use.
  BootTime valid_until = BootTime::max();
};

struct ReleaseRequest {
  std::string cluster;
  WorkerId worker_id = 0;
  Token token{};
  bool strict = true;  ///< Refuse a lease that has ended, instead of shortening what is left of it.
  /// The last timestamp that the holder used of its range; the rest goes back. Without it the whole
  /// range counts as used.
  std::optional<std::int64_t> last_timestamp_ms{};
  ClientTime client{};
};

/// Another range for a cluster that is in use. See `Store::resize`.
struct ResizeRequest {
  std::string cluster;
  WorkerId min_worker_id = 1;
  WorkerId max_worker_id = 1000;
  ClientTime client{};
};

/// The end of a lease by somebody else than its holder. See `Store::evict`.
struct EvictRequest {
  std::string cluster;
  WorkerId worker_id = 0;
  /// Of the lease that is meant, as `inspect` shows it: a request that comes late, or twice, ends
  /// no later one.
  std::uint64_t epoch = 0;
  ClientTime client{};
};

/// Where a worker ID stands.
enum class LeaseState {
  leased,        ///< Held by its owner, or left by an owner that died within the lease.
  expired,       ///< The lease ended; kept from everybody else for the reuse delay.
  cooling_down,  ///< Released or evicted; kept from everybody until its time comes.
  free,          ///< May be granted.
};

/// The state's name as it stands in the enumeration. Never blocks.
std::string_view name(LeaseState state) noexcept;

/// One worker ID that was granted at least once, without its token.
struct LeaseView {
  WorkerId worker_id = 0;
  LeaseState state = LeaseState::free;
  std::uint64_t epoch = 0;
  std::string instance{};
  std::string owner{};
  std::chrono::milliseconds lease_left{};  ///< Until the lease ends; 0 if it has.
  std::chrono::milliseconds free_in{};     ///< Until another may get the ID; 0 if it may now.
  TimestampRange reserved;

  friend bool operator==(const LeaseView&, const LeaseView&) = default;
};

/// A cluster as its store sees it.
struct ClusterView {
  Configuration configuration{};
  std::uint64_t last_epoch = 0;
  WorkerId never_granted = 0;  ///< How many IDs of the range were never granted.
  std::chrono::milliseconds
      hold_back{};  ///< Nothing is granted for this long (G7); 0 if it may be.
  /// All that were granted, ascending by worker ID; of those outside the range, which a `resize`
  /// made smaller, the ones that are not free.
  std::vector<LeaseView> leases;

  /// How many of `leases` are in `state`.
  WorkerId count(LeaseState state) const noexcept;
};

/// How far a promise holds on a store as it is set up (G13).
enum class GuaranteeLevel {
  exact,        ///< As documented, under the assumptions A1 to A3.
  conditional,  ///< As long as what the reasons name is so.
  best_effort,  ///< The store can break the promise, in the ways that the reasons name.
};

/// The level's name as it stands in the enumeration. Never blocks.
std::string_view name(GuaranteeLevel level) noexcept;

/// What a store and its configuration give.
struct Guarantee {
  GuaranteeLevel exclusivity = GuaranteeLevel::best_effort;  ///< G1.
  GuaranteeLevel timestamps = GuaranteeLevel::best_effort;   ///< G8.
  std::vector<std::string> reasons{};  ///< Why, and what to change; each a sentence.
};

/// Records leases. Each verb is one atomic step, ends by its deadline, and may be repeated under
/// the same token (G5). The public functions check the contract on the way in and out, so a wrong
/// request never reaches a server and a wrong reply never reaches a holder; a store overrides the
/// private ones.
///
/// Errors that every verb may throw, beside its own: `unavailable` (nothing changed),
/// `outcome_unknown` (the request may have been applied; not of a verb that only reads), `denied`,
/// `corrupt_record` (also for an answer that makes no sense), `unsupported_server`, and
/// `invalid_argument` for a request that breaks the contract or an object that was made before
/// fork(2) (G11).
///
/// Every verb blocks until `timeout` at the most (G10). Thread-safe.
class Store {
 public:
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store();

  /// Grants a worker ID, by G6: the instance's former one, else one never granted, else the one
  /// that is free for the longest. Repeated with the same token it returns the same grant,
  /// refreshed.
  /// Errors: `no_available_id` with the time until one may come free; `configuration_mismatch`;
  /// `holding_back`; `invalid_token` if this token's lease was already released.
  Grant acquire(const AcquireRequest& request, std::chrono::milliseconds timeout);

  /// Extends the lease that `token` owns by the cluster's lease time, never shortens it.
  /// Errors: `invalid_worker_id`, `not_assigned`, `token_mismatch`, `token_expired` (`strict` only),
  /// `holding_back` (not for `held`).
  Grant renew(const RenewRequest& request, std::chrono::milliseconds timeout);

  /// Renews several leases, each as `renew` would, and answers them in the order of `requests`: in one
  /// step of the store or in several, each lease atomically. No request's failure touches another
  /// one. After a failure in the middle, those whose request was sent are answered
  /// `outcome_unknown` and the others `unavailable`. Several requests for one lease count in their
  /// order.
  /// Errors: `invalid_argument` for the time-out or after fork(2); every other one is an answer.
  /// Blocks until `timeout` at the most, for all of them together.
  std::vector<RenewAnswer> renew_all(std::span<const RenewRequest> requests,
                                     std::chrono::milliseconds timeout);

  /// Registers a lease anew that the store lost, while its holder's validity runs: the same worker
  /// ID, epoch and timestamps. Where nothing was lost it is a `held` renewal. A store that sees by it
  /// that something was lost holds back from now on (G7).
  /// Errors: `invalid_worker_id`, `not_assigned` (it was released), `token_mismatch` (it was granted
  /// to another after all, or restored by another under a later epoch), `token_expired` (the request
  /// came after `valid_until`, on a store that reads the same clock).
  Grant restore(const RestoreRequest& request, std::chrono::milliseconds timeout);

  /// Ends the lease that `token` owns; others may get the ID after the cool-down. Repeating a
  /// release is no error.
  /// Errors: `invalid_worker_id`, `not_assigned`, `token_mismatch`, `token_expired` (`strict` only).
  void release(const ReleaseRequest& request, std::chrono::milliseconds timeout);

  /// What is recorded of a cluster; nothing if it was never used. Its size is that of the IDs ever
  /// granted. A store may read a large cluster in parts, each of them consistent.
  std::optional<ClusterView> inspect(const std::string& cluster, std::chrono::milliseconds timeout);

  /// The latest lease of an instance; nothing if it had none, or its ID went to another since.
  std::optional<LeaseView> former_lease(const std::string& cluster, const std::string& instance,
                                        std::chrono::milliseconds timeout);

  /// The names of all clusters that were used, ascending. One that is used for the first time
  /// meanwhile may be missing. One that `check_cluster_name` refuses is damage in the store.
  /// Errors: `unsupported_server` if this store cannot tell.
  std::vector<std::string> clusters(std::chrono::milliseconds timeout);

  /// Gives a cluster another range, and returns its configuration: the times stay as they are. IDs
  /// that came into the range may be granted at once. Those outside it are granted and resumed no
  /// more, but whoever holds one renews and releases it as before, until it is released or lapses.
  /// From then on processes that ask for the former range are refused new grants
  /// (`configuration_mismatch`, G12). Repeating a resize is no error.
  /// Errors: `invalid_argument` if the store knows no cluster of this name; `unsupported_server` if
  /// it cannot.
  Configuration resize(const ResizeRequest& request, std::chrono::milliseconds timeout);

  /// Ends a lease whoever holds it, as if it had been released, except that the ID is kept from
  /// others for as long as without it: to the end of the lease, which its holder may believe in, and
  /// the reuse delay. The holder is refused its next renewal, with `not_assigned`. Returns how long
  /// others must wait for the ID. Repeating an eviction is no error while the ID is kept.
  /// Errors: `not_assigned` if the ID is free, or was granted under another epoch; `invalid_worker_id`
  /// outside the range; `unsupported_server` if this store cannot.
  std::chrono::milliseconds evict(const EvictRequest& request, std::chrono::milliseconds timeout);

  /// How far the promises hold on this store as it is set up now (G13). Asks the server, if there
  /// is one.
  Guarantee guarantee(std::chrono::milliseconds timeout);

  /// Names the store for people, without secrets: "redis://db:6379/0". Never blocks.
  virtual std::string description() const = 0;

 protected:
  Store() = default;

  /// True in a child made by fork(2): leave sockets, files and locks alone, they are the parent's.
  bool forked() const noexcept { return fork_guard_.forked(); }

 private:
  virtual Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) = 0;
  virtual Grant do_renew(const RenewRequest& request, std::chrono::milliseconds timeout) = 0;
  /// One answer for each request, in order. What it throws answers all of them. Default: `do_renew`
  /// for one after the other, until the time is over.
  virtual std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                                std::chrono::milliseconds timeout);
  virtual Grant do_restore(const RestoreRequest& request, std::chrono::milliseconds timeout) = 0;
  virtual void do_release(const ReleaseRequest& request, std::chrono::milliseconds timeout) = 0;
  virtual std::optional<ClusterView> do_inspect(const std::string& cluster,
                                                std::chrono::milliseconds timeout) = 0;
  virtual Guarantee do_guarantee(std::chrono::milliseconds timeout) = 0;
  /// Default: looks for it in what `do_inspect` gives.
  virtual std::optional<LeaseView> do_former_lease(const std::string& cluster,
                                                   const std::string& instance,
                                                   std::chrono::milliseconds timeout);
  /// Default of these three: `unsupported_server`.
  virtual std::vector<std::string> do_clusters(std::chrono::milliseconds timeout);
  virtual Configuration do_resize(const ResizeRequest& request, std::chrono::milliseconds timeout);
  virtual std::chrono::milliseconds do_evict(const EvictRequest& request,
                                             std::chrono::milliseconds timeout);

  void check_process() const;
  Error cannot(const std::string& what, const std::string& function) const;

  detail::ForkGuard fork_guard_;
};

/// Passes everything on to another store. Derive from it and override what you want to delay, log,
/// count or break; what you do to `do_renew` do to `do_renew_all` too, by which several leases of one
/// process are renewed. Thread-safe as far as `next` is.
class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(std::shared_ptr<Store> next);

  std::string description() const override { return next_->description(); }

 protected:
  Store& next() const noexcept { return *next_; }

 private:
  Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) override;
  Grant do_renew(const RenewRequest& request, std::chrono::milliseconds timeout) override;
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        std::chrono::milliseconds timeout) override;
  Grant do_restore(const RestoreRequest& request, std::chrono::milliseconds timeout) override;
  void do_release(const ReleaseRequest& request, std::chrono::milliseconds timeout) override;
  std::optional<ClusterView> do_inspect(const std::string& cluster,
                                        std::chrono::milliseconds timeout) override;
  Guarantee do_guarantee(std::chrono::milliseconds timeout) override;
  std::optional<LeaseView> do_former_lease(const std::string& cluster, const std::string& instance,
                                           std::chrono::milliseconds timeout) override;
  std::vector<std::string> do_clusters(std::chrono::milliseconds timeout) override;
  Configuration do_resize(const ResizeRequest& request, std::chrono::milliseconds timeout) override;
  std::chrono::milliseconds do_evict(const EvictRequest& request,
                                     std::chrono::milliseconds timeout) override;

  std::shared_ptr<Store> next_;
};

/// Checks a cluster's name: 1 to 100 letters, digits and `. _ - : /`.
/// Errors: `invalid_argument` with the name and the first character that is wrong.
void check_cluster_name(std::string_view cluster);

/// Checks that a configuration makes sense to a store: the range within 0 to `largest_worker_id`, the
/// lease time above 0, no delay below, none of them above 30 days. A Generator asks for more (`Options`).
/// Errors: `invalid_argument` with the value, the limit and the reason.
void check_configuration(const Configuration& configuration);

}  // namespace workerid
