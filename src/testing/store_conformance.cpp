// SPDX-License-Identifier: MIT
//
// No check depends on how fast the machine is: what must not happen yet is tried where it is hours
// away, and what must have happened is tried after its time was let pass.
#include <workerid/testing/store_conformance.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <latch>
#include <mutex>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace workerid::testing {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds timeout = std::chrono::seconds{30};
// Longer than a check takes.
constexpr milliseconds for_ever = std::chrono::hours{1};
constexpr milliseconds grain{1};

// ---- Demands ------------------------------------------------------------------------------------

void demand(bool holds, const std::string& otherwise) {
  if (!holds) throw ConformanceFailure(otherwise);
}

std::string text(const std::string& value) {
  return "\"" + value + "\"";
}
std::string text(LeaseState value) {
  return std::string{name(value)};
}
std::string text(milliseconds value) {
  return std::to_string(value.count()) + " ms";
}
std::string text(const TimestampRange& value) {
  return std::to_string(value.first_ms) + " to " + std::to_string(value.last_ms);
}
template <typename Number>
std::string text(Number value) {
  return std::to_string(value);
}

template <typename Value>
void demand_equal(const std::string& what, const Value& seen, const Value& expected) {
  demand(seen == expected, what + " is " + text(seen) + "; expected " + text(expected));
}

template <typename Value>
void demand_between(const std::string& what, const Value& seen, const Value& least,
                    const Value& most) {
  demand(least <= seen && seen <= most,
         what + " is " + text(seen) + "; expected " + text(least) + " to " + text(most));
}

// The error that `operation` must be refused with.
template <typename Operation>
Error refused(const std::string& what, ErrorCode code, Operation operation) {
  const std::string expected = "; expected " + std::string{name(code)};
  try {
    operation();
  } catch (const Error& error) {
    // A verb that the store leaves out: `where_supported` knows whether it may.
    if (error.error_code() == ErrorCode::unsupported_server) throw;
    demand(error.error_code() == code, what + " was refused with " +
                                           std::string{name(error.error_code())} + expected + " (" +
                                           error.what() + ")");
    return error;
  }
  throw ConformanceFailure(what + " succeeded" + expected);
}

// ---- A cluster as its processes use it ----------------------------------------------------------

// What a process knows of its lease.
struct Holding {
  AcquireRequest request;
  Grant grant;
};

// A cluster of its own, used through two handles by turns, as two processes would.
class Pool {
 public:
  Pool(const StoreSubject& subject, const Configuration& configuration,
       std::string cluster = "conformance-" + Token::random().text())
      : subject_(subject),
        cluster_(std::move(cluster)),
        configuration_(configuration),
        handles_{subject.open(), subject.open()} {}

  const std::string& cluster() const noexcept { return cluster_; }
  const Configuration& configuration() const noexcept { return configuration_; }

  AcquireRequest request(const std::string& instance = {}) const {
    AcquireRequest request;
    request.cluster = cluster_;
    request.configuration = configuration_;
    request.token = Token::random();
    request.instance = instance;
    request.owner = "conformance suite";
    request.fresh = true;  // A store that was just started must not hold back for it.
    return request;
  }

  Grant acquire(AcquireRequest request) {
    request.client = client();
    return next_handle().acquire(request, timeout);
  }

  Holding hold(const AcquireRequest& request) { return {request, acquire(request)}; }
  Holding hold(const std::string& instance = {}) { return hold(request(instance)); }

  std::vector<Holding> hold_all() {
    std::vector<Holding> holdings;
    const auto count = configuration_.max_worker_id - configuration_.min_worker_id + 1;
    while (static_cast<WorkerId>(holdings.size()) < count) holdings.push_back(hold());
    return holdings;
  }

  Grant renew(WorkerId worker_id, const Token& token, Renewal renewal = Renewal::strict) {
    return next_handle().renew({cluster_, worker_id, token, renewal, client()}, timeout);
  }

  Grant renew(const Holding& holding, Renewal renewal = Renewal::strict) {
    return renew(holding.grant.worker_id, holding.request.token, renewal);
  }

  RenewRequest renewal(const Holding& holding, Renewal renewal = Renewal::strict) const {
    return {cluster_, holding.grant.worker_id, holding.request.token, renewal, client()};
  }

  std::vector<RenewAnswer> renew_all(const std::vector<RenewRequest>& requests) {
    return next_handle().renew_all(requests, timeout);
  }

  Grant restore(const Holding& holding) {
    return next_handle().restore({.cluster = cluster_,
                                  .configuration = configuration_,
                                  .token = holding.request.token,
                                  .grant = holding.grant,
                                  .instance = holding.request.instance,
                                  .owner = holding.request.owner,
                                  .client = client()},
                                 timeout);
  }

  // Has a witness say that the store lost what it granted after `holding`; returns the epoch that it saw.
  std::uint64_t go_back(const Holding& holding) {
    AcquireRequest witness = request();
    witness.seen_epoch = holding.grant.epoch + 1'000'000'000;
    refused("an acquisition by a witness", ErrorCode::holding_back, [&] { acquire(witness); });
    return witness.seen_epoch;
  }

  // What a holder has whose lease the store lost.
  Holding lost(WorkerId worker_id) const {
    const std::int64_t wall_ms = client().moment.wall.time_since_epoch().count();
    return {request("lost"),
            {worker_id,
             static_cast<std::uint64_t>(wall_ms) * 1000,
             {wall_ms, wall_ms + configuration_.lease_time.count()},
             configuration_.lease_time}};
  }

  void release(WorkerId worker_id, const Token& token, bool strict = true,
               std::optional<std::int64_t> last_timestamp_ms = std::nullopt) {
    next_handle().release({cluster_, worker_id, token, strict, last_timestamp_ms, client()},
                          timeout);
  }

  void release(const Holding& holding, bool strict = true,
               std::optional<std::int64_t> last_timestamp_ms = std::nullopt) {
    release(holding.grant.worker_id, holding.request.token, strict, last_timestamp_ms);
  }

  // From then on the pool asks for the range that it was given.
  Configuration resize(WorkerId low, WorkerId high) {
    const Configuration resized = next_handle().resize({cluster_, low, high, client()}, timeout);
    configuration_.min_worker_id = low;
    configuration_.max_worker_id = high;
    return resized;
  }

  milliseconds evict(WorkerId worker_id, std::uint64_t epoch) {
    return next_handle().evict({cluster_, worker_id, epoch, client()}, timeout);
  }

  milliseconds evict(const Grant& grant) { return evict(grant.worker_id, grant.epoch); }

  std::optional<LeaseView> former_lease(const std::string& instance) {
    return next_handle().former_lease(cluster_, instance, timeout);
  }

  ClusterView view() {
    const auto view = next_handle().inspect(cluster_, timeout);
    demand(view.has_value(), "inspect knows nothing of a cluster that was used");
    return *view;
  }

  LeaseView view(WorkerId worker_id) {
    const ClusterView cluster = view();
    for (const LeaseView& lease : cluster.leases) {
      if (lease.worker_id == worker_id) return lease;
    }
    throw ConformanceFailure("inspect does not show worker ID " + text(worker_id) +
                             ", which was granted");
  }

  // What this process's wall clock shows from now on; the true time if nothing.
  void set_client_wall(std::optional<WallTime> wall) { client_wall_ = wall; }

  // Lets `time` pass on the store's clock.
  void pass(milliseconds time) {
    passed_ += time;
    if (subject_.let_time_pass) {
      subject_.let_time_pass(time);
    } else {
      std::this_thread::sleep_for(time);
    }
  }

  // Lets a little more than `time` pass, and the store notice it: one that bounds how far an operation
  // may advance its clock credits the time between two that come with a witness. It need not believe
  // one that was under way for long: then once more, though not for a store that is always slow.
  void outlast(milliseconds time) {
    pass(subject_.lease_time / 8);
    for (int attempt = 0; attempt < 5; ++attempt) {
      const bool quick = let_notice();
      pass(time);
      if (let_notice() && quick) return;
    }
  }

  // At least the time that passed on the store's clock since the pool was made, in its whole
  // milliseconds.
  milliseconds elapsed() const {
    return passed_ + std::chrono::ceil<milliseconds>(boottime_clock()->now().boot - start_.boot) +
           grain;
  }

  // The same since an earlier reading of `elapsed`.
  milliseconds elapsed_since(milliseconds start) const { return elapsed() - start + grain; }

 private:
  // An operation that changes nothing: nobody has that token. Whether it was a quick one.
  bool let_notice() {
    const auto began = boottime_clock()->now().boot;
    try {
      renew(configuration_.min_worker_id, Token::random());
    } catch (const Error&) {  // as expected
      return boottime_clock()->now().boot - began < subject_.lease_time / 16;
    }
    throw ConformanceFailure("a renewal with a token that nobody has succeeded");
  }

  Store& next_handle() { return *handles_.at(turn_++ % handles_.size()); }

  ClientTime client() const {
    Moment now = boottime_clock()->now();
    if (client_wall_) now.wall = *client_wall_;
    return {now, "conformance suite"};
  }

  const StoreSubject& subject_;
  std::string cluster_;
  Configuration configuration_;
  std::array<std::shared_ptr<Store>, 2> handles_;
  std::size_t turn_ = 0;
  std::optional<WallTime> client_wall_;
  Moment start_ = boottime_clock()->now();
  milliseconds passed_{};
};

// Nothing ends by itself; what is released may be granted at once.
Configuration long_lived(WorkerId low, WorkerId high) {
  return {low, high, for_ever, for_ever, milliseconds{0}};
}

// Leases end while the check waits; the reuse delay is up to it.
Configuration short_lived(const StoreSubject& subject, WorkerId low, WorkerId high,
                          milliseconds reuse_delay) {
  return {low, high, subject.lease_time, reuse_delay, milliseconds{0}};
}

// Does `operation` and demands that it changed nothing of the ID's record.
template <typename Operation>
void leaves_alone(Pool& pool, WorkerId worker_id, Operation operation) {
  const milliseconds start = pool.elapsed();
  const LeaseView before = pool.view(worker_id);
  operation();
  const LeaseView after = pool.view(worker_id);
  const milliseconds passed = pool.elapsed_since(start);
  demand_equal("the epoch", after.epoch, before.epoch);
  demand_equal("the instance", after.instance, before.instance);
  demand_equal("the owner", after.owner, before.owner);
  demand_equal("the reserved range", after.reserved, before.reserved);
  demand_between("the time left", after.lease_left, before.lease_left - passed, before.lease_left);
  demand_between("the time to reuse", after.free_in, before.free_in - passed, before.free_in);
}

constexpr std::array renewals{Renewal::strict, Renewal::held, Renewal::resume};

// None of the owner's verbs works with this holding any more, and trying them changes nothing.
void demand_powerless(Pool& pool, const Holding& former, ErrorCode code) {
  leaves_alone(pool, former.grant.worker_id, [&] {
    for (const Renewal renewal : renewals) {
      refused("renewal by a former holder", code, [&] { pool.renew(former, renewal); });
    }
    for (const bool strict : {true, false}) {
      refused("release by a former holder", code, [&] { pool.release(former, strict); });
    }
  });
}

void demand_follows(const Grant& later, const Grant& earlier) {
  demand(later.epoch > earlier.epoch, "epoch " + text(later.epoch) + " follows epoch " +
                                          text(earlier.epoch) + "; expected a greater one");  // G4
  if (later.worker_id != earlier.worker_id) return;
  demand(later.reserved.first_ms > earlier.reserved.last_ms,
         "timestamps " + text(later.reserved) + " follow " + text(earlier.reserved) +
             "; expected a range above");  // G8
}

// Still leased, unless the machine was so slow that the lease is over since `start`.
void demand_leased(Pool& pool, WorkerId worker_id, milliseconds start) {
  const LeaseState state = pool.view(worker_id).state;
  if (pool.elapsed_since(start) < pool.configuration().lease_time) {
    demand_equal("the state", state, LeaseState::leased);
  }
}

// Runs `work(index)` in many threads that begin together; throws what the first to fail threw.
template <typename Work>
void in_threads(int count, Work work) {
  std::latch start{count};
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  for (int index = 0; index < count; ++index) {
    threads.emplace_back([&, index] {
      start.arrive_and_wait();
      try {
        work(index);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

void demand_same(const Grant& seen, const Grant& expected) {
  demand_equal("the worker ID", seen.worker_id, expected.worker_id);
  demand_equal("the epoch", seen.epoch, expected.epoch);
  demand_equal("the first timestamp", seen.reserved.first_ms, expected.reserved.first_ms);
}

// ---- Granting -----------------------------------------------------------------------------------

void ids_are_distinct_and_in_range(const StoreSubject& subject) {
  Pool pool(subject, long_lived(5, 16));
  std::set<WorkerId> seen;
  for (const Holding& holding : pool.hold_all()) {
    demand_between("the worker ID", holding.grant.worker_id, WorkerId{5}, WorkerId{16});
    demand(seen.insert(holding.grant.worker_id).second,
           "worker ID " + text(holding.grant.worker_id) + " was granted twice");
    demand_equal("the lease time", holding.grant.lease_time, for_ever);
  }
}

void one_id_is_a_range(const StoreSubject& subject) {
  for (const WorkerId only : {WorkerId{0}, WorkerId{7}, largest_worker_id}) {
    Pool pool(subject, long_lived(only, only));
    demand_equal("the worker ID", pool.hold().grant.worker_id, only);
    refused("a second acquisition", ErrorCode::no_available_id, [&] { pool.hold(); });
  }
}

void widest_range_costs_nothing(const StoreSubject& subject) {
  Pool pool(subject, long_lived(0, largest_worker_id));
  const Holding first = pool.hold();
  const Holding second = pool.hold();
  demand(first.grant.worker_id != second.grant.worker_id, "one worker ID was granted twice");
  const ClusterView view = pool.view();
  demand_equal("the number of IDs never granted", view.never_granted, largest_worker_id - 1);
  demand_equal("the number of records", view.leases.size(), std::size_t{2});
}

void threads_get_distinct_ids(const StoreSubject& subject) {
  constexpr int each = 2;
  Pool pool(subject, long_lived(1, WorkerId{subject.threads} * each));
  const std::shared_ptr<Store> shared = subject.open();
  std::mutex mutex;
  std::set<WorkerId> seen;
  in_threads(subject.threads, [&](int index) {
    const std::shared_ptr<Store> store = index % 2 == 0 ? shared : subject.open();
    for (int round = 0; round < each; ++round) {
      const WorkerId worker_id = store->acquire(pool.request(), timeout).worker_id;
      const std::lock_guard lock(mutex);
      demand(seen.insert(worker_id).second, "worker ID " + text(worker_id) + " was granted twice");
    }
  });
  refused("one acquisition more", ErrorCode::no_available_id, [&] { pool.hold(); });
}

void threads_share_a_small_pool(const StoreSubject& subject) {
  constexpr int rounds = 8;
  const WorkerId size = std::max(1, subject.threads / 4);
  Pool pool(subject, long_lived(1, size));
  const std::shared_ptr<Store> store = subject.open();
  std::vector<std::atomic<bool>> held(static_cast<std::size_t>(size));
  std::mutex mutex;
  std::set<std::uint64_t> epochs;
  in_threads(subject.threads, [&](int) {
    for (int round = 0; round < rounds; ++round) {
      const AcquireRequest request = pool.request();
      Grant grant;
      try {
        grant = store->acquire(request, timeout);
      } catch (const Error& error) {
        if (error.error_code() == ErrorCode::no_available_id) continue;
        throw;
      }
      std::atomic<bool>& flag = held.at(static_cast<std::size_t>(grant.worker_id - 1));
      demand(!flag.exchange(true),
             "worker ID " + text(grant.worker_id) + " was granted while another held it");
      {
        const std::lock_guard lock(mutex);
        demand(epochs.insert(grant.epoch).second,
               "epoch " + text(grant.epoch) + " was granted twice");
      }
      flag = false;
      store->release({pool.cluster(), grant.worker_id, request.token, true, std::nullopt, {}},
                     timeout);
    }
  });
  pool.hold_all();
}

void clusters_are_independent(const StoreSubject& subject) {
  const std::string base = "conformance-" + Token::random().text();
  std::vector<Pool> pools;
  for (const std::string suffix : {"a", "A", "a:1", "a/1", "a.1"}) {
    pools.emplace_back(subject, long_lived(3, 4), base + suffix);
  }
  const Token token = Token::random();
  std::vector<Holding> holdings;
  for (Pool& pool : pools) {
    AcquireRequest request = pool.request("one name");
    request.token = token;
    holdings.push_back(pool.hold(request));
  }
  pools.front().release(holdings.front());
  for (std::size_t index = 1; index < pools.size(); ++index) {
    Pool& pool = pools.at(index);
    demand_equal("the state in another cluster",
                 pool.view(holdings.at(index).grant.worker_id).state, LeaseState::leased);
    pool.renew(holdings.at(index));
    demand_equal("the number of IDs never granted", pool.view().never_granted, WorkerId{1});
  }
}

// ---- Exhaustion ---------------------------------------------------------------------------------

void exhaustion_says_when_an_id_may_come_free(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  pool.hold_all();
  const Error error = refused("an acquisition from a pool that is used up",
                              ErrorCode::no_available_id, [&] { pool.hold(); });
  demand(error.retry_after().has_value(), "no_available_id does not say when an ID may come free");
  // The first lease and its reuse delay.
  demand_between("the time named", *error.retry_after(), 2 * for_ever - pool.elapsed(),
                 2 * for_ever);
}

void an_id_comes_free_when_it_was_said(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 2, subject.lease_time / 2));
  const std::vector<Holding> former = pool.hold_all();
  constexpr int attempts = 3;
  for (int attempt = 1; attempt <= attempts; ++attempt) {
    try {
      const Holding next = pool.hold();
      demand_follows(next.grant, former.back().grant);
      return;
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::no_available_id || !error.retry_after()) throw;
      pool.pass(*error.retry_after());
    }
  }
  throw ConformanceFailure("no ID came free after the time that no_available_id named");
}

// ---- Ownership ----------------------------------------------------------------------------------

void wrong_token_changes_nothing(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  Holding intruder = pool.hold();
  intruder.request.token = Token::random();
  demand_powerless(pool, intruder, ErrorCode::token_mismatch);
}

void token_of_another_id_changes_nothing(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  Holding intruder = pool.hold();
  intruder.grant.worker_id = holding.grant.worker_id;
  demand_powerless(pool, intruder, ErrorCode::token_mismatch);
}

void ids_not_granted_are_refused(const StoreSubject& subject) {
  Pool pool(subject, long_lived(5, 9));
  const Token token = Token::random();
  const auto refused_both = [&](const std::string& which, WorkerId worker_id, ErrorCode code) {
    refused("renewal of " + which, code, [&] { pool.renew(worker_id, token); });
    refused("release of " + which, code, [&] { pool.release(worker_id, token); });
  };
  refused_both("an ID of an unknown cluster", 5, ErrorCode::not_assigned);
  pool.hold();
  demand_equal("the number of records", pool.view().leases.size(), std::size_t{1});
  const WorkerId never_granted = pool.view().leases.front().worker_id == 9 ? 8 : 9;
  refused_both("an ID never granted", never_granted, ErrorCode::not_assigned);
  refused_both("an ID below the range", 4, ErrorCode::invalid_worker_id);
  refused_both("an ID above the range", 10, ErrorCode::invalid_worker_id);
  demand_equal("the number of records", pool.view().leases.size(), std::size_t{1});
}

void renewal_extends_and_keeps_the_grant(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  for (const Renewal renewal : {Renewal::strict, Renewal::held}) {
    pool.pass(milliseconds{20});
    const milliseconds start = pool.elapsed();
    const Grant renewed = pool.renew(holding, renewal);
    const LeaseView view = pool.view(holding.grant.worker_id);
    const milliseconds passed = pool.elapsed_since(start);
    demand_between("the time left", view.lease_left, for_ever - passed, for_ever);
    demand_between("the time to reuse", view.free_in, 2 * for_ever - passed, 2 * for_ever);
    demand_equal("the worker ID", renewed.worker_id, holding.grant.worker_id);
    demand_equal("the epoch", renewed.epoch, holding.grant.epoch);
    demand_equal("the first timestamp", renewed.reserved.first_ms, holding.grant.reserved.first_ms);
    demand_equal("the lease time", renewed.lease_time, for_ever);
  }
}

// Throws what a renewal was refused with.
Grant granted(const RenewAnswer& answer) {
  if (const auto* error = std::get_if<Error>(&answer)) throw *error;
  return std::get<Grant>(answer);
}

void renewals_together_extend_each(const StoreSubject& subject) {
  constexpr WorkerId count = 600;  // More than stores send or write at once.
  Pool pool(subject, long_lived(1, count));
  const std::vector<Holding> holdings = pool.hold_all();
  std::vector<RenewRequest> requests;
  for (const Holding& holding : holdings) {
    requests.push_back(
        pool.renewal(holding, requests.size() % 2 == 0 ? Renewal::strict : Renewal::held));
  }
  pool.pass(milliseconds{20});
  const milliseconds start = pool.elapsed();
  const std::vector<RenewAnswer> answers = pool.renew_all(requests);
  demand_equal("the number of answers", answers.size(), holdings.size());
  for (std::size_t index = 0; index < answers.size(); ++index) {
    demand_same(granted(answers[index]), holdings[index].grant);
  }
  const ClusterView view = pool.view();
  const milliseconds passed = pool.elapsed_since(start);
  for (const LeaseView& lease : view.leases) {
    demand_between("the time left", lease.lease_left, for_ever - passed, for_ever);
  }
}

void renewal_refused_among_others_touches_none(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 4));
  Pool other(subject, long_lived(1, 4));
  const Holding first = pool.hold();
  const Holding released = pool.hold();
  const Holding foreign = other.hold();
  pool.release(released);
  Holding wrong = first;
  wrong.request.token = Token::random();
  RenewRequest invalid = pool.renewal(first);
  invalid.token = {};
  RenewRequest never = pool.renewal(first);
  never.worker_id = 4;
  const std::vector<RenewAnswer> answers =
      pool.renew_all({pool.renewal(wrong), pool.renewal(released), pool.renewal(first), invalid,
                      never, other.renewal(foreign)});
  demand_equal("the number of answers", answers.size(), std::size_t{6});
  const auto refused_with = [&](std::size_t place, ErrorCode code) {
    refused("renewal " + text(place) + " of several", code, [&] { granted(answers[place]); });
  };
  refused_with(0, ErrorCode::token_mismatch);
  refused_with(1, ErrorCode::not_assigned);
  demand_same(granted(answers[2]), first.grant);
  refused_with(3, ErrorCode::invalid_token);
  refused_with(4, ErrorCode::not_assigned);
  demand_same(granted(answers[5]), foreign.grant);
  demand(pool.renew_all({}).empty(), "no renewals are answered");
}

void renewals_of_one_lease_together_count_in_order(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  const std::vector<RenewAnswer> answers =
      pool.renew_all({pool.renewal(holding, Renewal::resume), pool.renewal(holding),
                      pool.renewal(holding, Renewal::resume)});
  demand_equal("the number of answers", answers.size(), std::size_t{3});
  demand_follows(granted(answers[0]), holding.grant);
  demand_same(granted(answers[1]), granted(answers[0]));
  demand_follows(granted(answers[2]), granted(answers[1]));
  demand_equal("the epoch", pool.view(holding.grant.worker_id).epoch, granted(answers[2]).epoch);
}

void strict_renewal_never_revives(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, for_ever));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  leaves_alone(pool, holding.grant.worker_id, [&] {
    refused("strict renewal of a lease that ended", ErrorCode::token_expired,
            [&] { pool.renew(holding); });
  });
  demand_equal("the state", pool.view(holding.grant.worker_id).state, LeaseState::expired);
}

void held_renewal_keeps_an_unclaimed_lease(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, for_ever));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  const milliseconds start = pool.elapsed();
  const Grant renewed = pool.renew(holding, Renewal::held);
  demand_leased(pool, holding.grant.worker_id, start);
  demand_equal("the worker ID", renewed.worker_id, holding.grant.worker_id);
  demand_equal("the epoch", renewed.epoch, holding.grant.epoch);
  demand_equal("the first timestamp", renewed.reserved.first_ms, holding.grant.reserved.first_ms);
}

void resumption_is_a_new_grant_of_the_same_id(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, for_ever));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  const Holding bystander = pool.hold();
  const milliseconds start = pool.elapsed();
  const Grant resumed = pool.renew(holding, Renewal::resume);
  demand_leased(pool, holding.grant.worker_id, start);
  demand_equal("the worker ID", resumed.worker_id, holding.grant.worker_id);
  demand_follows(resumed, holding.grant);
  demand_follows(resumed, bystander.grant);
  demand_equal("the epoch shown", pool.view(holding.grant.worker_id).epoch, resumed.epoch);
}

// Past the reuse delay, as long as nobody came.
void unclaimed_lease_resumes_late(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, milliseconds{0}));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  const Grant resumed = pool.renew(holding, Renewal::resume);
  demand_equal("the worker ID", resumed.worker_id, holding.grant.worker_id);
  demand_follows(resumed, holding.grant);
}

void nothing_revives_an_id_granted_to_another(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 1, subject.lease_time / 2));
  const Holding former = pool.hold();
  pool.outlast(subject.lease_time + subject.lease_time / 2);
  const Holding present = pool.hold();
  demand_follows(present.grant, former.grant);
  demand_powerless(pool, former, ErrorCode::token_mismatch);
}

// ---- Releasing ----------------------------------------------------------------------------------

void release_twice_is_no_error(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  pool.release(holding);
  leaves_alone(pool, holding.grant.worker_id, [&] {
    pool.release(holding);
    pool.release(holding, false);
  });
}

void released_lease_is_not_renewed(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  pool.release(holding);
  leaves_alone(pool, holding.grant.worker_id, [&] {
    for (const Renewal renewal : renewals) {
      refused("renewal of a released lease", ErrorCode::not_assigned,
              [&] { pool.renew(holding, renewal); });
    }
  });
}

void strict_release_of_an_ended_lease_is_refused(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 1, for_ever));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  leaves_alone(pool, holding.grant.worker_id, [&] {
    refused("strict release of a lease that ended", ErrorCode::token_expired,
            [&] { pool.release(holding); });
  });
  pool.release(holding, false);
  demand_equal("the worker ID", pool.hold().grant.worker_id, holding.grant.worker_id);
}

void late_messages_of_a_former_holder_do_nothing(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 2));
  const std::vector<Holding> holdings = pool.hold_all();
  const Holding& former = holdings.front();
  pool.release(former);
  const Holding present = pool.hold();
  demand_equal("the worker ID", present.grant.worker_id, former.grant.worker_id);
  demand_powerless(pool, former, ErrorCode::token_mismatch);
  leaves_alone(pool, present.grant.worker_id, [&] {
    refused("an acquisition that arrives late", ErrorCode::no_available_id,
            [&] { pool.acquire(former.request); });
  });
  pool.release(present);
  demand_powerless(pool, former, ErrorCode::not_assigned);
}

// ---- Repetition ---------------------------------------------------------------------------------

void repeated_acquisition_returns_the_same_grant(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold("some instance");
  for (int repetition = 0; repetition < 3; ++repetition) {
    const Grant again = pool.acquire(holding.request);
    demand_equal("the worker ID", again.worker_id, holding.grant.worker_id);
    demand_equal("the epoch", again.epoch, holding.grant.epoch);
    demand_equal("the first timestamp", again.reserved.first_ms, holding.grant.reserved.first_ms);
  }
  demand_equal("the number of records", pool.view().leases.size(), std::size_t{1});
}

void acquisition_repeated_at_once_is_one_grant(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, WorkerId{subject.threads} + 1));
  const AcquireRequest request = pool.request();
  const std::shared_ptr<Store> store = subject.open();
  std::mutex mutex;
  std::set<std::pair<WorkerId, std::uint64_t>> grants;
  in_threads(subject.threads, [&](int) {
    const Grant grant = store->acquire(request, timeout);
    const std::lock_guard lock(mutex);
    grants.emplace(grant.worker_id, grant.epoch);
  });
  demand_equal("the number of grants", grants.size(), std::size_t{1});
  demand_equal("the number of records", pool.view().leases.size(), std::size_t{1});
}

void acquisition_repeated_late_is_refreshed(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, for_ever));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  const milliseconds start = pool.elapsed();
  const Grant again = pool.acquire(holding.request);
  demand_leased(pool, holding.grant.worker_id, start);
  demand_equal("the worker ID", again.worker_id, holding.grant.worker_id);
  demand_equal("the epoch", again.epoch, holding.grant.epoch);
}

void released_token_acquires_nothing(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  pool.release(holding);
  leaves_alone(pool, holding.grant.worker_id, [&] {
    refused("an acquisition with a released token", ErrorCode::invalid_token,
            [&] { pool.acquire(holding.request); });
  });
}

// ---- Order of reuse -----------------------------------------------------------------------------

void ids_never_used_come_first(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 4));
  const Holding released = pool.hold();
  pool.release(released);
  for (int fresh = 0; fresh < 3; ++fresh) {
    demand(pool.hold().grant.worker_id != released.grant.worker_id,
           "a released ID was granted while there were IDs never used");
  }
  demand_equal("the worker ID", pool.hold().grant.worker_id, released.grant.worker_id);
}

void longest_free_comes_next(const StoreSubject& subject) {
  // Through 9, 10, 11, 100 and 101, so that an order by text shows.
  Pool pool(subject, long_lived(1, 101));
  std::vector<Holding> holdings = pool.hold_all();
  std::sort(holdings.begin(), holdings.end(), [](const Holding& left, const Holding& right) {
    return left.grant.worker_id < right.grant.worker_id;
  });
  const std::array<WorkerId, 8> order{11, 101, 2, 9, 100, 10, 1, 99};
  for (const WorkerId worker_id : order) {
    pool.release(holdings.at(static_cast<std::size_t>(worker_id - 1)));
    pool.pass(milliseconds{2});
  }
  for (const WorkerId worker_id : order) {
    demand_equal("the next worker ID", pool.hold().grant.worker_id, worker_id);
  }
}

void reuse_delay_is_kept(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 1, for_ever));
  const Holding holding = pool.hold();
  pool.outlast(subject.lease_time);
  demand_equal("the state", pool.view(holding.grant.worker_id).state, LeaseState::expired);
  const Error error = refused("an acquisition within the reuse delay", ErrorCode::no_available_id,
                              [&] { pool.hold(); });
  demand(error.retry_after().has_value(), "no_available_id does not say when an ID may come free");
  demand_between("the time named", *error.retry_after(),
                 subject.lease_time + for_ever - pool.elapsed(), for_ever);
}

void cool_down_is_kept(const StoreSubject& subject) {
  Configuration configuration = long_lived(1, 1);
  configuration.cool_down = for_ever / 2;
  Pool pool(subject, configuration);
  const Holding holding = pool.hold();
  pool.release(holding);
  demand_equal("the state", pool.view(holding.grant.worker_id).state, LeaseState::cooling_down);
  const Error error = refused("an acquisition within the cool-down", ErrorCode::no_available_id,
                              [&] { pool.hold(); });
  demand(error.retry_after().has_value(), "no_available_id does not say when an ID may come free");
  demand_between("the time named", *error.retry_after(), for_ever / 2 - pool.elapsed(),
                 for_ever / 2);
}

void ids_come_back_after_their_delay(const StoreSubject& subject) {
  Pool expiring(subject, short_lived(subject, 1, 1, subject.lease_time));
  const Holding expired = expiring.hold();
  Configuration configuration = long_lived(1, 1);
  configuration.cool_down = subject.lease_time;
  Pool releasing(subject, configuration);
  const Holding released = releasing.hold();
  releasing.release(released);

  expiring.outlast(2 * subject.lease_time);
  demand_follows(expiring.hold().grant, expired.grant);
  demand_follows(releasing.hold().grant, released.grant);
}

// ---- Instances ----------------------------------------------------------------------------------

void instance_gets_its_id_back(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 10));
  const Holding former = pool.hold("pod-1");
  pool.hold("pod-2");
  pool.release(former);
  const Holding again = pool.hold("pod-1");
  demand_equal("the worker ID", again.grant.worker_id, former.grant.worker_id);
  demand_follows(again.grant, former.grant);
}

void instance_is_a_wish(const StoreSubject& subject) {
  Pool held(subject, long_lived(1, 10));
  const Holding holding = held.hold("pod-1");
  demand(held.hold("pod-1").grant.worker_id != holding.grant.worker_id,
         "an ID was granted again while another process of that instance held it");

  Pool expiring(subject, short_lived(subject, 1, 10, for_ever));
  const Holding expired = expiring.hold("pod-1");
  expiring.outlast(subject.lease_time);
  demand(expiring.hold("pod-1").grant.worker_id != expired.grant.worker_id,
         "an ID was granted to its instance within the reuse delay");

  Configuration configuration = long_lived(1, 10);
  configuration.cool_down = for_ever;
  Pool cooling(subject, configuration);
  const Holding released = cooling.hold("pod-1");
  cooling.release(released);
  demand(cooling.hold("pod-1").grant.worker_id != released.grant.worker_id,
         "an ID was granted to its instance within the cool-down");
}

// Takes over from `former`, which it names in one way and the other.
std::array<AcquireRequest, 2> takeovers(const Pool& pool, const Holding& former) {
  AcquireRequest by_epoch = pool.request(former.request.instance);
  by_epoch.takeover.epoch = former.grant.epoch;
  AcquireRequest by_token = pool.request(former.request.instance);
  by_token.takeover.tokens.assign(Takeover::most_tokens - 1, Token::random());
  by_token.takeover.tokens.push_back(former.request.token);
  return {by_epoch, by_token};
}

void takeover_resumes_at_once(const StoreSubject& subject) {
  for (const bool by_token : {false, true}) {
    Pool pool(subject, long_lived(1, 10));
    const Holding former = pool.hold("pod-1");
    const Holding present = pool.hold(takeovers(pool, former).at(by_token ? 1 : 0));
    demand_equal("the worker ID", present.grant.worker_id, former.grant.worker_id);
    demand_follows(present.grant, former.grant);
    demand_powerless(pool, former, ErrorCode::token_mismatch);
    demand_equal("the number of records", pool.view().leases.size(), std::size_t{1});
  }
}

void takeover_leaves_others_alone(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  const Holding former = pool.hold("pod-1");
  pool.release(former);
  const Holding present = pool.hold("pod-2");
  for (const Holding& named : {former, present}) {
    for (AcquireRequest request : takeovers(pool, named)) {
      request.instance = "pod-1";
      leaves_alone(pool, present.grant.worker_id, [&] {
        refused("takeover of an instance without an ID", ErrorCode::no_available_id,
                [&] { pool.acquire(request); });
      });
    }
  }
}

// Two of one name, as of a machine that was copied: each goes on with its own.
void takeover_finds_the_lease_that_it_names(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding first = pool.hold("pod-1");
  const Holding second = pool.hold("pod-1");
  const Holding third = pool.hold("pod-2");
  AcquireRequest request = pool.request("pod-1");
  request.takeover.tokens = {second.request.token, first.request.token, third.request.token};
  const Grant present = pool.acquire(request);
  demand_equal("the worker ID", present.worker_id, first.grant.worker_id);
  demand_same(pool.renew(second), second.grant);
  demand_same(pool.renew(third), third.grant);
  demand_equal("the latest lease of the name", pool.former_lease("pod-1")->epoch, present.epoch);
}

// A request that comes late or twice, or from a copy, names what is there no longer.
void takeover_means_one_lease(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  const Holding first = pool.hold("pod-1");
  const auto late = takeovers(pool, first);
  const Holding second = pool.hold(takeovers(pool, first).front());
  leaves_alone(pool, 1, [&] {
    for (const AcquireRequest& request : late) {
      refused("a takeover that came late", ErrorCode::no_available_id,
              [&] { pool.acquire(request); });
    }
    refused("an acquisition that takes nothing over", ErrorCode::no_available_id,
            [&] { pool.hold("pod-1"); });
  });
  const Holding third = pool.hold(takeovers(pool, second).back());
  leaves_alone(pool, 1, [&] {
    refused("a takeover that came twice", ErrorCode::no_available_id,
            [&] { pool.acquire(second.request); });
    refused("a release by who was taken over", ErrorCode::token_mismatch,
            [&] { pool.release(second); });
  });
  demand_same(pool.renew(third), third.grant);
}

// Whoever said that the former holder is gone may be wrong.
void taken_over_id_comes_free_no_sooner(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  Holding present = pool.hold("pod-1");
  const milliseconds start = pool.elapsed();
  const milliseconds promised = pool.view(1).free_in;
  for (const bool by_token : {false, true}) {  // a chain of takeovers, each of which gives it back
    present = pool.hold(takeovers(pool, present).at(by_token ? 1 : 0));
    pool.release(present);
    const milliseconds kept = pool.view(1).free_in;
    demand(kept >= promised - pool.elapsed_since(start),
           "a release freed an ID before the former holder's time");
    const Error error = refused("an acquisition", ErrorCode::no_available_id, [&] { pool.hold(); });
    demand(error.retry_after().value_or(milliseconds{0}) >= promised - pool.elapsed_since(start),
           "an ID is said to come free before the former holder's time");
  }
  // The name goes on with it.
  present = pool.hold(takeovers(pool, present).front());
  demand_same(pool.renew(present), present.grant);
}

void evicted_after_a_takeover_it_comes_free_no_sooner(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  const Holding former = pool.hold("pod-1");
  const milliseconds start = pool.elapsed();
  const milliseconds promised = pool.view(1).free_in;
  const Holding present = pool.hold(takeovers(pool, former).front());
  pool.evict(present.grant);
  const milliseconds kept = pool.view(1).free_in;
  demand(kept >= promised - pool.elapsed_since(start),
         "an eviction freed an ID before the former holder's time");
  const Holding next = pool.hold(takeovers(pool, present).back());
  pool.release(next);
  refused("an acquisition", ErrorCode::no_available_id, [&] { pool.hold(); });
}

void former_lease_is_found(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  demand(!pool.former_lease("pod-1"), "an unknown cluster shows a former lease");
  const Holding holding = pool.hold("pod-1");
  pool.hold("pod-2");
  const auto shows = [&](const Grant& grant) {
    const auto former = pool.former_lease("pod-1");
    demand(former.has_value(), "the lease of an instance is not found");
    demand_equal("the worker ID", former->worker_id, grant.worker_id);
    demand_equal("the epoch", former->epoch, grant.epoch);
    demand_equal("the instance", former->instance, std::string{"pod-1"});
  };
  shows(holding.grant);
  shows(pool.renew(holding, Renewal::resume));
  pool.release(holding);
  demand_equal("the state", pool.former_lease("pod-1")->state, LeaseState::free);
  shows(pool.hold("pod-1").grant);
  demand(!pool.former_lease("pod-3"), "an instance without a lease shows a former one");
}

// ---- Epochs and timestamps ----------------------------------------------------------------------

void epochs_grow(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  Grant last = pool.hold().grant;
  const auto grows = [&](const Grant& grant) {
    demand_follows(grant, last);
    demand_equal("the last epoch shown", pool.view().last_epoch, grant.epoch);
    last = grant;
  };
  const Holding second = pool.hold();
  grows(second.grant);
  grows(pool.renew(second, Renewal::resume));
  const Holding third = pool.hold();
  grows(third.grant);
  pool.release(second);
  demand_equal("the last epoch after a release", pool.view().last_epoch, last.epoch);
  grows(pool.hold().grant);
  pool.renew(third);
  demand_equal("the last epoch after a renewal", pool.view().last_epoch, last.epoch);
}

constexpr WallTime year_2100{std::chrono::seconds{4'102'444'800}};
constexpr WallTime just_after_1970{milliseconds{5}};
constexpr WallTime before_1970{-std::chrono::hours{24 * 365}};

void reserved_timestamps_never_overlap(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  std::optional<Grant> former;
  for (const std::optional<WallTime> wall : {std::optional<WallTime>{},
                                             {just_after_1970},
                                             {year_2100},
                                             {before_1970},
                                             {},
                                             {year_2100}}) {
    pool.set_client_wall(wall);
    const Holding holding = pool.hold();
    if (former) demand_follows(holding.grant, *former);
    const Grant renewed = pool.renew(holding);
    demand(renewed.reserved.last_ms >= holding.grant.reserved.last_ms,
           "a renewal shortened the reserved range");
    const Grant resumed = pool.renew(holding, Renewal::resume);
    demand_follows(resumed, renewed);
    pool.release(holding);
    former = resumed;
  }
}

void renewal_moves_the_reservation_forward(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  pool.set_client_wall(just_after_1970);
  const Holding holding = pool.hold();
  const auto end_for = [](WallTime wall) { return (wall.time_since_epoch() + for_ever).count(); };
  demand(holding.grant.reserved.last_ms >= end_for(just_after_1970),
         "the reserved timestamps end before the lease does");
  const WallTime later = just_after_1970 + for_ever;
  pool.set_client_wall(later);
  const Grant renewed = pool.renew(holding);
  demand(renewed.reserved.last_ms >= end_for(later), "a renewal reserved too few timestamps");
  pool.set_client_wall(before_1970);
  demand_equal("the range after a renewal with an earlier clock", pool.renew(holding).reserved,
               renewed.reserved);
}

void release_gives_unused_timestamps_back(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  pool.set_client_wall(just_after_1970);
  const Holding first = pool.hold();
  leaves_alone(pool, 1, [&] {
    refused("release with a timestamp beyond the range", ErrorCode::invalid_argument,
            [&] { pool.release(first, true, first.grant.reserved.last_ms + 1); });
  });
  const std::int64_t used = first.grant.reserved.first_ms + 7;
  pool.release(first, true, used);
  const Holding second = pool.hold();
  demand_equal("the first timestamp after a release", second.grant.reserved.first_ms, used + 1);

  pool.release(second, true, 0);
  const Holding third = pool.hold();
  demand_equal("the first timestamp after a release that used none", third.grant.reserved.first_ms,
               second.grant.reserved.first_ms);

  pool.release(third);
  demand_follows(pool.hold().grant, third.grant);
}

void client_clock_does_not_poison(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  pool.set_client_wall(year_2100);
  const Holding holding = pool.hold();
  const auto latest = (year_2100 - std::chrono::hours{24 * 365}).time_since_epoch().count();
  demand(holding.grant.reserved.last_ms < latest,
         "a client in the year 2100 reserved timestamps up to " +
             text(holding.grant.reserved.last_ms));
  demand(pool.renew(holding).reserved.last_ms < latest,
         "a renewal in the year 2100 reserved timestamps until then");
}

void client_clock_decides_no_expiry(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  const Holding holding = pool.hold();
  const WallTime now = boottime_clock()->now().wall;
  for (const WallTime wall : {now + 4 * for_ever, year_2100, before_1970}) {
    pool.set_client_wall(wall);
    leaves_alone(pool, holding.grant.worker_id, [&] {
      refused("an acquisition by a client with another clock", ErrorCode::no_available_id,
              [&] { pool.hold(); });
    });
    pool.renew(holding);
  }
}

// ---- Configuration ------------------------------------------------------------------------------

void other_configuration_is_refused(const StoreSubject& subject) {
  const Configuration stored{10, 20, for_ever, for_ever / 2, milliseconds{1500}};
  Pool pool(subject, stored);
  const Holding holding = pool.hold();

  const auto refused_with = [&](const Configuration& other, std::int64_t stored_value,
                                std::int64_t other_value) {
    AcquireRequest request = pool.request();
    request.configuration = other;
    const Error error = refused("an acquisition with another configuration",
                                ErrorCode::configuration_mismatch, [&] { pool.acquire(request); });
    for (const std::int64_t value : {stored_value, other_value}) {
      demand(std::string{error.what()}.find(text(value)) != std::string::npos,
             "the refusal does not name " + text(value) + ": " + error.what());
    }
  };
  const auto changed = [&](auto member, auto value) {
    Configuration other = stored;
    other.*member = value;
    return other;
  };
  refused_with(changed(&Configuration::min_worker_id, 11), 10, 11);
  refused_with(changed(&Configuration::max_worker_id, 19), 20, 19);
  refused_with(changed(&Configuration::lease_time, milliseconds{4321}), for_ever.count(), 4321);
  refused_with(changed(&Configuration::reuse_delay, milliseconds{4322}), for_ever.count() / 2,
               4322);
  refused_with(changed(&Configuration::cool_down, milliseconds{4323}), 1500, 4323);

  demand(pool.view().configuration == stored, "a refused configuration was recorded");
  pool.renew(holding);
  pool.hold();
  pool.release(holding);
}

// ---- What is shown, and what is refused ---------------------------------------------------------

void inspect_shows_states_and_counts(const StoreSubject& subject) {
  const milliseconds lease_time = subject.lease_time;
  Pool pool(subject, {11, 20, lease_time, for_ever, for_ever / 2});
  const Holding expired = pool.hold("left");
  pool.outlast(lease_time);
  const Holding released = pool.hold();
  pool.release(released, false);
  const milliseconds start = pool.elapsed();
  const Holding leased = pool.hold("present");

  const ClusterView view = pool.view();
  demand(view.configuration == pool.configuration(), "inspect shows another configuration");
  demand_equal("the last epoch", view.last_epoch, leased.grant.epoch);
  demand_equal("the number of IDs never granted", view.never_granted, WorkerId{7});
  demand_equal("the number of records", view.leases.size(), std::size_t{3});
  demand(std::is_sorted(view.leases.begin(), view.leases.end(),
                        [](const LeaseView& left, const LeaseView& right) {
                          return left.worker_id < right.worker_id;
                        }),
         "inspect does not show the worker IDs in ascending order");

  const LeaseView left = pool.view(expired.grant.worker_id);
  demand_equal("the state after the lease", left.state, LeaseState::expired);
  demand_equal("the instance", left.instance, std::string{"left"});
  demand_equal("the epoch", left.epoch, expired.grant.epoch);
  demand_equal("the time left", left.lease_left, milliseconds{0});
  demand_between("the time to reuse", left.free_in, lease_time + for_ever - pool.elapsed(),
                 for_ever);

  const LeaseView cooling = pool.view(released.grant.worker_id);
  demand_equal("the state after a release", cooling.state, LeaseState::cooling_down);
  demand_equal("the time left", cooling.lease_left, milliseconds{0});
  demand_between("the time to reuse", cooling.free_in, for_ever / 2 - pool.elapsed(), for_ever / 2);

  demand_leased(pool, leased.grant.worker_id, start);
  const LeaseView present = pool.view(leased.grant.worker_id);
  demand_equal("the owner", present.owner, leased.request.owner);
  demand_equal("the reserved range", present.reserved, leased.grant.reserved);
  demand_between("the time left", present.lease_left,
                 std::max(milliseconds{0}, lease_time - pool.elapsed_since(start)), lease_time);
  demand_equal("the number of expired leases", pool.view().count(LeaseState::cooling_down),
               WorkerId{1});
}

void released_id_is_shown_free(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  pool.release(holding);
  const LeaseView view = pool.view(holding.grant.worker_id);
  demand_equal("the state", view.state, LeaseState::free);
  demand_equal("the time to reuse", view.free_in, milliseconds{0});
  demand_equal("the number of free IDs", pool.view().count(LeaseState::free), WorkerId{1});
}

void unknown_cluster_is_empty(const StoreSubject& subject) {
  const std::shared_ptr<Store> store = subject.open();
  const std::string unknown = "conformance-" + Token::random().text();
  demand(!store->inspect(unknown, timeout), "inspect shows a cluster that was never used");
  demand(!store->inspect(unknown, timeout), "inspect made a cluster");
  demand(!store->description().empty(), "the store has no description");
}

void texts_come_back_as_they_were(const StoreSubject& subject) {
  const std::vector<std::string> texts{
      "plain",
      " spaces at both ends ",
      "工作节点 é ñ 🙂",
      R"(quotes ' " ` and \ \n \u0000)",
      "% %s %41 {} {tag} $1 ?1 :name @x",
      "comma, semicolon; colon: pipe| equals= slash/ star* bracket[a-z]",
      "-- DROP TABLE leases; /* */",
      "0",
      "\xff\xfe not UTF-8 \x80",
      std::string(250, 'x'),
  };
  Pool pool(subject, long_lived(1, 50));
  for (const std::string& value : texts) {
    AcquireRequest request = pool.request(value);
    request.owner = value;
    const Holding holding = pool.hold(request);
    const LeaseView view = pool.view(holding.grant.worker_id);
    demand_equal("the instance", view.instance, value);
    demand_equal("the owner", view.owner, value);
    pool.release(holding);
    demand_equal("the worker ID of the instance " + text(value), pool.hold(value).grant.worker_id,
                 holding.grant.worker_id);
  }
  AcquireRequest request = pool.request();
  request.owner.clear();
  const LeaseView nameless = pool.view(pool.hold(request).grant.worker_id);
  demand_equal("the instance", nameless.instance, std::string{});
  demand_equal("the owner", nameless.owner, std::string{});
}

void invalid_requests_are_refused(const StoreSubject& subject) {
  const std::shared_ptr<Store> store = subject.open();
  Pool pool(subject, long_lived(1, 3));
  const auto refused_if = [&](const std::string& what, ErrorCode code, auto change) {
    AcquireRequest request = pool.request("name");
    change(request);
    refused(what, code, [&] { store->acquire(request, timeout); });
  };
  const auto invalid = ErrorCode::invalid_argument;
  refused_if("an empty cluster name", invalid, [](auto& request) { request.cluster = ""; });
  refused_if("a cluster name with a space", invalid,
             [](auto& request) { request.cluster = "a b"; });
  refused_if("a long cluster name", invalid,
             [](auto& request) { request.cluster = std::string(101, 'a'); });
  refused_if("an empty token", ErrorCode::invalid_token, [](auto& request) { request.token = {}; });
  refused_if("a control character", invalid, [](auto& request) { request.instance = "a\nb"; });
  refused_if("a long owner", invalid, [](auto& request) { request.owner = std::string(251, 'a'); });
  refused_if("a takeover of nobody", invalid, [](auto& request) {
    request.instance = "";
    request.takeover.epoch = 1;
  });
  refused_if("a takeover that names too many tokens", invalid, [](auto& request) {
    request.takeover.tokens.assign(Takeover::most_tokens + 1, Token::random());
  });
  refused_if("a takeover that names an empty token", ErrorCode::invalid_token,
             [](auto& request) { request.takeover.tokens = {Token{}}; });
  refused_if("an empty range", invalid,
             [](auto& request) { request.configuration.max_worker_id = 0; });
  refused_if("an ID beyond the largest", invalid,
             [](auto& request) { request.configuration.max_worker_id = largest_worker_id + 1; });
  refused_if("no lease time", invalid,
             [](auto& request) { request.configuration.lease_time = milliseconds{0}; });

  const Token token = Token::random();
  refused("renewal of worker ID -1", ErrorCode::invalid_worker_id, [&] { pool.renew(-1, token); });
  refused("release of worker ID -1", ErrorCode::invalid_worker_id,
          [&] { pool.release(-1, token); });
  refused("renewal without a token", ErrorCode::invalid_token, [&] { pool.renew(1, Token{}); });
  refused("release without a token", ErrorCode::invalid_token, [&] { pool.release(1, Token{}); });
  refused("an acquisition without time", invalid,
          [&] { store->acquire(pool.request(), milliseconds{0}); });
  demand(!store->inspect(pool.cluster(), timeout), "a refused request made the cluster");
}

// ---- A store that forgot --------------------------------------------------------------------------

void restoring_a_known_lease_extends_it(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 2));
  const Holding holding = pool.hold();
  demand_same(pool.restore(holding), holding.grant);
  demand_equal("the hold-back", pool.view().hold_back, milliseconds{0});
  demand_follows(pool.hold().grant, holding.grant);
}

void lost_lease_is_restored(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 10));
  const Holding lost = pool.lost(7);
  demand_same(pool.restore(lost), lost.grant);
  demand_same(pool.restore(lost), lost.grant);  // G5
  demand_same(pool.renew(lost, Renewal::held), lost.grant);
  const LeaseView lease = pool.view(7);
  demand_equal("the state", lease.state, LeaseState::leased);
  demand_equal("the instance", lease.instance, lost.request.instance);
  demand_equal("the owner", lease.owner, lost.request.owner);
  demand_equal("the number of IDs never granted", pool.view().never_granted, WorkerId{9});
}

void store_that_forgot_holds_back(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 10));
  const Holding lost = pool.lost(7);
  pool.restore(lost);
  const milliseconds longest = pool.configuration().lease_time + pool.configuration().reuse_delay;
  demand_between("the hold-back", pool.view().hold_back, milliseconds{1}, longest);
  for (const bool fresh : {false, true}) {
    AcquireRequest request = pool.request();
    request.fresh = fresh;
    const Error error =
        refused("an acquisition", ErrorCode::holding_back, [&] { pool.acquire(request); });
    demand_between("the time left", error.retry_after().value_or(milliseconds{0}), milliseconds{1},
                   longest);
  }
  // Only who is known to be valid goes on.
  for (const Renewal renewal : {Renewal::strict, Renewal::resume}) {
    refused("a renewal", ErrorCode::holding_back, [&] { pool.renew(lost, renewal); });
  }
  pool.restore(pool.lost(3));
}

void restored_ids_are_passed_over(const StoreSubject& subject) {
  constexpr milliseconds reuse_delay{0};
  Pool pool(subject, short_lived(subject, 1, 3, reuse_delay));
  const Holding first = pool.lost(1);
  const Holding second = pool.lost(2);
  pool.restore(second);
  pool.restore(first);
  pool.outlast(subject.lease_time);
  pool.renew(first, Renewal::held);
  pool.renew(second, Renewal::held);
  const Holding next = pool.hold();
  demand_equal("the worker ID", next.grant.worker_id, WorkerId{3});
  demand_follows(next.grant, second.grant);
}

void repetition_after_a_loss_is_a_new_grant(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, milliseconds{0}));
  const Holding holding = pool.hold();
  pool.go_back(holding);
  pool.outlast(subject.lease_time);
  const Grant repeated = pool.acquire(holding.request);
  demand_equal("the worker ID", repeated.worker_id, holding.grant.worker_id);
  demand_follows(repeated, holding.grant);
}

void restored_lease_is_not_taken(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 10));
  const Holding first = pool.lost(7);
  pool.restore(first);
  for (const std::uint64_t earlier : {std::uint64_t{0}, std::uint64_t{1'000'000}}) {
    Holding second = pool.lost(7);
    second.grant.epoch = first.grant.epoch - earlier;
    leaves_alone(pool, 7, [&] {
      refused("a second restoration", ErrorCode::token_mismatch, [&] { pool.restore(second); });
    });
  }
  demand_same(pool.renew(first, Renewal::held), first.grant);
}

// A message of an earlier holder, whose promise was over before the later grant, was held up.
void later_grant_is_restored(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 10));
  Holding earlier = pool.lost(7);
  earlier.grant.epoch -= 1'000'000;
  pool.restore(earlier);
  const Holding later = pool.lost(7);
  demand_same(pool.restore(later), later.grant);
  demand_powerless(pool, earlier, ErrorCode::token_mismatch);
  demand_same(pool.renew(later, Renewal::held), later.grant);
}

// A holder that does not know whether its validity still runs may have lapsed long ago.
void strict_renewal_after_a_loss_is_refused(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, milliseconds{0}));
  const Holding holding = pool.hold();
  pool.go_back(holding);
  pool.outlast(subject.lease_time);
  pool.renew(holding, Renewal::held);
  leaves_alone(pool, holding.grant.worker_id, [&] {
    refused("a strict renewal", ErrorCode::token_expired, [&] { pool.renew(holding); });
  });
  // A restoration says that its holder was valid when it was sent; a resumption is a grant.
  pool.restore(holding);
  refused("a strict renewal after a restoration", ErrorCode::token_expired,
          [&] { pool.renew(holding); });
  pool.renew(holding, Renewal::resume);
  const milliseconds start = pool.elapsed();
  try {
    pool.renew(holding);
  } catch (const Error&) {
    demand(pool.elapsed_since(start) >= subject.lease_time,
           "a strict renewal was refused after the lease was granted anew");
  }
}

void granted_id_is_not_restored_by_another(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  Holding former = pool.lost(1);
  const Holding holding = pool.hold();
  former.grant.epoch = holding.grant.epoch - 1;
  leaves_alone(pool, 1, [&] {
    refused("a restoration by a former holder", ErrorCode::token_mismatch,
            [&] { pool.restore(former); });
  });
  demand_equal("the hold-back", pool.view().hold_back, milliseconds{0});
}

void released_lease_is_not_restored(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  const Holding holding = pool.hold();
  pool.release(holding);
  refused("a restoration after the release", ErrorCode::not_assigned,
          [&] { pool.restore(holding); });
  refused("a restoration outside the range", ErrorCode::invalid_worker_id,
          [&] { pool.restore(pool.lost(2)); });
}

void witness_shows_that_a_store_went_back(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  const Holding holding = pool.hold();
  AcquireRequest request = pool.request();
  request.seen_epoch = holding.grant.epoch;
  pool.acquire(request);
  const std::uint64_t seen = pool.go_back(holding);
  refused("an acquisition after it", ErrorCode::holding_back, [&] { pool.hold(); });
  demand_same(pool.renew(holding, Renewal::held), holding.grant);
  demand(pool.view().last_epoch > seen, "a seen epoch may be granted again");  // G4
}

// ---- Administration, which a store may leave out ---------------------------------------------------

// The check, for a store that answers its verbs.
auto where_supported(void (*check)(const StoreSubject&)) {
  return [check](const StoreSubject& subject) {
    try {
      check(subject);
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::unsupported_server) throw;
    }
  };
}

void clusters_are_listed(const StoreSubject& subject) {
  const std::shared_ptr<Store> store = subject.open();
  Pool first(subject, long_lived(1, 3));
  Pool second(subject, long_lived(0, 1), first.cluster() + ":b/2.x_");
  Pool unused(subject, long_lived(1, 3));
  first.hold();
  second.hold();
  refused("a renewal in a cluster that was never used", ErrorCode::not_assigned,
          [&] { unused.renew(1, Token::random()); });
  const std::vector<std::string> names = store->clusters(timeout);
  demand(std::is_sorted(names.begin(), names.end()), "the names are not in ascending order");
  for (const auto& [pool, times] :
       {std::pair{&first, std::ptrdiff_t{1}}, {&second, 1}, {&unused, 0}}) {
    demand_equal("how often the cluster " + text(pool->cluster()) + " is listed",
                 std::count(names.begin(), names.end(), pool->cluster()), times);
  }
}

void growing_gives_more_ids(const StoreSubject& subject) {
  Pool pool(subject, {5, 6, for_ever, for_ever / 2, milliseconds{7}});
  const std::vector<Holding> holdings = pool.hold_all();
  const AcquireRequest former = pool.request();
  Configuration expected = pool.configuration();
  expected.max_worker_id = 8;
  demand(pool.resize(5, 8) == expected, "the answer to a resize is not the new configuration");
  demand(pool.resize(5, 8) == expected, "repeating a resize changed something");
  demand(pool.view().configuration == expected, "inspect does not show the new range alone");
  demand_equal("the number of IDs never granted", pool.view().never_granted, WorkerId{2});
  refused("an acquisition for the former range", ErrorCode::configuration_mismatch,
          [&] { pool.acquire(former); });
  for (const WorkerId next : {7, 8}) {
    demand_equal("the worker ID", pool.hold().grant.worker_id, next);
  }
  refused("one acquisition more", ErrorCode::no_available_id, [&] { pool.hold(); });
  pool.resize(3, 8);
  demand_equal("the number of IDs never granted", pool.view().never_granted, WorkerId{2});
  for (const WorkerId next : {3, 4}) {
    demand_equal("the worker ID", pool.hold().grant.worker_id, next);
  }
  refused("one acquisition more", ErrorCode::no_available_id, [&] { pool.hold(); });
  for (const Holding& holding : holdings) {
    demand_same(pool.renew(holding), holding.grant);
    pool.release(holding);
  }
}

void shrinking_leaves_holders_alone(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 4));
  const Holding low = pool.hold();
  const Holding second = pool.hold();
  const Holding named = pool.hold("name");
  const Holding other = pool.hold("other");
  pool.resize(2, 3);
  demand_equal("the number of IDs never granted", pool.view().never_granted, WorkerId{0});
  for (const Holding* const holding : {&low, &second, &named, &other}) {
    demand_same(pool.renew(*holding), holding->grant);
    demand_same(pool.renew(*holding, Renewal::held), holding->grant);
    demand_same(pool.restore(*holding), holding->grant);
    demand_equal("the state", pool.view(holding->grant.worker_id).state, LeaseState::leased);
  }
  // A resumption is a new grant.
  refused("a resumption outside the range", ErrorCode::invalid_worker_id,
          [&] { pool.renew(other, Renewal::resume); });
  demand_same(pool.renew(other), other.grant);
  for (const AcquireRequest& takeover : takeovers(pool, other)) {
    refused("a takeover outside the range", ErrorCode::no_available_id,
            [&] { pool.acquire(takeover); });
  }
  pool.release(low);
  pool.release(other);
  demand_equal("the number of records", pool.view().leases.size(), std::size_t{2});
  demand_equal("the number of free IDs", pool.view().count(LeaseState::free), WorkerId{0});
  refused("an acquisition when only IDs outside the range are free", ErrorCode::no_available_id,
          [&] { pool.hold(); });
  pool.release(second);
  demand_equal("the worker ID", pool.hold("other").grant.worker_id, WorkerId{2});
  refused("a renewal of an ID that never was", ErrorCode::invalid_worker_id,
          [&] { pool.renew(7, Token::random()); });
}

void ids_that_come_back_into_the_range_are_remembered(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 4));
  const std::vector<Holding> holdings = pool.hold_all();
  for (const Holding& holding : holdings) pool.release(holding);
  pool.resize(1, 1);
  const Holding only = pool.hold();
  demand_equal("the worker ID", only.grant.worker_id, WorkerId{1});
  refused("an acquisition beside it", ErrorCode::no_available_id, [&] { pool.hold(); });
  pool.resize(1, 4);
  demand_equal("the number of IDs never granted", pool.view().never_granted, WorkerId{0});
  std::set<WorkerId> seen;
  for (std::size_t count = 0; count < 3; ++count) {
    const Grant grant = pool.hold().grant;
    demand(seen.insert(grant.worker_id).second, "one worker ID was granted twice");
    demand_follows(grant, holdings.at(static_cast<std::size_t>(grant.worker_id) - 1).grant);
  }
}

void lapsed_ids_outside_the_range_stay_out(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 3, milliseconds{0}));
  const std::vector<Holding> former = pool.hold_all();
  pool.resize(2, 2);
  pool.outlast(subject.lease_time);
  for (const Holding& holding : {former[0], former[2]}) {
    refused("a resumption outside the range", ErrorCode::invalid_worker_id,
            [&] { pool.renew(holding, Renewal::resume); });
  }
  demand_equal("the worker ID", pool.hold().grant.worker_id, WorkerId{2});
}

void resize_needs_a_cluster_and_a_range(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 3));
  refused("a resize of a cluster that was never used", ErrorCode::invalid_argument,
          [&] { pool.resize(1, 3); });
  demand(!subject.open()->inspect(pool.cluster(), timeout), "a refused resize made the cluster");
  pool.hold();
  for (const auto& [low, high] :
       {std::pair<WorkerId, WorkerId>{-1, 3}, {4, 3}, {1, largest_worker_id + 1}}) {
    refused("a resize to no range", ErrorCode::invalid_argument,
            [&, low = low, high = high] { pool.resize(low, high); });
  }
  demand_equal("the highest worker ID", pool.view().configuration.max_worker_id, WorkerId{3});
}

void evicted_holder_is_refused(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 2));
  const Holding holding = pool.hold("name");
  const Holding other = pool.hold();
  pool.evict(holding.grant);
  for (const Renewal renewal : renewals) {
    refused("a renewal after the eviction", ErrorCode::not_assigned,
            [&] { pool.renew(holding, renewal); });
  }
  refused("a restoration after the eviction", ErrorCode::not_assigned,
          [&] { pool.restore(holding); });
  refused("an acquisition with the token of the former holder", ErrorCode::invalid_token,
          [&] { pool.acquire(holding.request); });
  pool.release(holding);  // it is over, as its holder wishes
  demand_equal("the state", pool.view(holding.grant.worker_id).state, LeaseState::cooling_down);
  demand_same(pool.renew(other), other.grant);
}

// G1: its former holder may be valid to the end of its lease.
void eviction_frees_no_id_sooner(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 1));
  const Holding holding = pool.hold();
  const milliseconds start = pool.elapsed();
  const LeaseView before = pool.view(1);
  const milliseconds kept = pool.evict(holding.grant);
  pool.release(holding);  // frees it no sooner either
  const LeaseView after = pool.view(1);
  const milliseconds passed = pool.elapsed_since(start);
  demand_between("the time that others must wait", kept, before.free_in - passed, before.free_in);
  demand_between("the time to reuse", after.free_in, before.free_in - passed, before.free_in);
  demand_equal("the reserved range", after.reserved, before.reserved);
  const Error error = refused("an acquisition", ErrorCode::no_available_id, [&] { pool.hold(); });
  demand_between("the time left", error.retry_after().value_or(milliseconds{0}),
                 before.free_in - pool.elapsed_since(start), before.free_in);
}

void evicted_id_comes_back(const StoreSubject& subject) {
  Pool pool(subject, short_lived(subject, 1, 1, subject.lease_time / 2));
  const Holding holding = pool.hold();
  pool.evict(holding.grant);
  pool.outlast(subject.lease_time + subject.lease_time / 2);
  const Holding next = pool.hold();
  demand_equal("the worker ID", next.grant.worker_id, WorkerId{1});
  demand_follows(next.grant, holding.grant);
  refused("a renewal by the evicted holder", ErrorCode::token_mismatch,
          [&] { pool.renew(holding, Renewal::resume); });
}

void eviction_means_one_lease(const StoreSubject& subject) {
  Pool pool(subject, long_lived(1, 2));
  const Holding former = pool.hold();
  refused("an eviction from an ID that was never granted", ErrorCode::not_assigned,
          [&] { pool.evict(2, former.grant.epoch); });
  refused("an eviction outside the range", ErrorCode::invalid_worker_id,
          [&] { pool.evict(3, former.grant.epoch); });
  leaves_alone(pool, 1, [&] {
    refused("an eviction under another epoch", ErrorCode::not_assigned,
            [&] { pool.evict(1, former.grant.epoch + 1); });
  });
  const Grant resumed = pool.renew(former, Renewal::resume);
  leaves_alone(pool, 1, [&] {
    refused("an eviction under a former epoch", ErrorCode::not_assigned,
            [&] { pool.evict(former.grant); });
  });
  pool.renew(former);
  pool.evict(resumed);
  leaves_alone(pool, 1, [&] { pool.evict(resumed); });  // G5
  refused("an eviction without an epoch", ErrorCode::invalid_argument, [&] { pool.evict(1, 0); });
  const Holding other = pool.hold();
  pool.release(other);
  refused("an eviction from a free ID", ErrorCode::not_assigned, [&] { pool.evict(other.grant); });
}

}  // namespace

const std::vector<ConformanceCheck>& store_conformance() {
  static const std::vector<ConformanceCheck> checks{
      {"ids_are_distinct_and_in_range", "G1", ids_are_distinct_and_in_range},
      {"one_id_is_a_range", "G1", one_id_is_a_range},
      {"widest_range_costs_nothing", "G1", widest_range_costs_nothing},
      {"threads_get_distinct_ids", "G1", threads_get_distinct_ids},
      {"threads_share_a_small_pool", "G1", threads_share_a_small_pool},
      {"clusters_are_independent", "G1", clusters_are_independent},
      {"exhaustion_says_when_an_id_may_come_free", "G9", exhaustion_says_when_an_id_may_come_free},
      {"an_id_comes_free_when_it_was_said", "G9", an_id_comes_free_when_it_was_said},
      {"wrong_token_changes_nothing", "G3", wrong_token_changes_nothing},
      {"token_of_another_id_changes_nothing", "G3", token_of_another_id_changes_nothing},
      {"ids_not_granted_are_refused", "G3", ids_not_granted_are_refused},
      {"renewal_extends_and_keeps_the_grant", "G3", renewal_extends_and_keeps_the_grant},
      {"renewals_together_extend_each", "G3", renewals_together_extend_each},
      {"renewal_refused_among_others_touches_none", "G3",
       renewal_refused_among_others_touches_none},
      {"renewals_of_one_lease_together_count_in_order", "G4",
       renewals_of_one_lease_together_count_in_order},
      {"strict_renewal_never_revives", "G3", strict_renewal_never_revives},
      {"held_renewal_keeps_an_unclaimed_lease", "G2", held_renewal_keeps_an_unclaimed_lease},
      {"resumption_is_a_new_grant_of_the_same_id", "G4", resumption_is_a_new_grant_of_the_same_id},
      {"unclaimed_lease_resumes_late", "G4", unclaimed_lease_resumes_late},
      {"nothing_revives_an_id_granted_to_another", "G3", nothing_revives_an_id_granted_to_another},
      {"release_twice_is_no_error", "G5", release_twice_is_no_error},
      {"released_lease_is_not_renewed", "G3", released_lease_is_not_renewed},
      {"strict_release_of_an_ended_lease_is_refused", "G3",
       strict_release_of_an_ended_lease_is_refused},
      {"late_messages_of_a_former_holder_do_nothing", "G3",
       late_messages_of_a_former_holder_do_nothing},
      {"repeated_acquisition_returns_the_same_grant", "G5",
       repeated_acquisition_returns_the_same_grant},
      {"acquisition_repeated_at_once_is_one_grant", "G5",
       acquisition_repeated_at_once_is_one_grant},
      {"acquisition_repeated_late_is_refreshed", "G5", acquisition_repeated_late_is_refreshed},
      {"released_token_acquires_nothing", "G5", released_token_acquires_nothing},
      {"ids_never_used_come_first", "G6", ids_never_used_come_first},
      {"longest_free_comes_next", "G6", longest_free_comes_next},
      {"reuse_delay_is_kept", "G6", reuse_delay_is_kept},
      {"cool_down_is_kept", "G6", cool_down_is_kept},
      {"ids_come_back_after_their_delay", "G6", ids_come_back_after_their_delay},
      {"instance_gets_its_id_back", "G6", instance_gets_its_id_back},
      {"instance_is_a_wish", "G1", instance_is_a_wish},
      {"takeover_resumes_at_once", "G4", takeover_resumes_at_once},
      {"takeover_leaves_others_alone", "G1", takeover_leaves_others_alone},
      {"takeover_means_one_lease", "G1", takeover_means_one_lease},
      {"takeover_finds_the_lease_that_it_names", "G1", takeover_finds_the_lease_that_it_names},
      {"taken_over_id_comes_free_no_sooner", "G1", taken_over_id_comes_free_no_sooner},
      {"former_lease_is_found", "G1", former_lease_is_found},
      {"epochs_grow", "G4", epochs_grow},
      {"reserved_timestamps_never_overlap", "G8", reserved_timestamps_never_overlap},
      {"renewal_moves_the_reservation_forward", "G8", renewal_moves_the_reservation_forward},
      {"release_gives_unused_timestamps_back", "G8", release_gives_unused_timestamps_back},
      {"client_clock_does_not_poison", "G8", client_clock_does_not_poison},
      {"client_clock_decides_no_expiry", "G1", client_clock_decides_no_expiry},
      {"other_configuration_is_refused", "G12", other_configuration_is_refused},
      {"inspect_shows_states_and_counts", "G9", inspect_shows_states_and_counts},
      {"released_id_is_shown_free", "G6", released_id_is_shown_free},
      {"unknown_cluster_is_empty", "G3", unknown_cluster_is_empty},
      {"texts_come_back_as_they_were", "G3", texts_come_back_as_they_were},
      {"invalid_requests_are_refused", "G3", invalid_requests_are_refused},
      {"restoring_a_known_lease_extends_it", "G7", restoring_a_known_lease_extends_it},
      {"lost_lease_is_restored", "G7", lost_lease_is_restored},
      {"store_that_forgot_holds_back", "G7", store_that_forgot_holds_back},
      {"restored_ids_are_passed_over", "G7", restored_ids_are_passed_over},
      {"repetition_after_a_loss_is_a_new_grant", "G7", repetition_after_a_loss_is_a_new_grant},
      {"restored_lease_is_not_taken", "G7", restored_lease_is_not_taken},
      {"later_grant_is_restored", "G7", later_grant_is_restored},
      {"strict_renewal_after_a_loss_is_refused", "G7", strict_renewal_after_a_loss_is_refused},
      {"granted_id_is_not_restored_by_another", "G7", granted_id_is_not_restored_by_another},
      {"released_lease_is_not_restored", "G7", released_lease_is_not_restored},
      {"witness_shows_that_a_store_went_back", "G7", witness_shows_that_a_store_went_back},
      {"clusters_are_listed", "G9", where_supported(clusters_are_listed)},
      {"growing_gives_more_ids", "G12", where_supported(growing_gives_more_ids)},
      {"shrinking_leaves_holders_alone", "G12", where_supported(shrinking_leaves_holders_alone)},
      {"ids_that_come_back_into_the_range_are_remembered", "G8",
       where_supported(ids_that_come_back_into_the_range_are_remembered)},
      {"lapsed_ids_outside_the_range_stay_out", "G12",
       where_supported(lapsed_ids_outside_the_range_stay_out)},
      {"resize_needs_a_cluster_and_a_range", "G12",
       where_supported(resize_needs_a_cluster_and_a_range)},
      {"evicted_holder_is_refused", "G3", where_supported(evicted_holder_is_refused)},
      {"eviction_frees_no_id_sooner", "G1", where_supported(eviction_frees_no_id_sooner)},
      {"evicted_after_a_takeover_it_comes_free_no_sooner", "G1",
       where_supported(evicted_after_a_takeover_it_comes_free_no_sooner)},
      {"evicted_id_comes_back", "G6", where_supported(evicted_id_comes_back)},
      {"eviction_means_one_lease", "G3", where_supported(eviction_means_one_lease)},
  };
  return checks;
}

bool run_store_conformance(const StoreSubject& subject, std::ostream& output) {
  int failures = 0;
  for (const ConformanceCheck& check : store_conformance()) {
    const std::string title = check.name + " (" + check.guarantee + ")";
    try {
      check.run(subject);
      output << "ok    " << title << '\n';
    } catch (const std::exception& failure) {
      ++failures;
      output << "FAIL  " << title << ": " << failure.what() << '\n';
    }
    output.flush();
  }
  const auto total = static_cast<int>(store_conformance().size());
  output << total - failures << " of " << total << " checks passed\n";
  return failures == 0;
}

}  // namespace workerid::testing
