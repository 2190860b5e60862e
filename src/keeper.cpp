// SPDX-License-Identifier: MIT
#include "keeper.hpp"

#include "answer.hpp"
#include "cancellation.hpp"
#include "host_boot.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

namespace workerid::detail {

namespace {

using std::chrono::milliseconds;

// Calls the user's callback, on a thread of its own: it may block without delaying a renewal.
class Notifier {
 public:
  explicit Notifier(std::function<void(const Event&)> on_event)
      : shared_(std::make_shared<Shared>()) {
    shared_->on_event = std::move(on_event);
  }
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  ~Notifier() { end(); }

  // Errors: as `OwnedThread::start`.
  void start() {
    if (!shared_->on_event || thread_.started()) return;
    thread_.start([shared = shared_] { run(*shared); });
  }

  // Waits until all events are told; from a callback, tells no more.
  void end() {
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->ending = true;
      if (thread_.is_this()) shared_->events.clear();
    }
    shared_->wakeup.notify_one();
    thread_.end();
  }

  void post(std::vector<Event> events) {
    if (!shared_->on_event || events.empty()) return;
    {
      const std::lock_guard lock(shared_->mutex);
      if (shared_->ending) return;
      for (Event& event : events) shared_->events.push_back(std::move(event));
    }
    shared_->wakeup.notify_one();
  }

 private:
  struct Shared {
    std::function<void(const Event&)> on_event;
    std::mutex mutex;
    std::condition_variable wakeup;
    std::deque<Event> events;
    bool ending = false;
  };

  WORKERID_CATCHES_FORCED_UNWIND static void run(Shared& shared) {
    std::unique_lock lock(shared.mutex);
    for (;;) {
      shared.wakeup.wait(lock, [&] { return shared.ending || !shared.events.empty(); });
      if (shared.events.empty()) return;
      const Event event = std::move(shared.events.front());
      shared.events.pop_front();
      lock.unlock();
      try {
        shared.on_event(event);
      } catch (const ForcedUnwind&) {  // it ended this thread: nobody is told any more
        lock.lock();
        shared.ending = true;
        shared.events.clear();
        throw;
      } catch (...) {  // documented: what a callback throws must not end a lease
      }
      lock.lock();
    }
  }

  std::shared_ptr<Shared> shared_;
  OwnedThread thread_;
};

// As many as go to a Redis server in one write; keeps what the store does at once short.
constexpr std::size_t most_at_once = 256;

struct LeftToParent {
  std::shared_ptr<void> object;
  LeftToParent* next;
};
std::atomic<LeftToParent*> left_to_parent{nullptr};

}  // namespace

void leave_to_parent(std::shared_ptr<void> object) {
  auto* const item = new LeftToParent{std::move(object), left_to_parent.load()};
  while (!left_to_parent.compare_exchange_weak(item->next, item)) {
  }
}

ClientTime client_time(const Moment& moment) {
  return {moment, boot_clock_name()};
}

RestoreRequest restore_request(const AcquireRequest& origin, const Grant& grant,
                               const LeaseMachine::Validity& validity, const Moment& moment) {
  return {.cluster = origin.cluster,
          .configuration = origin.configuration,
          .token = origin.token,
          .grant = grant,
          .instance = origin.instance,
          .owner = origin.owner,
          .client = client_time(moment),
          .valid_until = validity.boot};
}

LeaseControl::LeaseControl(Keeper& keeper, AcquireRequest origin, LeaseMachine machine,
                           std::shared_ptr<void> claim)
    : keeper_(keeper),
      clock_(keeper.clock()),
      origin_(std::move(origin)),
      worker_id_(machine.grant().worker_id),
      machine_(std::move(machine)),
      claim_(std::move(claim)) {
  publish();
}

void LeaseControl::publish() {
  const LeaseMachine::Validity& validity = machine_.validity();
  const Grant& grant = machine_.grant();
  // A holder that sees the new validity sees the new epoch and range, too.
  epoch_.store(grant.epoch, std::memory_order_release);
  first_timestamp_ms_.store(grant.reserved.first_ms, std::memory_order_release);
  last_timestamp_ms_.store(grant.reserved.last_ms, std::memory_order_release);
  wall_deadline_.store(validity.wall, std::memory_order_release);
  boot_deadline_.store(validity.boot, std::memory_order_release);
  state_.store(machine_.state(), std::memory_order_release);
}

Lease::State LeaseControl::state() const noexcept {
  if (forked()) return Lease::State::forked;
  switch (state_.load(std::memory_order_acquire)) {
    case LeaseMachine::State::lost:
      return Lease::State::lost;
    case LeaseMachine::State::releasing:
    case LeaseMachine::State::released:
      return Lease::State::released;
    case LeaseMachine::State::abandoned:
      return Lease::State::abandoned;
    default:
      return held() ? Lease::State::held : Lease::State::suspended;
  }
}

BootTime LeaseControl::valid_until() const noexcept {
  return forked() ? BootTime::min() : boot_deadline_.load(std::memory_order_acquire);
}

TimestampRange LeaseControl::expose_timestamps() {
  // The mutex may have been locked when the process was forked.
  const bool exposed = timestamps_exposed_ || (!forked() && keeper_.expose_timestamps(*this));
  return exposed ? reserved() : TimestampRange{};
}

std::optional<Error> LeaseControl::loss() const {
  // The mutex may have been locked when the process was forked.
  return forked() ? std::nullopt : keeper_.loss(*this);
}

struct Keeper::Shared {
  Shared(std::shared_ptr<Store> the_store, std::shared_ptr<Clock> the_clock,
         std::function<void(const Event&)> on_event)
      : store(std::move(the_store)), clock(std::move(the_clock)), notifier(std::move(on_event)) {}

  void unschedule(LeaseControl& lease) {
    if (lease.place_) due.erase(*lease.place_);
    lease.place_.reset();
  }

  void schedule(const std::shared_ptr<LeaseControl>& lease, BootTime wake_at) {
    unschedule(*lease);
    lease->place_ = due.emplace(wake_at, lease);
  }

  void forget(LeaseControl& lease) {
    unschedule(lease);
    lease.claim_.reset();
  }

  // What the machine did becomes visible first, then it is told.
  void tell(LeaseControl& lease) {
    lease.publish();
    std::vector<Event> events;
    for (LeaseMachine::Notice& happened : lease.machine_.take_notices()) {
      events.push_back({happened.kind, lease.cluster(), lease.worker_id(),
                        lease.machine_.grant().epoch, happened.latency, std::move(happened.error)});
    }
    notifier.post(std::move(events));
  }

  // Those who wait for the lease look at it again.
  static void wake_waiting(const LeaseControl& lease) {
    for (Wakeup* const waiting : lease.awaiting_) waiting->notify();
  }

  // Does one step of the leases that are due. Their renewals go out together, a restoration by
  // itself. Lets the lock go while the store works.
  void step(std::unique_lock<std::mutex>& lock) {
    const Moment now = clock->now();
    Renewals renewals;
    std::shared_ptr<LeaseControl> lost_by_store;
    milliseconds restore_timeout{};
    while (!due.empty() && due.begin()->first <= now.boot && !lost_by_store &&
           renewals.leases.size() < most_at_once) {
      const std::shared_ptr<LeaseControl> lease = due.begin()->second;
      const LeaseMachine::Action action = lease->machine_.next(now);
      tell(*lease);
      unschedule(*lease);
      if (const auto* wait = std::get_if<LeaseMachine::Wait>(&action)) {
        schedule(lease, wait->until);
      } else if (const auto* renew = std::get_if<LeaseMachine::Renew>(&action)) {
        renewals.add(lease, *renew, now);
      } else if (const auto* restore = std::get_if<LeaseMachine::Restore>(&action)) {
        lost_by_store = lease;
        restore_timeout = restore->timeout;
      } else {
        forget(*lease);
      }
    }
    if (!renewals.leases.empty()) renew(lock, renewals);
    if (lost_by_store) restore(lock, lost_by_store, restore_timeout, now);
  }

  // Those that are due at the same moment; the shortest of their time-outs is for all.
  struct Renewals {
    void add(const std::shared_ptr<LeaseControl>& lease, const LeaseMachine::Renew& renew,
             const Moment& now) {
      leases.push_back(lease);
      requests.push_back({lease->cluster(), lease->worker_id(), lease->origin_.token, renew.renewal,
                          client_time(now)});
      timeout = std::min(timeout, renew.timeout);
    }

    std::vector<std::shared_ptr<LeaseControl>> leases;
    std::vector<RenewRequest> requests;
    milliseconds timeout = milliseconds::max();
  };

  void renew(std::unique_lock<std::mutex>& lock, const Renewals& renewals) {
    lock.unlock();
    std::vector<RenewAnswer> answers;
    if (renewals.requests.size() == 1) {
      answers.push_back(
          answer_of([&] { return store->renew(renewals.requests.front(), renewals.timeout); }));
    } else {
      try {
        answers = store->renew_all(renewals.requests, renewals.timeout);
      } catch (const std::exception& error) {
        answers.assign(renewals.leases.size(), Error(ErrorCode::outcome_unknown, error.what()));
      }
    }
    lock.lock();
    for (std::size_t index = 0; index < answers.size(); ++index) {
      finish(lock, renewals.leases[index], answers[index]);
    }
  }

  // `now` is when the machine was asked: the validity counts from it (G2).
  void restore(std::unique_lock<std::mutex>& lock, const std::shared_ptr<LeaseControl>& lease,
               milliseconds timeout, const Moment& now) {
    if (ending || !alive(lease->machine_)) return;
    const LeaseMachine& machine = lease->machine_;
    const RestoreRequest request =
        restore_request(lease->origin_, machine.grant(), machine.validity(), now);
    lock.unlock();
    const auto answer = answer_of([&] { return store->restore(request, timeout); });
    lock.lock();
    finish(lock, lease, answer);
  }

  void finish(std::unique_lock<std::mutex>& lock, const std::shared_ptr<LeaseControl>& lease,
              const RenewAnswer& answer) {
    if (ending) return;  // by a callback of another lease's loss
    LeaseMachine& machine = lease->machine_;
    // The holder ended the lease meanwhile: the answer means nothing any more.
    if (!alive(machine)) return;
    const Moment now = clock->now();
    if (const auto* grant = std::get_if<Grant>(&answer)) {
      machine.answered(*grant, now);
    } else {
      machine.failed(std::get<Error>(answer), now);
    }
    tell(*lease);
    ++lease->outcomes_;
    wake_waiting(*lease);
    if (alive(machine)) {
      schedule(lease, now.boot);
      return;
    }
    forget(*lease);
    lock.unlock();
    lease->lost_.request_stop();  // runs callbacks of the user's
    lock.lock();
  }

  static bool alive(const LeaseMachine& machine) noexcept {
    return machine.state() == LeaseMachine::State::held ||
           machine.state() == LeaseMachine::State::suspended;
  }

  const std::shared_ptr<Store> store;
  const std::shared_ptr<Clock> clock;
  Notifier notifier;
  Wakeup wakeup;
  std::mutex mutex;
  std::multimap<BootTime, std::shared_ptr<LeaseControl>> due;
  bool has_work = false;  // a lease was kept, once
  bool ending = false;
};

Keeper::Keeper(std::shared_ptr<Store> store, std::shared_ptr<Clock> clock,
               std::function<void(const Event&)> on_event)
    : shared_(std::make_shared<Shared>(std::move(store), std::move(clock), std::move(on_event))) {}

Keeper::~Keeper() {
  const CancellationHeldOff held_off;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->ending = true;
  }
  shared_->wakeup.notify();
  thread_.end();
  shared_->notifier.end();
}

const std::shared_ptr<Clock>& Keeper::clock() const noexcept {
  return shared_->clock;
}

void Keeper::start_threads() {
  const std::lock_guard lock(shared_->mutex);
  shared_->notifier.start();
  if (!thread_.started()) thread_.start([shared = shared_] { run(*shared); });
}

std::shared_ptr<LeaseControl> Keeper::keep(AcquireRequest origin, LeaseMachine machine,
                                           std::shared_ptr<void> claim) {
  auto lease = std::make_shared<LeaseControl>(*this, std::move(origin), std::move(machine),
                                              std::move(claim));
  const auto both = std::make_shared<std::pair<std::shared_ptr<Keeper>, decltype(lease)>>(
      shared_from_this(), lease);
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->tell(*lease);
    shared_->schedule(lease, shared_->clock->now().boot);
    shared_->has_work = true;
  }
  shared_->wakeup.notify();
  return {both, lease.get()};
}

void Keeper::run(Shared& shared) {
  std::unique_lock lock(shared.mutex);
  while (!shared.ending && !shared.has_work) {  // for the first lease, whatever the clock shows
    lock.unlock();
    shared.wakeup.wait_for(std::chrono::hours{24});
    lock.lock();
  }
  while (!shared.ending) {
    if (!shared.due.empty() && shared.due.begin()->first <= shared.clock->now().boot) {
      shared.step(lock);
      lock.unlock();
    } else {
      const BootTime until = shared.due.empty() ? BootTime::max() : shared.due.begin()->first;
      lock.unlock();
      shared.clock->wait_until(shared.wakeup, until);
    }
    lock.lock();
  }
}

std::optional<Error> Keeper::release(LeaseControl& lease,
                                     std::optional<std::int64_t> last_timestamp_ms) {
  const CancellationHeldOff held_off;
  std::unique_lock lock(shared_->mutex);
  LeaseMachine& machine = lease.machine_;
  if (!Shared::alive(machine)) return std::nullopt;
  machine.release(clock()->now());
  shared_->tell(lease);  // not held any more before the request is sent
  shared_->unschedule(lease);
  Shared::wake_waiting(lease);
  const bool none_used = !last_timestamp_ms && !lease.timestamps_exposed_;  // and none will be
  if (none_used) {
    last_timestamp_ms = std::max<std::int64_t>(0, machine.grant().reserved.first_ms - 1);
  }
  Wakeup nobody;
  for (;;) {
    const Moment now = clock()->now();
    const LeaseMachine::Action action = machine.next(now);
    if (const auto* wait = std::get_if<LeaseMachine::Wait>(&action)) {
      lock.unlock();
      shared_->clock->wait_until(nobody, wait->until);
      lock.lock();
    } else if (const auto* release = std::get_if<LeaseMachine::Release>(&action)) {
      const ReleaseRequest request{.cluster = lease.cluster(),
                                   .worker_id = lease.worker_id(),
                                   .token = lease.origin_.token,
                                   .strict = false,
                                   .last_timestamp_ms = last_timestamp_ms,
                                   .client = client_time(now)};
      lock.unlock();
      const auto answer = answer_of([&] {
        shared_->store->release(request, release->timeout);
        return Grant{};
      });
      lock.lock();
      if (const auto* error = std::get_if<Error>(&answer)) {
        // A store that lost a resumption has an earlier range.
        const bool refused = error->error_code() == ErrorCode::invalid_argument;
        if (none_used && refused) last_timestamp_ms.reset();
        machine.failed(*error, clock()->now());
      } else {
        machine.answered_release(clock()->now());
      }
    } else {
      break;
    }
  }
  shared_->tell(lease);
  shared_->forget(lease);
  return machine.error();
}

void Keeper::abandon(LeaseControl& lease) {
  const std::lock_guard lock(shared_->mutex);
  lease.machine_.abandon();
  shared_->tell(lease);
  Shared::wake_waiting(lease);
  shared_->forget(lease);
}

bool Keeper::expose_timestamps(LeaseControl& lease) {
  const std::lock_guard lock(shared_->mutex);
  if (Shared::alive(lease.machine_)) lease.timestamps_exposed_ = true;
  return lease.timestamps_exposed_;
}

std::uint64_t Keeper::outcomes(const LeaseControl& lease) const {
  const std::lock_guard lock(shared_->mutex);
  return lease.outcomes_;
}

bool Keeper::renew_soon(LeaseControl& lease, std::uint64_t seen, BootTime deadline) {
  const CancellationHeldOff held_off;  // the lease knows of the wake-up that stands on this stack
  std::unique_lock lock(shared_->mutex);
  if (lease.outcomes_ != seen) return Shared::alive(lease.machine_);
  Moment now = clock()->now();
  if (!lease.machine_.hurry(now)) return false;
  if (lease.place_) {
    shared_->schedule(std::shared_ptr{(*lease.place_)->second}, now.boot);
    shared_->wakeup.notify();
  }
  Wakeup wakeup;
  lease.awaiting_.push_back(&wakeup);
  while (Shared::alive(lease.machine_) && lease.outcomes_ == seen && now.boot < deadline) {
    lock.unlock();
    clock()->wait_until(wakeup, deadline);
    lock.lock();
    now = clock()->now();
  }
  std::erase(lease.awaiting_, &wakeup);
  return true;
}

std::optional<Error> Keeper::loss(const LeaseControl& lease) const {
  const std::lock_guard lock(shared_->mutex);
  return lease.machine_.state() == LeaseMachine::State::lost ? lease.machine_.error()
                                                             : std::nullopt;
}

}  // namespace workerid::detail
