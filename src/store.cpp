// SPDX-License-Identifier: MIT
#include "answer.hpp"
#include "cancellation.hpp"
#include "checks.hpp"
#include "printable.hpp"

#include <workerid/store.hpp>

#include <algorithm>
#include <functional>
#include <string>

namespace workerid {

namespace {

using detail::answer_of;
using detail::CancellationHeldOff;
using detail::check_text;
using detail::facts_of;
using detail::refuse;
using std::chrono::milliseconds;

// Longer than any lease has a reason to be; keeps sums of times far from overflow.
constexpr milliseconds longest_time = std::chrono::hours{24 * 30};

// No time left of a lease, nor to wait for an ID, is longer: lease, reuse delay and cool-down in a row,
// and a little, for a store's clock may go back.
constexpr milliseconds longest_wait = 4 * longest_time;

// Above what any caller means by a stable name or an owner; keeps records small.
constexpr std::size_t longest_text = 250;

void check_timeout(milliseconds timeout) {
  if (timeout <= milliseconds::zero()) {
    refuse("the time-out is " + std::to_string(timeout.count()) + " ms; it must be above 0");
  }
}

void check_time(const std::string& what, milliseconds time, milliseconds shortest) {
  if (time >= shortest && time <= longest_time) return;
  refuse(what + " is " + std::to_string(time.count()) + " ms; it must be " +
         std::to_string(shortest.count()) + " to " + std::to_string(longest_time.count()) + " ms");
}

void check_worker_id(WorkerId worker_id) {
  if (worker_id >= 0 && worker_id <= largest_worker_id) return;
  throw Error(ErrorCode::invalid_worker_id, "worker ID " + std::to_string(worker_id) +
                                                ": worker IDs are 0 to " +
                                                std::to_string(largest_worker_id));
}

void check_lease(const std::string& cluster, WorkerId worker_id, const Token& token,
                 milliseconds timeout) {
  check_cluster_name(cluster);
  check_timeout(timeout);
  if (token.empty()) throw Error(ErrorCode::invalid_token, "the token is empty");
  check_worker_id(worker_id);
}

// What a store returned or threw is checked always: it came from outside.
[[noreturn]] void refuse_answer(const std::string& store, const std::string& what) {
  throw Error(ErrorCode::corrupt_record, store + " " + what);
}

milliseconds checked(milliseconds wait, const std::string& store) {
  if (wait >= milliseconds::zero() && wait <= longest_wait) return wait;
  refuse_answer(store, "says to wait " + std::to_string(wait.count()) + " ms; 0 to " +
                           std::to_string(longest_wait.count()) + " ms make sense");
}

Error checked(const Error& error, const std::string& store) {
  try {
    if (error.retry_after()) checked(*error.retry_after(), store);
    return error;
  } catch (const Error& wrong) {
    return wrong;
  }
}

void check_epoch(std::uint64_t epoch, const std::string& whose, const std::string& store) {
  if (epoch >= 1 && epoch <= largest_epoch) return;
  refuse_answer(store, whose + " epoch " + std::to_string(epoch) + ", outside 1 to " +
                           std::to_string(largest_epoch));
}

void check_reserved(const TimestampRange& reserved, std::int64_t shortest, const std::string& whose,
                    const std::string& store) {
  const auto& [first_ms, last_ms] = reserved;
  constexpr auto largest_ms = static_cast<std::int64_t>(largest_epoch);
  if (first_ms >= 0 && last_ms <= largest_ms && last_ms >= first_ms - 1 + shortest) return;
  refuse_answer(store, whose + " the timestamps " + std::to_string(first_ms) + " to " +
                           std::to_string(last_ms));
}

Grant checked(const Grant& grant, WorkerId min_worker_id, WorkerId max_worker_id,
              const std::string& store) {
  if (grant.worker_id < min_worker_id || grant.worker_id > max_worker_id) {
    refuse_answer(store, "granted worker ID " + std::to_string(grant.worker_id) + ", outside " +
                             std::to_string(min_worker_id) + " to " +
                             std::to_string(max_worker_id));
  }
  check_epoch(grant.epoch, "granted", store);
  if (grant.lease_time <= milliseconds::zero() || grant.lease_time > longest_time) {
    refuse_answer(store, "granted a lease of " + std::to_string(grant.lease_time.count()) + " ms");
  }
  check_reserved(grant.reserved, 1, "granted", store);
  return grant;
}

void check_view(const LeaseView& lease, const std::string& store) {
  if (lease.worker_id < 0 || lease.worker_id > largest_worker_id) {
    refuse_answer(store, "shows worker ID " + std::to_string(lease.worker_id) + ", outside 0 to " +
                             std::to_string(largest_worker_id));
  }
  const std::string whose = "shows for worker ID " + std::to_string(lease.worker_id);
  check_epoch(lease.epoch, whose, store);
  checked(lease.lease_left, store);
  checked(lease.free_in, store);
  check_reserved(lease.reserved, 0, whose, store);
  for (const std::string& text : {lease.instance, lease.owner}) {
    if (text.size() <= longest_text) continue;
    refuse_answer(store, whose + " a text of " + std::to_string(text.size()) + " bytes; at most " +
                             std::to_string(longest_text) + " make sense");
  }
}

const Configuration& checked(const Configuration& configuration, const std::string& store) {
  try {
    check_configuration(configuration);
  } catch (const Error& error) {
    refuse_answer(store, "shows a wrong configuration: " + facts_of(error));
  }
  return configuration;
}

void check_view(const ClusterView& view, const std::string& store) {
  checked(view.configuration, store);
  if (view.last_epoch > largest_epoch) check_epoch(view.last_epoch, "shows the", store);
  checked(view.hold_back, store);
  for (const LeaseView& lease : view.leases) check_view(lease, store);
}

// What `operation` returns or throws, as far as it makes sense.
template <typename Operation>
auto answer_to(const Store& store, Operation operation) {
  const CancellationHeldOff held_off;
  try {
    return operation();
  } catch (const Error& error) {
    throw checked(error, store.description());
  }
}

// The same for one that only reads: where no answer came the outcome is known, nothing changed.
template <typename Operation>
auto answer_to_question(const Store& store, Operation operation) {
  return answer_to(store, [&] {
    try {
      return operation();
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::outcome_unknown) throw;
      throw Error(ErrorCode::unavailable, facts_of(error));
    }
  });
}

// What the record of an acquisition or a restoration is made of.
template <typename Request>
void check_holder(const Request& request) {
  check_configuration(request.configuration);
  check_text("the instance", request.instance, longest_text);
  check_text("the owner", request.owner, longest_text);
}

// What is outside the range and free belongs to the cluster no more.
void leave_out_former_ids(ClusterView& view) {
  const auto& [low, high, lease_time, reuse_delay, cool_down] = view.configuration;
  const auto outside = [low = low, high = high](const LeaseView& lease) {
    return lease.worker_id < low || lease.worker_id > high;
  };
  const auto granted = std::count_if(view.leases.begin(), view.leases.end(), std::not_fn(outside));
  view.never_granted = std::max<WorkerId>(0, high - low + 1 - granted);
  std::erase_if(view.leases, [&](const LeaseView& lease) {
    return outside(lease) && lease.state == LeaseState::free;
  });
}

void check_takeover(const AcquireRequest& request) {
  const auto& [tokens, epoch] = request.takeover;
  if (!request.takeover.empty() && request.instance.empty()) refuse("takeover needs an instance");
  if (tokens.size() > Takeover::most_tokens) {
    refuse("takeover names " + std::to_string(tokens.size()) + " tokens; at most " +
           std::to_string(Takeover::most_tokens) + " are allowed");
  }
  for (const Token& token : tokens) {
    if (token.empty())
      throw Error(ErrorCode::invalid_token, "a token that takeover names is empty");
  }
  if (epoch > largest_epoch) {
    refuse("takeover names the epoch " + std::to_string(epoch) + "; it must not be above " +
           std::to_string(largest_epoch));
  }
}

// The next one has to be greater.
void check_seen(std::uint64_t epoch) {
  if (epoch >= largest_epoch) {
    refuse("the epoch seen is " + std::to_string(epoch) + "; it must be below " +
           std::to_string(largest_epoch));
  }
}

}  // namespace

void detail::refuse(const std::string& facts) {
  throw Error(ErrorCode::invalid_argument, facts);
}

void detail::check_text(const std::string& what, const std::string& text, std::size_t longest) {
  if (text.size() > longest) {
    refuse(what + " has " + std::to_string(text.size()) + " bytes; at most " +
           std::to_string(longest) + " are allowed");
  }
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7f) {
      refuse(what + " contains the control character " + std::to_string(byte) +
             "; use printable ones");
    }
  }
}

std::string_view name(LeaseState state) noexcept {
  switch (state) {
    case LeaseState::leased:
      return "leased";
    case LeaseState::expired:
      return "expired";
    case LeaseState::cooling_down:
      return "cooling_down";
    case LeaseState::free:
      return "free";
  }
  return "unknown";
}

std::string_view name(GuaranteeLevel level) noexcept {
  switch (level) {
    case GuaranteeLevel::exact:
      return "exact";
    case GuaranteeLevel::conditional:
      return "conditional";
    case GuaranteeLevel::best_effort:
      return "best_effort";
  }
  return "unknown";
}

WorkerId ClusterView::count(LeaseState state) const noexcept {
  return std::count_if(leases.begin(), leases.end(),
                       [state](const LeaseView& lease) { return lease.state == state; });
}

void check_cluster_name(std::string_view cluster) {
  constexpr std::size_t longest = 100;
  const auto quoted = [cluster] { return "the cluster's name \"" + std::string{cluster} + "\""; };
  if (cluster.empty()) refuse("the cluster's name is empty; give it 1 to 100 characters");
  if (cluster.size() > longest) {
    refuse(quoted() + " has " + std::to_string(cluster.size()) + " characters; at most " +
           std::to_string(longest) + " are allowed");
  }
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/";
  const std::size_t wrong = cluster.find_first_not_of(allowed);
  if (wrong != std::string_view::npos) {
    refuse(quoted() + " has a wrong character at position " + std::to_string(wrong + 1) +
           "; letters, digits and . _ - : / are allowed");
  }
}

void check_configuration(const Configuration& configuration) {
  const auto [low, high, lease_time, reuse_delay, cool_down] = configuration;
  if (low < 0) refuse("min_worker_id is " + std::to_string(low) + "; it must not be below 0");
  if (high > largest_worker_id) {
    refuse("max_worker_id is " + std::to_string(high) + "; it must not be above " +
           std::to_string(largest_worker_id));
  }
  if (low > high) {
    refuse("min_worker_id is " + std::to_string(low) + ", above max_worker_id, which is " +
           std::to_string(high));
  }
  check_time("the lease time (max_lease_time)", lease_time, milliseconds{1});
  check_time("reuse_delay", reuse_delay, milliseconds{0});
  check_time("cool_down", cool_down, milliseconds{0});
}

Store::~Store() = default;

void Store::check_process() const {
  if (!forked()) return;
  refuse("this store was opened before fork(); open another one in the child");  // G11
}

Grant Store::acquire(const AcquireRequest& request, milliseconds timeout) {
  check_process();
  check_seen(request.seen_epoch);
  check_lease(request.cluster, 0, request.token, timeout);
  check_holder(request);
  check_takeover(request);
  return checked(answer_to(*this, [&] { return do_acquire(request, timeout); }),
                 request.configuration.min_worker_id, request.configuration.max_worker_id,
                 description());
}

Grant Store::renew(const RenewRequest& request, milliseconds timeout) {
  check_process();
  check_lease(request.cluster, request.worker_id, request.token, timeout);
  return checked(answer_to(*this, [&] { return do_renew(request, timeout); }), request.worker_id,
                 request.worker_id, description());
}

std::vector<RenewAnswer> Store::renew_all(std::span<const RenewRequest> requests,
                                          milliseconds timeout) {
  const CancellationHeldOff held_off;
  check_process();
  check_timeout(timeout);
  std::vector<RenewAnswer> answers(
      requests.size(), Error(ErrorCode::outcome_unknown, description() + " did not answer"));
  std::vector<std::size_t> places;  // of the requests that are good
  std::vector<RenewRequest> good;
  for (std::size_t place = 0; place < requests.size(); ++place) {
    const RenewRequest& request = requests[place];
    try {
      check_lease(request.cluster, request.worker_id, request.token, timeout);
      places.push_back(place);
      good.push_back(request);
    } catch (const Error& error) {
      answers[place] = error;
    }
  }
  if (good.empty()) return answers;
  std::vector<RenewAnswer> given;
  try {
    given = do_renew_all(good, timeout);
  } catch (const Error& error) {
    given.assign(good.size(), error);
  } catch (const std::exception& error) {
    given.assign(good.size(), Error(ErrorCode::outcome_unknown, error.what()));
  }
  for (std::size_t index = 0; index < std::min(given.size(), good.size()); ++index) {
    RenewAnswer& answer = answers[places[index]];
    answer = std::move(given[index]);
    if (const auto* grant = std::get_if<Grant>(&answer)) {
      const WorkerId worker_id = good[index].worker_id;
      answer = answer_of([&] { return checked(*grant, worker_id, worker_id, description()); });
    } else {
      answer = checked(std::get<Error>(answer), description());
    }
  }
  return answers;
}

std::vector<RenewAnswer> Store::do_renew_all(std::span<const RenewRequest> requests,
                                             milliseconds timeout) {
  const BootTime start = BootClock::now();
  std::vector<RenewAnswer> answers;
  for (const RenewRequest& request : requests) {
    const auto left = timeout - std::chrono::floor<milliseconds>(BootClock::now() - start);
    answers.push_back(answer_of([&] {
      if (left <= milliseconds::zero()) {
        throw Error(ErrorCode::unavailable,
                    description() + ": the time was over before the request");
      }
      return do_renew(request, left);
    }));
  }
  return answers;
}

Grant Store::restore(const RestoreRequest& request, milliseconds timeout) {
  check_process();
  const WorkerId worker_id = request.grant.worker_id;
  check_lease(request.cluster, worker_id, request.token, timeout);
  check_holder(request);
  checked(request.grant, worker_id, worker_id, "the request's store");
  check_seen(request.grant.epoch);
  return checked(answer_to(*this, [&] { return do_restore(request, timeout); }), worker_id,
                 worker_id, description());
}

void Store::release(const ReleaseRequest& request, milliseconds timeout) {
  check_process();
  check_lease(request.cluster, request.worker_id, request.token, timeout);
  answer_to(*this, [&] { do_release(request, timeout); });
}

std::optional<ClusterView> Store::inspect(const std::string& cluster, milliseconds timeout) {
  check_process();
  check_cluster_name(cluster);
  check_timeout(timeout);
  auto view = answer_to_question(*this, [&] { return do_inspect(cluster, timeout); });
  if (!view) return view;
  check_view(*view, description());
  leave_out_former_ids(*view);
  return view;
}

std::optional<LeaseView> Store::former_lease(const std::string& cluster,
                                             const std::string& instance, milliseconds timeout) {
  check_process();
  check_cluster_name(cluster);
  check_text("the instance", instance, longest_text);
  if (instance.empty()) refuse("the instance is empty");
  check_timeout(timeout);
  auto lease =
      answer_to_question(*this, [&] { return do_former_lease(cluster, instance, timeout); });
  if (lease) check_view(*lease, description());
  return lease;
}

Guarantee Store::guarantee(milliseconds timeout) {
  check_process();
  check_timeout(timeout);
  Guarantee guarantee = answer_to_question(*this, [&] { return do_guarantee(timeout); });
  for (std::string& reason : guarantee.reasons) reason = detail::printable(reason);
  return guarantee;
}

std::vector<std::string> Store::clusters(milliseconds timeout) {
  check_process();
  check_timeout(timeout);
  auto names = answer_to_question(*this, [&] { return do_clusters(timeout); });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Configuration Store::resize(const ResizeRequest& request, milliseconds timeout) {
  check_process();
  check_cluster_name(request.cluster);
  check_timeout(timeout);
  check_configuration(
      {.min_worker_id = request.min_worker_id, .max_worker_id = request.max_worker_id});
  const Configuration configuration =
      checked(answer_to(*this, [&] { return do_resize(request, timeout); }), description());
  if (configuration.min_worker_id != request.min_worker_id ||
      configuration.max_worker_id != request.max_worker_id) {
    throw Error(ErrorCode::corrupt_record, description() + " did not take the range");
  }
  return configuration;
}

milliseconds Store::evict(const EvictRequest& request, milliseconds timeout) {
  check_process();
  check_cluster_name(request.cluster);
  check_timeout(timeout);
  check_worker_id(request.worker_id);
  if (request.epoch == 0) refuse("the epoch is 0; pass that of the lease, as inspect shows it");
  check_seen(request.epoch);
  return checked(answer_to(*this, [&] { return do_evict(request, timeout); }), description());
}

std::optional<LeaseView> Store::do_former_lease(const std::string& cluster,
                                                const std::string& instance, milliseconds timeout) {
  std::optional<LeaseView> latest;
  const auto view = do_inspect(cluster, timeout);
  if (!view) return latest;
  for (const LeaseView& lease : view->leases) {
    if (lease.instance != instance || (latest && latest->epoch > lease.epoch)) continue;
    latest = lease;
  }
  return latest;
}

std::vector<std::string> Store::do_clusters(milliseconds) {
  throw cannot("list its clusters", "do_clusters");
}

Configuration Store::do_resize(const ResizeRequest&, milliseconds) {
  throw cannot("resize a cluster", "do_resize");
}

milliseconds Store::do_evict(const EvictRequest&, milliseconds) {
  throw cannot("evict a holder", "do_evict");
}

// The answer of a store that does not override a verb.
Error Store::cannot(const std::string& what, const std::string& function) const {
  return {ErrorCode::unsupported_server,
          description() + " cannot " + what + ": it does not override Store::" + function};
}

ForwardingStore::ForwardingStore(std::shared_ptr<Store> next) : next_(std::move(next)) {
  if (!next_) refuse("the store to forward to is empty");
}

Grant ForwardingStore::do_acquire(const AcquireRequest& request, milliseconds timeout) {
  return next_->acquire(request, timeout);
}

Grant ForwardingStore::do_renew(const RenewRequest& request, milliseconds timeout) {
  return next_->renew(request, timeout);
}

std::vector<RenewAnswer> ForwardingStore::do_renew_all(std::span<const RenewRequest> requests,
                                                       milliseconds timeout) {
  return next_->renew_all(requests, timeout);
}

Grant ForwardingStore::do_restore(const RestoreRequest& request, milliseconds timeout) {
  return next_->restore(request, timeout);
}

void ForwardingStore::do_release(const ReleaseRequest& request, milliseconds timeout) {
  next_->release(request, timeout);
}

std::optional<ClusterView> ForwardingStore::do_inspect(const std::string& cluster,
                                                       milliseconds timeout) {
  return next_->inspect(cluster, timeout);
}

Guarantee ForwardingStore::do_guarantee(milliseconds timeout) {
  return next_->guarantee(timeout);
}

std::optional<LeaseView> ForwardingStore::do_former_lease(const std::string& cluster,
                                                          const std::string& instance,
                                                          milliseconds timeout) {
  return next_->former_lease(cluster, instance, timeout);
}

std::vector<std::string> ForwardingStore::do_clusters(milliseconds timeout) {
  return next_->clusters(timeout);
}

Configuration ForwardingStore::do_resize(const ResizeRequest& request, milliseconds timeout) {
  return next_->resize(request, timeout);
}

milliseconds ForwardingStore::do_evict(const EvictRequest& request, milliseconds timeout) {
  return next_->evict(request, timeout);
}

}  // namespace workerid
