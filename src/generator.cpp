// SPDX-License-Identifier: MIT
#include "cancellation.hpp"
#include "checks.hpp"
#include "identity.hpp"
#include "keeper.hpp"
#include "lease_machine.hpp"
#include "printable.hpp"

#include <workerid/generator.hpp>
#include <workerid/rules.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <variant>

namespace workerid::detail {

namespace {

using std::chrono::milliseconds;

// For people: host, process, start. Nobody can be refused for the name of the host.
std::string this_process() {
  std::array<char, 65> host{};  // HOST_NAME_MAX and its end
  ::gethostname(host.data(), host.size() - 1);
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> start{};
  std::strftime(start.data(), start.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return printable(host.data()) + "/" + std::to_string(::getpid()) + "/" + start.data();
}

// Before anything is computed from them.
Options checked(Options options) {
  options.check();
  return options;
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32U) | device();
}

}  // namespace

class GeneratorCore {
 public:
  GeneratorCore(std::shared_ptr<Store> store, std::string cluster, Options options)
      : store_(std::move(store)),
        cluster_(std::move(cluster)),
        options_(checked(std::move(options))),
        configuration_(options_.configuration()),
        clock_(options_.clock ? options_.clock : boottime_clock()),
        timing_(configuration_.lease_time),
        owner_(this_process()),
        keeper_(std::make_shared<Keeper>(store_, clock_, options_.on_event)),
        identity_(std::make_shared<Identity>(options_.identity_file)) {
    if (!store_) refuse("the store is empty");
    check_cluster_name(cluster_);
  }

  bool forked() const noexcept { return fork_guard_.forked(); }

  const std::string& cluster() const noexcept { return cluster_; }
  int identity_descriptor() const noexcept { return identity_->descriptor(); }

  Assignment get_id(milliseconds wait) {
    Acquired acquired = acquire(wait);
    const Grant& grant = acquired.machine.grant();
    const Token token = acquired.origin.token;
    or_give_back(grant, token, [&] {
      const std::lock_guard lock(mutex_);
      drop_ended(clock_->now());
      explicit_leases_[token] = {std::move(acquired.origin), grant, acquired.machine.validity(),
                                 std::move(acquired.claim)};
    });
    return {grant.worker_id, token};
  }

  std::shared_ptr<LeaseControl> lease(milliseconds wait) {
    check_process();
    keeper_->start_threads();
    Acquired acquired = acquire(wait);
    const Grant grant = acquired.machine.grant();
    const Token token = acquired.origin.token;
    return or_give_back(grant, token, [&] {
      return keeper_->keep(std::move(acquired.origin), std::move(acquired.machine),
                           std::move(acquired.claim));
    });
  }

  void renew(WorkerId worker_id, const Token& token);

  void release(WorkerId worker_id, const Token& token) {
    check_process();
    store_->release({.cluster = cluster_,
                     .worker_id = worker_id,
                     .token = token,
                     .strict = true,
                     .last_timestamp_ms = std::nullopt,
                     .client = client_time(clock_->now())},
                    timing_.attempt);
    const std::lock_guard lock(mutex_);
    explicit_leases_.erase(token);
    std::erase(ended_, token);
  }

  ClusterView inspect() {
    check_process();
    auto view = store_->inspect(cluster_, std::chrono::seconds{5});
    if (view) return *std::move(view);
    return rules::view(rules::new_cluster(configuration_), {});
  }

  Guarantee guarantee() {
    check_process();
    return store_->guarantee(std::chrono::seconds{5});
  }

 private:
  // The right to use this generator's instance name, held by the one lease that has it: another one
  // under the same name would take that one's ID over. Keeps the identity file locked, also for a
  // lease that outlives the generator.
  using Claim = std::shared_ptr<std::shared_ptr<Identity>>;

  struct Acquired {
    LeaseMachine machine;
    AcquireRequest origin;
    Claim claim;
  };

  // A lease that the caller renews. It is remembered while it is valid: who is valid may register it
  // anew with a store that forgot it (G7).
  struct ExplicitLease {
    AcquireRequest origin;
    Grant grant;
    LeaseMachine::Validity validity;
    Claim claim;
  };

  void check_process() const {
    if (forked()) {
      refuse("this generator was made before fork(); make another one in the child");  // G11
    }
  }

  // What fails between a grant and the caller gives the ID back: nobody else knows its token.
  template <typename Deliver>
  std::invoke_result_t<Deliver> or_give_back(const Grant& grant, const Token& token,
                                             Deliver deliver) {
    try {
      return deliver();
    } catch (...) {
      give_back(grant, token);
      throw;
    }
  }

  Acquired acquire(milliseconds wait);
  void give_back(const Grant& grant, const Token& token);
  void lock_identity(BootTime give_up, const CancellationHeldOff& held_off);
  Claim claim_name();
  AcquireRequest request_for(const Claim& claim);
  std::optional<ExplicitLease> remembered(const Token& token, const Moment& now);
  void remember(const Token& token, ExplicitLease lease);
  void drop_ended(const Moment& now);
  void check_not_ended(const Token& token) const;
  Error ended() const;

  const ForkGuard fork_guard_;
  const std::shared_ptr<Store> store_;
  const std::string cluster_;
  const Options options_;
  const Configuration configuration_;
  const std::shared_ptr<Clock> clock_;
  const Timing timing_;
  const std::string owner_;
  const std::shared_ptr<Keeper> keeper_;

  std::mutex mutex_;
  const std::shared_ptr<Identity> identity_;
  std::weak_ptr<std::shared_ptr<Identity>> name_claim_;
  std::map<Token, ExplicitLease> explicit_leases_;
  std::deque<Token> ended_;  // explicit leases that ended by this process's clock: renewed no more
  std::uint64_t seen_epoch_ = 0;
};

// A cancellation comes while it waits, when nothing is granted; or after it, to the caller.
GeneratorCore::Acquired GeneratorCore::acquire(milliseconds wait) {
  const CancellationHeldOff held_off;
  check_process();
  if (wait < milliseconds::zero()) {
    refuse("the time to wait is " + std::to_string(wait.count()) + " ms; it must not be below 0");
  }
  const Moment start = clock_->now();
  lock_identity(start.boot + wait, held_off);

  const Claim claim = claim_name();
  AcquireRequest request = request_for(claim);
  bool looks = claim && options_.takeover;  // for what it takes over, once
  LeaseMachine machine(configuration_.lease_time, random_seed(), start, wait);
  Wakeup nobody;
  while (machine.state() == LeaseMachine::State::acquiring) {
    const Moment now = clock_->now();
    const LeaseMachine::Action action = machine.next(now);
    if (const auto* waiting = std::get_if<LeaseMachine::Wait>(&action)) {
      held_off.let_through([&] { clock_->wait_until(nobody, waiting->until); });
      continue;
    }
    request.client = client_time(now);
    try {
      auto timeout = std::get<LeaseMachine::Acquire>(action).timeout;
      if (looks) {
        const auto former = store_->former_lease(cluster_, request.instance, timeout);
        request.takeover.epoch = former ? former->epoch : 0;
        looks = false;
        const auto taken = std::chrono::ceil<milliseconds>(clock_->now().boot - now.boot);
        timeout = std::max(milliseconds{1}, timeout - taken);
      }
      const Grant grant = store_->acquire(request, timeout);
      or_give_back(grant, request.token, [&] { machine.answered(grant, clock_->now()); });
    } catch (const Error& error) {
      machine.failed(error, clock_->now());
    }
  }
  if (machine.state() == LeaseMachine::State::failed) throw Error(*machine.error());
  const std::lock_guard lock(mutex_);
  seen_epoch_ = std::max(seen_epoch_, machine.grant().epoch);
  return {std::move(machine), std::move(request), claim};
}

void GeneratorCore::give_back(const Grant& grant, const Token& token) {
  const auto none_used = std::max<std::int64_t>(0, grant.reserved.first_ms - 1);
  try {
    store_->release({.cluster = cluster_,
                     .worker_id = grant.worker_id,
                     .token = token,
                     .strict = false,
                     .last_timestamp_ms = none_used,
                     .client = client_time(clock_->now())},
                    std::chrono::ceil<milliseconds>(timing_.release));
  } catch (const std::exception&) {  // it comes free by expiring
  }
}

// A lease that still runs is renewed as one that renews itself is: the store extends it also while it
// holds back, and where it forgot it, it is registered anew (G7).
void GeneratorCore::renew(WorkerId worker_id, const Token& token) {
  check_process();
  Moment anchor = clock_->now();
  std::optional<ExplicitLease> lease = remembered(token, anchor);
  if (lease && lease->grant.worker_id != worker_id) lease.reset();
  const bool runs = lease && lease->validity.covers(anchor);  // else its wall clock disagrees
  const RenewRequest request{cluster_, worker_id, token, runs ? Renewal::held : Renewal::strict,
                             client_time(anchor)};
  Grant grant;
  bool forgotten = false;
  try {
    grant = store_->renew(request, timing_.attempt);
    forgotten = runs && grant.epoch < lease->grant.epoch;  // G4: it went back to an earlier grant.
  } catch (const Error& error) {
    forgotten = runs && ends_ownership(error.error_code());
    if (!forgotten) throw;
  }
  if (!lease) return;
  if (forgotten) {
    anchor = clock_->now();
    if (!lease->validity.covers(anchor)) throw ended();
    grant = store_->restore(restore_request(lease->origin, lease->grant, lease->validity, anchor),
                            timing_.attempt);
  }
  const Moment answered = clock_->now();
  const bool over =
      runs ? !lease->validity.covers(answered) : answered.boot >= lease->validity.boot;
  if (over) throw ended();
  lease->grant = grant;
  lease->validity = {anchor.boot + grant.lease_time, anchor.wall + grant.lease_time};
  remember(token, *std::move(lease));
}

std::optional<GeneratorCore::ExplicitLease> GeneratorCore::remembered(const Token& token,
                                                                      const Moment& now) {
  const std::lock_guard lock(mutex_);
  drop_ended(now);
  const auto place = explicit_leases_.find(token);
  if (place != explicit_leases_.end()) return place->second;
  check_not_ended(token);
  return std::nullopt;
}

void GeneratorCore::remember(const Token& token, ExplicitLease lease) {
  const std::lock_guard lock(mutex_);
  const auto place = explicit_leases_.find(token);
  if (place != explicit_leases_.end()) place->second = std::move(lease);
  check_not_ended(token);
}

// Its user counts the lease time and nothing else: a step of the wall clock does not end it. By the
// store's clock one that ended may run on: but another lease may have its name, or the store may have
// granted its ID in what it lost since.
void GeneratorCore::drop_ended(const Moment& now) {
  std::erase_if(explicit_leases_, [&](const auto& lease) {
    const bool ended = now.boot >= lease.second.validity.boot;
    if (ended) ended_.push_back(lease.first);
    return ended;
  });
  // Of one that is forgotten the store is asked again.
  constexpr std::size_t most_remembered = 10'000;
  while (ended_.size() > most_remembered) ended_.pop_front();
}

void GeneratorCore::check_not_ended(const Token& token) const {
  if (std::find(ended_.begin(), ended_.end(), token) != ended_.end()) throw ended();
}

Error GeneratorCore::ended() const {
  return Error(ErrorCode::token_expired, "cluster \"" + cluster_ +
                                             "\": the lease of this token ended by this process's "
                                             "clock before the store extended it");
}

// Whoever ran before may be ending just now: waits for it as long as for an ID.
void GeneratorCore::lock_identity(BootTime give_up, const CancellationHeldOff& held_off) {
  if (options_.identity_file.empty()) return;
  constexpr std::chrono::milliseconds pause{20};
  Wakeup nobody;
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (identity_->lock()) return;
    }
    const BootTime now = clock_->now().boot;
    if (now >= give_up) {
      throw Error(ErrorCode::denied, "identity file " + identity_->path().string() +
                                         ": another live process has it locked; end that one, or "
                                         "give this one a file of its own");
    }
    held_off.let_through([&] { clock_->wait_until(nobody, std::min(give_up, now + pause)); });
  }
}

GeneratorCore::Claim GeneratorCore::claim_name() {
  if (options_.instance.empty() && options_.identity_file.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  drop_ended(clock_->now());
  if (!name_claim_.expired()) return nullptr;
  auto claim = std::make_shared<std::shared_ptr<Identity>>(identity_);
  name_claim_ = claim;
  return claim;
}

AcquireRequest GeneratorCore::request_for(const Claim& claim) {
  const std::lock_guard lock(mutex_);
  AcquireRequest request{.cluster = cluster_,
                         .configuration = configuration_,
                         .token = Token::random(),
                         .instance = {},
                         .takeover = {},
                         .owner = owner_,
                         .fresh = options_.fresh,
                         .seen_epoch = seen_epoch_,
                         .client = {}};
  if (!claim) return request;
  request.instance = options_.instance;
  if (!identity_->name().empty()) {
    request.instance += (request.instance.empty() ? "" : "/") + identity_->name();
    request.takeover.tokens = identity_->add(request.token);
  }
  return request;
}

}  // namespace workerid::detail

namespace workerid {

Generator::Generator(std::shared_ptr<Store> store, std::string cluster, Options options)
    : core_(std::make_shared<detail::GeneratorCore>(std::move(store), std::move(cluster),
                                                    std::move(options))) {}

Generator::Generator(Generator&&) noexcept = default;

Generator& Generator::operator=(Generator&& other) noexcept {
  if (this != &other) {
    Generator former(std::move(*this));
    core_ = std::move(other.core_);
  }
  return *this;
}

Generator::~Generator() {
  const detail::CancellationHeldOff held_off;
  if (core_ && core_->forked()) detail::leave_to_parent(std::move(core_));
  core_.reset();
}

Assignment Generator::get_id(std::chrono::milliseconds wait) {
  return core_->get_id(wait);
}

void Generator::renew(WorkerId worker_id, const Token& token) {
  core_->renew(worker_id, token);
}

void Generator::release(WorkerId worker_id, const Token& token) {
  core_->release(worker_id, token);
}

Lease Generator::lease(std::chrono::milliseconds wait) {
  return Lease(core_->lease(wait));
}

Guarantee Generator::guarantee() {
  return core_->guarantee();
}

ClusterView Generator::inspect() {
  return core_->inspect();
}

const std::string& Generator::cluster() const noexcept {
  return core_->cluster();
}

int Generator::identity_descriptor() const noexcept {
  return core_->identity_descriptor();
}

}  // namespace workerid
