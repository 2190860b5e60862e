// SPDX-License-Identifier: MIT
//
// Stores that are broken on purpose. The suite has to see each of them, by the check that is for it.
#include "conformance/subjects.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using std::chrono::milliseconds;
using testing::ConformanceCheck;
using testing::ManualClock;

using Ids = std::pair<std::string, WorkerId>;

// Passes on one operation at a time. The broken ones override what they break.
class Broken : public Store {
 public:
  explicit Broken(std::shared_ptr<ManualClock> clock)
      : clock_(std::move(clock)), next_(open_memory_store(clock_)) {}

  std::string description() const override { return "broken:"; }

 protected:
  virtual Grant acquire_so(const AcquireRequest& request) { return next().acquire(request, limit); }
  virtual Grant renew_so(const RenewRequest& request) { return next().renew(request, limit); }
  virtual Grant restore_so(const RestoreRequest& request) { return next().restore(request, limit); }
  virtual void release_so(const ReleaseRequest& request) { next().release(request, limit); }
  virtual std::optional<ClusterView> inspect_so(const std::string& cluster) {
    return next().inspect(cluster, limit);
  }
  virtual std::vector<std::string> clusters_so() { return next().clusters(limit); }
  virtual Configuration resize_so(const ResizeRequest& request) {
    return next().resize(request, limit);
  }
  virtual milliseconds evict_so(const EvictRequest& request) {
    return next().evict(request, limit);
  }

  Store& next() { return *next_; }
  ManualClock& clock() { return *clock_; }

  static constexpr milliseconds limit{1000};

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds) final {
    const std::lock_guard lock(mutex_);
    return acquire_so(request);
  }
  Grant do_renew(const RenewRequest& request, milliseconds) final {
    const std::lock_guard lock(mutex_);
    return renew_so(request);
  }
  Grant do_restore(const RestoreRequest& request, milliseconds) final {
    const std::lock_guard lock(mutex_);
    return restore_so(request);
  }
  Guarantee do_guarantee(milliseconds) final { return next().guarantee(limit); }
  void do_release(const ReleaseRequest& request, milliseconds) final {
    const std::lock_guard lock(mutex_);
    release_so(request);
  }
  std::optional<ClusterView> do_inspect(const std::string& cluster, milliseconds) final {
    const std::lock_guard lock(mutex_);
    return inspect_so(cluster);
  }
  std::vector<std::string> do_clusters(milliseconds) final {
    const std::lock_guard lock(mutex_);
    return clusters_so();
  }
  Configuration do_resize(const ResizeRequest& request, milliseconds) final {
    const std::lock_guard lock(mutex_);
    return resize_so(request);
  }
  milliseconds do_evict(const EvictRequest& request, milliseconds) final {
    const std::lock_guard lock(mutex_);
    return evict_so(request);
  }

  std::mutex mutex_;
  std::shared_ptr<ManualClock> clock_;
  std::shared_ptr<Store> next_;
};

// Acts for whoever asks, by the token that it remembers.
class IgnoresTokens final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    const Grant grant = next().acquire(request, limit);
    tokens_[{request.cluster, grant.worker_id}] = request.token;
    return grant;
  }
  void release_so(const ReleaseRequest& request) override {
    ReleaseRequest owners = request;
    if (const auto found = tokens_.find({request.cluster, request.worker_id});
        found != tokens_.end()) {
      owners.token = found->second;
    }
    next().release(owners, limit);
  }
  std::map<Ids, Token> tokens_;
};

// Says that a stranger's renewal succeeded.
class RenewsForAnybody final : public Broken {
  using Broken::Broken;
  Grant renew_so(const RenewRequest& request) override {
    try {
      return next().renew(request, limit);
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::token_mismatch) throw;
      return {request.worker_id, 1, {0, 1}, milliseconds{1000}};
    }
  }
};

// A change of each acquisition on its way in.
template <typename Change>
class ChangesAcquisitions : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    Change{}(changed);
    return next().acquire(changed, limit);
  }
};

struct DropReuseDelay {
  void operator()(AcquireRequest& request) const { request.configuration.reuse_delay = {}; }
};
struct DropCoolDown {
  void operator()(AcquireRequest& request) const { request.configuration.cool_down = {}; }
};
struct DropTakeover {
  void operator()(AcquireRequest& request) const { request.takeover = {}; }
};
struct DropInstance {
  void operator()(AcquireRequest& request) const {
    request.instance.clear();
    request.takeover = {};
  }
};
struct TruncateTexts {
  void operator()(AcquireRequest& request) const { request.owner.resize(10); }
};

// Takes over what the name has, asked or not: a takeover that names nothing.
template <bool only_if_asked>
class TrustsInstances final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    if (!request.instance.empty() && (!only_if_asked || !request.takeover.empty())) {
      const auto former = next().former_lease(request.cluster, request.instance, limit);
      changed.takeover.epoch = former ? former->epoch : 0;
    }
    return next().acquire(changed, limit);
  }
};

// Finds no lease but the latest of a name, whatever a takeover names.
class LooksByNameAlone final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    const auto former = request.takeover.empty()
                            ? std::nullopt
                            : next().former_lease(request.cluster, request.instance, limit);
    for (const Token& token : std::exchange(changed.takeover.tokens, {})) {
      if (former && epochs_[token] == former->epoch) changed.takeover.epoch = former->epoch;
    }
    const Grant grant = next().acquire(changed, limit);
    epochs_[request.token] = grant.epoch;
    return grant;
  }
  std::map<Token, std::uint64_t> epochs_;
};

// Releases for whoever takes over: the promise to the former holder is forgotten.
class ForgetsTheFloor final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    const auto& [tokens, epoch] = request.takeover;
    for (const auto& [token, owned] : owned_) {
      if (owned.epoch != epoch && std::find(tokens.begin(), tokens.end(), token) == tokens.end()) {
        continue;
      }
      next().release({request.cluster, owned.worker_id, token, false, {}, request.client}, limit);
      changed.takeover = {};
      break;
    }
    return owned_[request.token] = next().acquire(changed, limit);
  }
  std::map<Token, Grant> owned_;
};

// Whoever restores an ID first after a loss keeps it.
class KeepsTheFirstRestored final : public Broken {
  using Broken::Broken;
  Grant restore_so(const RestoreRequest& request) override {
    const Ids id{request.cluster, request.grant.worker_id};
    const auto [first, is_new] = first_.try_emplace(id, request.token);
    if (first->second != request.token) {
      throw Error(ErrorCode::token_mismatch, "another was first");
    }
    return next().restore(request, limit);
  }
  std::map<Ids, Token> first_;
};

// A change of each grant on its way out.
template <typename Change>
class ChangesGrants final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    return changed(next().acquire(request, limit), request.client);
  }
  Grant renew_so(const RenewRequest& request) override {
    return changed(next().renew(request, limit), request.client);
  }
  static Grant changed(Grant grant, const ClientTime& client) {
    Change{}(grant, client);
    return grant;
  }
};

struct RepeatEpoch {
  void operator()(Grant& grant, const ClientTime&) const { grant.epoch = 1; }
};
struct ReserveFromTheBeginning {
  void operator()(Grant& grant, const ClientTime&) const { grant.reserved.first_ms = 0; }
};
struct BelieveEveryClock {
  void operator()(Grant& grant, const ClientTime& client) const {
    grant.reserved.last_ms = std::max<std::int64_t>(grant.reserved.last_ms,
                                                    client.moment.wall.time_since_epoch().count());
  }
};

// A change of each renewal on its way in.
template <Renewal asked, Renewal done>
class TakesRenewalFor final : public Broken {
  using Broken::Broken;
  Grant renew_so(const RenewRequest& request) override {
    RenewRequest changed = request;
    if (changed.renewal == asked) changed.renewal = done;
    return next().renew(changed, limit);
  }
};

// A repeated acquisition is a second one.
class ForgetsTokens final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    changed.token = tokens_[request.token] = Token::random();
    return next().acquire(changed, limit);
  }
  Grant renew_so(const RenewRequest& request) override {
    RenewRequest changed = request;
    changed.token = known(request.token);
    return next().renew(changed, limit);
  }
  void release_so(const ReleaseRequest& request) override {
    ReleaseRequest changed = request;
    changed.token = known(request.token);
    next().release(changed, limit);
  }
  Token known(const Token& token) const {
    const auto found = tokens_.find(token);
    return found == tokens_.end() ? token : found->second;
  }
  std::map<Token, Token> tokens_;
};

// A token that is used up gets another ID.
class AcceptsReleasedTokens final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    try {
      return next().acquire(request, limit);
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::invalid_token) throw;
      AcquireRequest again = request;
      again.token = Token::random();
      return next().acquire(again, limit);
    }
  }
};

// Answers a repetition from its own memory, without asking who has the ID now.
class AnswersFromItsCache final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    if (const auto found = grants_.find(request.token); found != grants_.end()) {
      return found->second;
    }
    return grants_[request.token] = next().acquire(request, limit);
  }
  std::map<Token, Grant> grants_;
};

// Every fiftieth acquisition gets what the one before it got.
class GrantsTwiceUnderLoad final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    if (++count_ % 50 != 0) last_ = next().acquire(request, limit);
    return last_;
  }
  int count_ = 0;
  Grant last_;
};

// What was released last goes out next.
class ReusesAtOnce final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    if (changed.instance.empty()) {
      changed.instance = released_.empty() ? "#" + std::to_string(++count_) : released_;
    }
    released_.clear();
    const Grant grant = next().acquire(changed, limit);
    instances_[{request.cluster, grant.worker_id}] = changed.instance;
    return grant;
  }
  void release_so(const ReleaseRequest& request) override {
    next().release(request, limit);
    released_ = instances_[{request.cluster, request.worker_id}];
  }
  std::map<Ids, std::string> instances_;
  std::string released_;
  int count_ = 0;
};

// Whoever's clock is ahead moves the store's.
class TrustsClientClocks final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    const auto ahead = request.client.moment.wall - boottime_clock()->now().wall;
    if (ahead > std::chrono::minutes{1}) clock().advance(ahead);
    return next().acquire(request, limit);
  }
};

// The first configuration is everybody's, whatever they asked for.
class IgnoresConfigurations final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    const auto view = next().inspect(request.cluster, limit);
    if (view) changed.configuration = view->configuration;
    return next().acquire(changed, limit);
  }
};

class RefusesASecondRelease final : public Broken {
  using Broken::Broken;
  void release_so(const ReleaseRequest& request) override {
    const auto view = next().inspect(request.cluster, limit);
    for (const LeaseView& lease : view ? view->leases : std::vector<LeaseView>{}) {
      if (lease.worker_id == request.worker_id && lease.state == LeaseState::free) {
        throw Error(ErrorCode::not_assigned, "it was released");
      }
    }
    next().release(request, limit);
  }
};

class KeepsUnusedTimestamps final : public Broken {
  using Broken::Broken;
  void release_so(const ReleaseRequest& request) override {
    ReleaseRequest changed = request;
    changed.last_timestamp_ms = std::nullopt;
    next().release(changed, limit);
  }
};

// Says that an ID comes free at once.
class SaysTooSoon final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    try {
      return next().acquire(request, limit);
    } catch (const Error& error) {
      if (!error.retry_after()) throw;
      throw Error(error.error_code(), error.what(), milliseconds{1});
    }
  }
};

class IgnoresCase final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    AcquireRequest changed = request;
    for (char& letter : changed.cluster) {
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
    return next().acquire(changed, limit);
  }
};

// Says that every restoration succeeded.
class RestoresForAnybody final : public Broken {
  using Broken::Broken;
  Grant restore_so(const RestoreRequest& request) override {
    try {
      return next().restore(request, limit);
    } catch (const Error&) {
      return request.grant;
    }
  }
};

// Takes a restoration for a renewal, and so knows nobody after a loss.
class NeverRestores final : public Broken {
  using Broken::Broken;
  Grant restore_so(const RestoreRequest& request) override {
    return next().renew(
        {request.cluster, request.grant.worker_id, request.token, Renewal::held, request.client},
        limit);
  }
};

struct IgnoreWitness {
  void operator()(AcquireRequest& request) const { request.seen_epoch = 0; }
};

// Grants in another cluster while it should hold back.
class NeverHoldsBack final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    try {
      return next().acquire(request, limit);
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::holding_back) throw;
      AcquireRequest changed = request;
      changed.cluster += "/again";
      return next().acquire(changed, limit);
    }
  }
};

// Answers several renewals, but renews the first alone.
class RenewsTheFirstOfSeveral final : public Broken {
  using Broken::Broken;
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        milliseconds) override {
    return std::vector<RenewAnswer>(requests.size(), next().renew(requests.front(), limit));
  }
};

// Gives up at the first that is refused.
class RefusesAllForOne final : public Broken {
  using Broken::Broken;
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        milliseconds) override {
    std::vector<RenewAnswer> answers;
    for (const RenewRequest& request : requests) answers.emplace_back(next().renew(request, limit));
    return answers;
  }
};

// Renews several from the last to the first.
class RenewsBackwards final : public Broken {
  using Broken::Broken;
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        milliseconds) override {
    const std::vector<RenewRequest> backwards(requests.rbegin(), requests.rend());
    std::vector<RenewAnswer> answers = next().renew_all(backwards, limit);
    std::reverse(answers.begin(), answers.end());
    return answers;
  }
};

class ShowsReleasedAsTaken final : public Broken {
  using Broken::Broken;
  std::optional<ClusterView> inspect_so(const std::string& cluster) override {
    auto view = next().inspect(cluster, limit);
    if (!view) return view;
    for (LeaseView& lease : view->leases) {
      if (lease.state == LeaseState::free) lease.state = LeaseState::expired;
    }
    return view;
  }
};

class ListsNothing final : public Broken {
  using Broken::Broken;
  std::vector<std::string> clusters_so() override { return {}; }
};

// Lists what was only asked for, too.
class ListsWhatNeverWas final : public Broken {
  using Broken::Broken;
  Grant renew_so(const RenewRequest& request) override {
    asked_.push_back(request.cluster);
    return next().renew(request, limit);
  }
  std::vector<std::string> clusters_so() override {
    auto names = next().clusters(limit);
    names.insert(names.end(), asked_.begin(), asked_.end());
    return names;
  }
  std::vector<std::string> asked_;
};

// Says that it was resized, and keeps its range.
class ResizesForShow final : public Broken {
  using Broken::Broken;
  Configuration resize_so(const ResizeRequest& request) override {
    auto view = next().inspect(request.cluster, limit);
    if (!view) return next().resize(request, limit);
    view->configuration.min_worker_id = request.min_worker_id;
    view->configuration.max_worker_id = request.max_worker_id;
    return view->configuration;
  }
};

// Ends who is outside the range.
class RefusesWhoIsOutside final : public Broken {
  using Broken::Broken;
  Grant renew_so(const RenewRequest& request) override {
    const auto view = next().inspect(request.cluster, limit);
    if (view && request.worker_id > view->configuration.max_worker_id) {
      throw Error(ErrorCode::invalid_worker_id, "it is outside the range");
    }
    return next().renew(request, limit);
  }
};

// Makes of a resumption outside the range a renewal.
class ResumesWhoIsOutside final : public Broken {
  using Broken::Broken;
  Grant renew_so(const RenewRequest& request) override {
    RenewRequest changed = request;
    const auto view = next().inspect(request.cluster, limit);
    if (view && request.worker_id > view->configuration.max_worker_id) {
      changed.renewal = Renewal::held;
    }
    return next().renew(changed, limit);
  }
};

// Gives an evicted ID back as its holder would.
class FreesEvictedIdsAtOnce final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    const Grant grant = next().acquire(request, limit);
    tokens_[{request.cluster, grant.worker_id}] = request.token;
    return grant;
  }
  milliseconds evict_so(const EvictRequest& request) override {
    next().release(
        {request.cluster, request.worker_id, tokens_[{request.cluster, request.worker_id}], true,
         std::nullopt, request.client},
        limit);
    return milliseconds{0};
  }
  std::map<Ids, Token> tokens_;
};

// Grants an ID from which a holder was evicted never again.
class KeepsEvictedIds final : public Broken {
  using Broken::Broken;
  Grant acquire_so(const AcquireRequest& request) override {
    const Grant grant = next().acquire(request, limit);
    if (!evicted_.contains({request.cluster, grant.worker_id})) return grant;
    throw Error(ErrorCode::no_available_id, "its holder was evicted");
  }
  milliseconds evict_so(const EvictRequest& request) override {
    evicted_.insert({request.cluster, request.worker_id});
    return next().evict(request, limit);
  }
  std::set<Ids> evicted_;
};

class EvictsForShow final : public Broken {
  using Broken::Broken;
  milliseconds evict_so(const EvictRequest&) override { return milliseconds{1000}; }
};

// Evicts whoever holds the ID now.
class EvictsAnybody final : public Broken {
  using Broken::Broken;
  milliseconds evict_so(const EvictRequest& request) override {
    EvictRequest changed = request;
    const auto view = next().inspect(request.cluster, limit);
    for (const LeaseView& lease : view ? view->leases : std::vector<LeaseView>{}) {
      if (lease.worker_id == request.worker_id) changed.epoch = lease.epoch;
    }
    return next().evict(changed, limit);
  }
};

template <typename BrokenStore>
std::shared_ptr<Store> make(const std::shared_ptr<ManualClock>& clock) {
  return std::make_shared<BrokenStore>(clock);
}

struct Canary {
  std::string name;
  std::shared_ptr<Store> (*make)(const std::shared_ptr<ManualClock>&);
  std::string caught_by;
};

const std::vector<Canary>& canaries() {
  static const std::vector<Canary> canaries{
      {"ignores_tokens_on_release", make<IgnoresTokens>, "wrong_token_changes_nothing"},
      {"renews_for_anybody", make<RenewsForAnybody>, "token_of_another_id_changes_nothing"},
      {"drops_the_reuse_delay", make<ChangesAcquisitions<DropReuseDelay>>, "reuse_delay_is_kept"},
      {"drops_the_cool_down", make<ChangesAcquisitions<DropCoolDown>>, "cool_down_is_kept"},
      {"trusts_instances", make<TrustsInstances<false>>, "instance_is_a_wish"},
      {"takes_over_whatever_is_there", make<TrustsInstances<true>>, "takeover_means_one_lease"},
      {"looks_by_name_alone", make<LooksByNameAlone>, "takeover_finds_the_lease_that_it_names"},
      {"forgets_the_floor_at_a_release", make<ForgetsTheFloor>,
       "taken_over_id_comes_free_no_sooner"},
      {"forgets_the_floor_at_an_eviction", make<ForgetsTheFloor>,
       "evicted_after_a_takeover_it_comes_free_no_sooner"},
      {"finds_no_former_lease", make<ChangesAcquisitions<DropInstance>>, "former_lease_is_found"},
      {"keeps_the_first_restored", make<KeepsTheFirstRestored>, "later_grant_is_restored"},
      {"believes_strict_renewals", make<TakesRenewalFor<Renewal::strict, Renewal::held>>,
       "strict_renewal_after_a_loss_is_refused"},
      {"drops_takeover", make<ChangesAcquisitions<DropTakeover>>, "takeover_resumes_at_once"},
      {"drops_instances", make<ChangesAcquisitions<DropInstance>>, "instance_gets_its_id_back"},
      {"truncates_texts", make<ChangesAcquisitions<TruncateTexts>>, "texts_come_back_as_they_were"},
      {"repeats_the_epoch", make<ChangesGrants<RepeatEpoch>>, "epochs_grow"},
      {"reserves_from_the_beginning", make<ChangesGrants<ReserveFromTheBeginning>>,
       "reserved_timestamps_never_overlap"},
      {"believes_every_clock", make<ChangesGrants<BelieveEveryClock>>,
       "client_clock_does_not_poison"},
      {"revives", make<TakesRenewalFor<Renewal::strict, Renewal::held>>,
       "strict_renewal_never_revives"},
      {"never_extends_what_lapsed", make<TakesRenewalFor<Renewal::held, Renewal::strict>>,
       "held_renewal_keeps_an_unclaimed_lease"},
      {"resumes_under_the_old_epoch", make<TakesRenewalFor<Renewal::resume, Renewal::held>>,
       "resumption_is_a_new_grant_of_the_same_id"},
      {"forgets_tokens", make<ForgetsTokens>, "repeated_acquisition_returns_the_same_grant"},
      {"accepts_released_tokens", make<AcceptsReleasedTokens>, "released_token_acquires_nothing"},
      {"answers_from_its_cache", make<AnswersFromItsCache>,
       "late_messages_of_a_former_holder_do_nothing"},
      {"grants_twice_under_load", make<GrantsTwiceUnderLoad>, "threads_get_distinct_ids"},
      {"reuses_at_once", make<ReusesAtOnce>, "ids_never_used_come_first"},
      {"trusts_client_clocks", make<TrustsClientClocks>, "client_clock_decides_no_expiry"},
      {"ignores_configurations", make<IgnoresConfigurations>, "other_configuration_is_refused"},
      {"refuses_a_second_release", make<RefusesASecondRelease>, "release_twice_is_no_error"},
      {"keeps_unused_timestamps", make<KeepsUnusedTimestamps>,
       "release_gives_unused_timestamps_back"},
      {"says_too_soon", make<SaysTooSoon>, "exhaustion_says_when_an_id_may_come_free"},
      {"ignores_case", make<IgnoresCase>, "clusters_are_independent"},
      {"restores_for_anybody", make<RestoresForAnybody>, "restored_lease_is_not_taken"},
      {"restores_what_was_released", make<RestoresForAnybody>, "released_lease_is_not_restored"},
      {"restores_what_others_have", make<RestoresForAnybody>,
       "granted_id_is_not_restored_by_another"},
      {"never_restores", make<NeverRestores>, "lost_lease_is_restored"},
      {"ignores_witnesses", make<ChangesAcquisitions<IgnoreWitness>>,
       "witness_shows_that_a_store_went_back"},
      {"never_holds_back", make<NeverHoldsBack>, "store_that_forgot_holds_back"},
      {"renews_the_first_of_several", make<RenewsTheFirstOfSeveral>,
       "renewals_together_extend_each"},
      {"refuses_all_for_one", make<RefusesAllForOne>, "renewal_refused_among_others_touches_none"},
      {"renews_backwards", make<RenewsBackwards>, "renewals_of_one_lease_together_count_in_order"},
      {"shows_released_as_taken", make<ShowsReleasedAsTaken>, "released_id_is_shown_free"},
      {"lists_nothing", make<ListsNothing>, "clusters_are_listed"},
      {"lists_what_never_was", make<ListsWhatNeverWas>, "clusters_are_listed"},
      {"resizes_for_show", make<ResizesForShow>, "growing_gives_more_ids"},
      {"refuses_who_is_outside", make<RefusesWhoIsOutside>, "shrinking_leaves_holders_alone"},
      {"resumes_who_is_outside", make<ResumesWhoIsOutside>,
       "lapsed_ids_outside_the_range_stay_out"},
      {"never_shrinks", make<ResizesForShow>, "ids_that_come_back_into_the_range_are_remembered"},
      {"frees_evicted_ids_at_once", make<FreesEvictedIdsAtOnce>, "eviction_frees_no_id_sooner"},
      {"keeps_evicted_ids", make<KeepsEvictedIds>, "evicted_id_comes_back"},
      {"evicts_for_show", make<EvictsForShow>, "evicted_holder_is_refused"},
      {"evicts_anybody", make<EvictsAnybody>, "eviction_means_one_lease"},
  };
  return canaries;
}

const ConformanceCheck& check_named(const std::string& name) {
  const auto& checks = testing::store_conformance();
  const auto found = std::find_if(checks.begin(), checks.end(),
                                  [&](const auto& check) { return check.name == name; });
  if (found == checks.end()) throw std::invalid_argument("the suite has no check " + name);
  return *found;
}

class Canaries : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Canaries, IsCaught) {
  const Canary& canary = canaries().at(GetParam());
  const auto clock = std::make_shared<ManualClock>();
  const auto passes = [&](const std::shared_ptr<Store>& store) {
    try {
      check_named(canary.caught_by)
          .run({.open = [&] { return store; },
                .let_time_pass = [&](milliseconds time) { clock->advance(time); }});
      return true;
    } catch (const testing::ConformanceFailure&) {
      return false;
    } catch (const Error&) {
      return false;
    }
  };
  EXPECT_FALSE(passes(canary.make(clock)));
  EXPECT_TRUE(passes(open_memory_store(clock)));
}

INSTANTIATE_TEST_SUITE_P(, Canaries, ::testing::Range(std::size_t{0}, canaries().size()),
                         [](const auto& test) { return canaries().at(test.param).name; });

}  // namespace
}  // namespace workerid::tests
