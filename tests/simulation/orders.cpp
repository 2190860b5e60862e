// SPDX-License-Identifier: MIT
#include "orders.hpp"

#include <limits>
#include <utility>

namespace simulation {

std::string_view name(Order order) {
  switch (order) {
    case Order::late_across_a_loss:
      return "late across a loss";
    case Order::late_across_two_losses:
      return "late across two losses";
    case Order::twice_across_a_loss:
      return "twice across a loss";
    case Order::twice_across_two_losses:
      return "twice across two losses";
    case Order::machines_that_disagree:
      return "machines that disagree";
    case Order::release_of_what_was_taken:
      return "release of what was taken over";
    case Order::takeover_beside_a_release:
      return "takeover beside a release";
    case Order::explicit_after_a_loss:
      return "explicit renewal after a loss";
    case Order::explicit_across_a_loss:
      return "explicit renewal across a loss";
    case Order::restoration_across_a_loss:
      return "restoration across a loss";
  }
  return "unknown";
}

void Orders::see(const Entry& entry) {
  switch (entry.kind) {
    case Entry::Kind::clock: {
      const auto host = static_cast<std::size_t>(entry.host);
      if (clocks_.size() <= host) clocks_.resize(host + 1);
      clocks_[host].follow(entry.line);
      break;
    }
    case Entry::Kind::started: {
      const auto process = static_cast<std::size_t>(entry.process);
      if (host_of_.size() <= process) host_of_.resize(process + 1);
      host_of_[process] = entry.host;
      break;
    }
    case Entry::Kind::loss:
      ++losses_;
      granted_since_ = false;
      break;
    case Entry::Kind::sent:
      requests_[{entry.seat, entry.message}] = {losses_, -1, ++moments_};
      break;
    case Entry::Kind::belief:  // One that has no second witness is its user's to renew.
      if (entry.wall_validity == std::numeric_limits<std::int64_t>::max()) {
        explicit_leases_.insert(entry.lease);
      }
      break;
    case Entry::Kind::executed:
      see_executed(entry);
      see_machine(entry);
      see_takeover(entry);
      break;
    default:
      break;
  }
}

void Orders::see_executed(const Entry& entry) {
  Request& request = requests_[{entry.seat, entry.message}];
  const int late_by = losses_ - request.losses_when_sent;
  const bool again = request.losses_when_executed >= 0;
  if (again) {
    const int apart = losses_ - request.losses_when_executed;
    if (apart >= 1) count(Order::twice_across_a_loss);
    if (apart >= 2) count(Order::twice_across_two_losses);
  } else {
    request.losses_when_executed = losses_;
  }
  if (late_by >= 1) count(Order::late_across_a_loss);
  if (late_by >= 2) count(Order::late_across_two_losses);
  if (late_by >= 1 && entry.verb == Verb::restore) count(Order::restoration_across_a_loss);
  const bool renewal = entry.verb == Verb::renew_strict || entry.verb == Verb::renew_held;
  if (renewal && explicit_leases_.count(entry.lease) != 0) {
    if (late_by >= 1) count(Order::explicit_across_a_loss);
    if (losses_ > 0 && !granted_since_) count(Order::explicit_after_a_loss);
  }
  if (entry.verb == Verb::acquire && !entry.code) granted_since_ = true;
}

void Orders::see_machine(const Entry& entry) {
  const int host = host_of_.at(static_cast<std::size_t>(entry.process));
  const int last = std::exchange(last_host_, host);
  if (last < 0 || last == host) return;
  const auto wall = [&](int one) {
    return clocks_.at(static_cast<std::size_t>(one)).wall(entry.time);
  };
  const Time apart = wall(last) - wall(host);
  if (apart > agreement_ || -apart > agreement_) count(Order::machines_that_disagree);
}

void Orders::see_takeover(const Entry& entry) {
  if (entry.verb == Verb::release) {
    const auto taken = taken_over_at_.find(entry.lease);
    if (taken == taken_over_at_.end()) return;
    count(Order::release_of_what_was_taken);
    const Request& release = requests_[{entry.seat, entry.message}];
    if (release.sent_at < taken->second) count(Order::takeover_beside_a_release);
    return;
  }
  if (entry.code) return;
  const auto former = owners_.find(entry.worker_id);
  if (entry.takeover && former != owners_.end() && former->second != entry.lease) {
    taken_over_at_[former->second] = ++moments_;
  }
  owners_[entry.worker_id] = entry.lease;
}

}  // namespace simulation
