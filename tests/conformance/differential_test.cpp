// SPDX-License-Identifier: MIT
//
// Random operations on a store and on the memory store, the model, compared step by step. The seed
// of a run is printed; WORKERID_TEST_SEED replays it.
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/redis_store.hpp>
#include <workerid/sqlite_store.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::ManualClock;

constexpr milliseconds timeout = std::chrono::seconds{30};

std::uint64_t seed_of_this_run() {
  const char* given = std::getenv("WORKERID_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "replay with WORKERID_TEST_SEED=" << seed << '\n';
  return seed;
}

// What an operation did: granted, was refused, or neither.
struct Outcome {
  std::optional<Grant> grant;
  std::optional<ErrorCode> error;
  std::optional<milliseconds> retry_after;
};

// How closely two stores can be compared.
enum class Comparison {
  exact,     // They share a clock: everything is equal.
  timeless,  // Each has its own: all but times is equal, and epochs are in the same order.
};

// Draws operations, does each on both stores, and says where they first differ.
class Comparator {
 public:
  Comparator(Store& model, Store& subject, Comparison comparison, std::uint64_t seed,
             std::function<void(milliseconds)> let_time_pass,
             std::function<void(milliseconds)> step_wall = {})
      : model_(model),
        subject_(subject),
        comparison_(comparison),
        random_(seed),
        let_time_pass_(std::move(let_time_pass)),
        step_wall_(std::move(step_wall)) {}

  // The first difference, or nothing.
  std::optional<std::string> run(int steps) {
    // Where no time passes, a store that holds back does so to the end.
    losses_from_ = comparison_ == Comparison::exact ? 0 : steps * 8 / 10;
    // And an ID whose holder was evicted is kept to the end.
    evictions_from_ = comparison_ == Comparison::exact ? 0 : steps * 7 / 10;
    for (step_ = 0; step_ < steps && !difference_; ++step_) {
      operate();
      if (step_ % 25 == 0 || difference_) compare_views();
    }
    return difference_;
  }

  // How often the model answered so: "granted", "released", "evicted", "resized", … or an error's name.
  int count(const std::string& answer) const {
    const auto found = answers_.find(answer);
    return found == answers_.end() ? 0 : found->second;
  }

 private:
  static constexpr std::uint64_t invented_epoch = 1;
  static constexpr std::uint64_t never_granted_epoch = largest_epoch;
  static constexpr WorkerId low = 8;
  static constexpr WorkerId high = 21;  // 14 IDs, and one digit more on the way

  struct Known {
    WorkerId worker_id;
    Token token;
  };

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t count) { return below(count) == 0; }

  Configuration configuration() const {
    if (comparison_ == Comparison::exact) {
      return {low_, high_, milliseconds{1000}, milliseconds{500}, milliseconds{100}};
    }
    return {low_, high_, std::chrono::hours{10}, std::chrono::hours{10}, milliseconds{0}};
  }

  // Clocks of any kind; where the store's clock is not the model's, none that it would bound.
  ClientTime client() {
    const std::array<std::int64_t, 4> walls{-5, 1000, 1'600'000'000'000, 4'102'444'800'000};
    const std::uint64_t kinds = comparison_ == Comparison::exact ? walls.size() : walls.size() - 1;
    const auto spread = static_cast<std::int64_t>(below(100'000));
    return {{BootTime{}, WallTime{milliseconds{walls.at(below(kinds)) + spread}}}, ""};
  }

  Token some_token() {
    if (acquisitions_.empty() || one_in(20)) return drawn_token();
    return recent(acquisitions_).token;
  }

  // A token of this run's own draw, so that a seed replays it.
  Token drawn_token() {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    std::string text;
    while (text.size() + 1 < Token::text_length) text += digits[below(digits.size())];
    return Token::parse(text + 'A');
  }

  // One of the last: of the others nothing is left.
  template <typename Value>
  const Value& recent(const std::vector<Value>& values) {
    return values.at(values.size() - 1 - below(std::min<std::uint64_t>(values.size(), 12)));
  }

  // Mostly the latest lease of an ID, sometimes a former one or one that never was.
  Known some_lease() {
    if (known_.empty() || one_in(10)) {
      if (one_in(5)) return {high + 8, some_token()};  // in no range
      return {low_ - 1 + static_cast<WorkerId>(below(static_cast<std::uint64_t>(high_ - low_) + 3)),
              some_token()};
    }
    const WorkerId worker_id =
        low_ + static_cast<WorkerId>(below(static_cast<std::uint64_t>(high_ - low_) + 1));
    const auto latest = std::find_if(known_.rbegin(), known_.rend(), [=](const Known& known) {
      return known.worker_id == worker_id;
    });
    return latest == known_.rend() || one_in(4) ? recent(known_) : *latest;
  }

  void operate() {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return acquire();
      case 3:
      case 4:
        return renew();
      case 5:
      case 6:
      case 7:
        return release();
      case 8:
        return restore();
      case 9:
        return one_in(8) ? resize() : evict();
      default:
        return pass_time();
    }
  }

  void acquire() {
    AcquireRequest request;
    request.cluster = "differential";
    request.configuration = configuration();
    if (!known_.empty() && one_in(30)) request.configuration.max_worker_id += 1;
    const bool repeated = !acquisitions_.empty() && one_in(5);
    if (repeated) {
      request = recent(acquisitions_);
    } else {
      request.token = drawn_token();
      if (one_in(2)) request.instance = "instance " + std::to_string(below(6));
      if (!request.instance.empty() && !known_.empty() && may_take_over()) {
        request.takeover = takeover_of(request.instance);
      }
      request.owner = "owner " + std::to_string(step_);
      request.fresh = true;  // The model has no server that may have lost it.
    }
    request.client = client();
    const std::uint64_t seen_epoch = some_epoch();
    const std::uint64_t named_epoch = request.takeover.epoch;
    acquisitions_.push_back(request);
    std::ostringstream text;
    text << "acquire" << (repeated ? " again" : "")
         << (request.takeover.empty() ? "" : " by takeover") << ' ' << request.instance;
    const auto grant = both(text.str(), [&](Store& store) {
      request.seen_epoch = epoch_of(store, seen_epoch);
      request.takeover.epoch = epoch_of(store, named_epoch);
      return store.acquire(request, timeout);
    });
    if (grant) know(request.token, *grant);
    if (!grant || repeated || request.instance.empty()) return;
    const auto former = of_instance_.find(request.instance);
    if (!request.takeover.empty() && former != of_instance_.end() &&
        former->second.worker_id == grant->worker_id) {
      ++answers_["granted again by name"];
    }
    of_instance_[request.instance] = {grant->worker_id, request.token};
  }

  // Where no time passes, an ID that was taken over and given back is kept to the end.
  bool may_take_over() { return step_ >= evictions_from_ ? one_in(2) : one_in(25); }

  // Names what the instance had last, or something else.
  Takeover takeover_of(const std::string& instance) {
    const auto former = of_instance_.find(instance);
    const Known named = former == of_instance_.end() || one_in(4) ? recent(known_) : former->second;
    if (one_in(2)) return {{recent(known_).token, named.token}, 0};
    const auto granted = grants_.find(named.token);
    return {{}, granted == grants_.end() ? 0 : granted->second.epoch};
  }

  // Mostly of a lease that the store knows.
  void restore() {
    const Known lease = some_lease();
    const auto granted = grants_.find(lease.token);
    if (granted == grants_.end() && !may_lose()) return;
    RestoreRequest request{"differential", configuration(), lease.token, {}, {}, {}, client()};
    if (one_in(2)) request.instance = "instance " + std::to_string(below(6));
    request.owner = "owner " + std::to_string(step_);
    Grant grant{lease.worker_id, invented_epoch, {100, 200}, milliseconds{1000}};
    if (granted != grants_.end()) {
      grant = granted->second;
    } else {
      epochs_.try_emplace(invented_epoch, invented_epoch);  // the same on both
    }
    if (may_lose() && one_in(20)) grant.epoch = some_epoch();
    const auto restored = both("restore " + std::to_string(grant.worker_id), [&](Store& store) {
      request.grant = grant;
      request.grant.epoch = epoch_of(store, grant.epoch);
      return store.restore(request, timeout);
    });
    if (restored) know(lease.token, *restored);
  }

  bool may_lose() const { return step_ >= losses_from_; }

  // One that was granted, or one that shows that the store went back: at first always, for what
  // follows the first loss is what is to be compared.
  std::uint64_t some_epoch() {
    if (may_lose() && (count("holding_back") == 0 || one_in(40))) return never_granted_epoch;
    return std::next(epochs_.begin(), static_cast<std::ptrdiff_t>(below(epochs_.size())))->first;
  }

  // The epoch of this store that stands for one of the model's.
  std::uint64_t epoch_of(const Store& store, std::uint64_t epoch) {
    if (epoch == never_granted_epoch) {
      return (&store == &model_ ? epochs_.rbegin()->first : epochs_.rbegin()->second) + 1'000'000;
    }
    const auto found = epochs_.find(epoch);
    return &store == &model_ || found == epochs_.end() ? epoch : found->second;
  }

  void know(const Token& token, const Grant& grant) {
    known_.push_back({grant.worker_id, token});
    grants_[token] = grant;
  }

  void renew() {
    const Known lease = some_lease();
    const auto renewal = static_cast<Renewal>(below(3));
    const RenewRequest request{"differential", lease.worker_id, lease.token, renewal, client()};
    both("renew " + std::to_string(lease.worker_id),
         [&](Store& store) { return store.renew(request, timeout); });
  }

  void release() {
    const Known lease = some_lease();
    ReleaseRequest request{"differential", lease.worker_id, lease.token,
                           one_in(2),      std::nullopt,    client()};
    if (one_in(3)) request.last_timestamp_ms = static_cast<std::int64_t>(below(200'000));
    both("release " + std::to_string(lease.worker_id), [&](Store& store) -> std::optional<Grant> {
      store.release(request, timeout);
      return std::nullopt;
    });
    // Two released within a millisecond of one clock and not of the other would differ in order.
    if (comparison_ == Comparison::timeless) let_time_pass_(milliseconds{2});
  }

  // Mostly the latest lease of an ID.
  void evict() {
    if (step_ < evictions_from_) return;
    const Known lease = some_lease();
    const auto granted = grants_.find(lease.token);
    const std::uint64_t epoch = granted == grants_.end() ? some_epoch() : granted->second.epoch;
    const auto evicted =
        both("evict " + std::to_string(lease.worker_id), [&](Store& store) -> std::optional<Grant> {
          const std::uint64_t own = epoch_of(store, epoch);
          const milliseconds kept =
              store.evict({"differential", lease.worker_id, own, client_}, timeout);
          return Grant{lease.worker_id, own, {}, comparison_ == Comparison::exact ? kept : 0ms};
        });
    if (evicted) ++answers_["evicted"];
  }

  void resize() {
    const auto [former_low, former_high] = std::pair{low_, high_};
    low_ = low - 2 + static_cast<WorkerId>(below(5));
    high_ = high - 4 + static_cast<WorkerId>(below(8));
    const auto resized = both(
        "resize to " + std::to_string(low_) + " to " + std::to_string(high_),
        [&](Store& store) -> std::optional<Grant> {
          const Configuration now = store.resize({"differential", low_, high_, client_}, timeout);
          return Grant{now.min_worker_id * 1000 + now.max_worker_id, 0, {}, now.lease_time};
        });
    if (resized) ++answers_["resized"];
    // Some go on asking for the former range.
    if (!resized || one_in(4)) std::tie(low_, high_) = std::pair{former_low, former_high};
  }

  void pass_time() {
    if (comparison_ == Comparison::timeless) return;
    let_time_pass_(milliseconds{below(one_in(10) ? 1600 : 120)});
    if (one_in(20)) step_wall_(milliseconds{static_cast<std::int64_t>(below(200'000)) - 100'000});
  }

  template <typename Operation>
  static Outcome outcome_of(Store& store, Operation operation) {
    try {
      return {operation(store), std::nullopt, std::nullopt};
    } catch (const Error& error) {
      return {std::nullopt, error.error_code(), error.retry_after()};
    }
  }

  template <typename Operation>
  std::optional<Grant> both(const std::string& what, Operation operation) {
    const Outcome expected = outcome_of(model_, operation);
    ++answers_[answer(expected)];
    const Outcome seen = outcome_of(subject_, operation);
    if (!equal(expected, seen)) differ(what, text(expected), text(seen));
    return expected.grant;
  }

  bool equal(const Outcome& expected, const Outcome& seen) {
    if (expected.error != seen.error || expected.grant.has_value() != seen.grant.has_value() ||
        expected.retry_after.has_value() != seen.retry_after.has_value()) {
      return false;
    }
    if (comparison_ == Comparison::exact && expected.retry_after != seen.retry_after) return false;
    return !expected.grant || equal(*expected.grant, *seen.grant);
  }

  bool equal(const Grant& expected, const Grant& seen) {
    return expected.worker_id == seen.worker_id && alike(expected.reserved, seen.reserved) &&
           expected.lease_time == seen.lease_time && same_epoch(expected.epoch, seen.epoch);
  }

  // Reserved timestamps move on with the lease, and so with the store's clock, by a little at most.
  bool alike(const TimestampRange& expected, const TimestampRange& seen) const {
    if (comparison_ == Comparison::exact) return expected == seen;
    const std::int64_t little_ms = configuration().lease_time.count() / 16;
    return std::abs(expected.first_ms - seen.first_ms) <= little_ms &&
           std::abs(expected.last_ms - seen.last_ms) <= little_ms;
  }

  // Epochs of two clocks are not equal, but each of one store's belongs to one of the other's.
  bool same_epoch(std::uint64_t expected, std::uint64_t seen) {
    const auto found = epochs_.find(expected);
    if (found != epochs_.end()) return found->second == seen;
    const bool grows =
        epochs_.empty() || (epochs_.rbegin()->first < expected && epochs_.rbegin()->second < seen);
    epochs_[expected] = seen;
    return grows && (comparison_ == Comparison::timeless || expected == seen);
  }

  void compare_views() {
    const auto expected = model_.inspect("differential", timeout);
    const auto seen = subject_.inspect("differential", timeout);
    if (model_.clusters(timeout) != subject_.clusters(timeout)) {
      return differ("clusters", "other names", "these");
    }
    if (expected.has_value() != seen.has_value()) {
      return differ("inspect", expected ? "a cluster" : "none", seen ? "a cluster" : "none");
    }
    if (!expected) return;
    if (expected->configuration != seen->configuration ||
        expected->never_granted != seen->never_granted ||
        (expected->hold_back > 0ms) != (seen->hold_back > 0ms) ||
        expected->leases.size() != seen->leases.size() ||
        !same_epoch(expected->last_epoch, seen->last_epoch)) {
      return differ("inspect", "another cluster", "this one");
    }
    for (std::size_t index = 0; index < expected->leases.size(); ++index) {
      LeaseView left = expected->leases.at(index);
      LeaseView right = seen->leases.at(index);
      if (!same_epoch(left.epoch, right.epoch)) differ("inspect", text(left), text(right));
      left.epoch = right.epoch;
      if (comparison_ == Comparison::timeless) {
        left.lease_left = right.lease_left;
        left.free_in = right.free_in;
        if (alike(left.reserved, right.reserved)) left.reserved = right.reserved;
      }
      if (left != right) differ("inspect", text(left), text(right));
    }
  }

  void differ(const std::string& what, const std::string& expected, const std::string& seen) {
    if (difference_) return;
    difference_ = "step " + std::to_string(step_) + ", " + what + ": " + subject_.description() +
                  " has " + seen + "; the model has " + expected;
  }

  static std::string answer(const Outcome& outcome) {
    if (outcome.error) return std::string{name(*outcome.error)};
    return outcome.grant ? "granted" : "released";
  }

  static std::string text(const TimestampRange& range) {
    return std::to_string(range.first_ms) + " to " + std::to_string(range.last_ms);
  }

  static std::string text(const Outcome& outcome) {
    if (outcome.grant) {
      return "worker ID " + std::to_string(outcome.grant->worker_id) + ", epoch " +
             std::to_string(outcome.grant->epoch) + ", timestamps " + text(outcome.grant->reserved);
    }
    return answer(outcome) + " for " +
           std::to_string(outcome.retry_after.value_or(milliseconds{-1}).count()) + " ms";
  }

  static std::string text(const LeaseView& view) {
    return "worker ID " + std::to_string(view.worker_id) + " " + std::string{name(view.state)} +
           ", epoch " + std::to_string(view.epoch) + ", \"" + view.instance + "\" of \"" +
           view.owner + "\", left " + std::to_string(view.lease_left.count()) + " ms, free in " +
           std::to_string(view.free_in.count()) + " ms, timestamps " + text(view.reserved);
  }

  Store& model_;
  Store& subject_;
  Comparison comparison_;
  std::mt19937_64 random_;
  std::function<void(milliseconds)> let_time_pass_;
  std::function<void(milliseconds)> step_wall_;
  int step_ = 0;
  std::vector<AcquireRequest> acquisitions_;
  std::vector<Known> known_;
  std::map<std::uint64_t, std::uint64_t> epochs_{{0, 0}};
  std::map<Token, Grant> grants_;
  std::map<std::string, Known> of_instance_;
  int losses_from_ = 0;
  int evictions_from_ = 0;
  WorkerId low_ = low;  // What the processes ask for.
  WorkerId high_ = high;
  const ClientTime client_{};
  std::map<std::string, int> answers_;
  std::optional<std::string> difference_;
};

// A run that meets no refusals compares nothing of worth.
void expect_every_answer(const Comparator& comparator, Comparison comparison) {
  std::vector<std::string> answers{"granted",         "released",
                                   "no_available_id", "token_mismatch",
                                   "not_assigned",    "configuration_mismatch",
                                   "invalid_token",   "invalid_worker_id",
                                   "holding_back",    "evicted",
                                   "resized"};
  if (comparison == Comparison::exact) answers.emplace_back("token_expired");
  for (const std::string& answer : answers) {
    EXPECT_GE(comparator.count(answer), 10) << answer;
  }
  EXPECT_GE(comparator.count("granted again by name"), comparison == Comparison::exact ? 10 : 1);
}

class Differential : public ::testing::Test {
 protected:
  // A comparator on the model's own clock.
  Comparator exactly(Store& subject) {
    return {*model,
            subject,
            Comparison::exact,
            seed_of_this_run(),
            [this](milliseconds time) { clock->advance(time); },
            [this](milliseconds step) { clock->step_wall(step); }};
  }

  static constexpr int steps = 10'000;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<Store> model = open_memory_store(clock);
};

TEST_F(Differential, SqliteFollowsTheModel) {
  const TemporaryDirectory directory;
  const auto subject = open_sqlite_store(directory.path() / "leases.db", clock);
  Comparator comparator = exactly(*subject);
  EXPECT_EQ(comparator.run(steps), std::nullopt);
  expect_every_answer(comparator, Comparison::exact);
}

TEST_F(Differential, RedisFollowsTheModel) {
  const RedisServer server;
  const auto subject = open_redis_store(server.socket_url());
  Comparator comparator(*model, *subject, Comparison::timeless, seed_of_this_run(),
                        [this](milliseconds time) {
                          clock->advance(time);
                          std::this_thread::sleep_for(time);
                        });
  EXPECT_EQ(comparator.run(steps), std::nullopt);
  expect_every_answer(comparator, Comparison::timeless);
}

// Loses every hundredth release.
class LosesReleases final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

 private:
  void do_release(const ReleaseRequest& request, milliseconds time) override {
    if (++count_ % 100 != 0) next().release(request, time);
  }
  int count_ = 0;
};

TEST_F(Differential, SeesALostRelease) {
  LosesReleases subject(open_memory_store(clock));
  EXPECT_NE(exactly(subject).run(steps), std::nullopt);
}

}  // namespace
}  // namespace workerid::tests
