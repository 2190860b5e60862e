// SPDX-License-Identifier: MIT
//
// G7: after a loss that the store shows, nothing is granted, nor renewed for who may have lapsed, for
// as long as a former holder may hold; who holds is not refused; and a process that shows an epoch or a
// lease which the store does not know tells it of a silent loss.
#pragma once

#include "checkers/beliefs.hpp"
#include "checkers/checker.hpp"

#include <map>
#include <utility>

namespace simulation {

class HoldBack final : public Checker {
 public:
  explicit HoldBack(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    beliefs_.see(entry);
    if (entry.kind == Entry::Kind::loss) {
      see_loss(entry);
      return;
    }
    if (entry.kind != Entry::Kind::executed || entry.amount < node_) return;
    if (entry.code != workerid::ErrorCode::not_assigned) touched_ = true;
    if (suspect_ && entry.noticed && granted_ever_) lost_at_ = entry.time;
    if (entry.noticed || entry.code == workerid::ErrorCode::holding_back) suspect_ = false;
    if (entry.code == workerid::ErrorCode::holding_back &&
        (entry.verb == Verb::renew_held || entry.verb == Verb::restore)) {
      report(entry, "hold-back (G7): who holds was refused");
    }
    if (entry.verb == Verb::restore && entry.code == workerid::ErrorCode::token_mismatch) {
      see_refusal(entry);
    }
    if (entry.code) return;
    if (entry.verb == Verb::renew_strict) see_grant(entry);
    if (entry.verb == Verb::acquire || entry.verb == Verb::renew_resume) {
      see_grant(entry);
      granted_ever_ = true;
      auto& latest = latest_[entry.worker_id];
      latest = std::max(latest, std::pair{entry.epoch, entry.lease});
    }
    surviving_ = std::max(surviving_, entry.epoch);
  }

 private:
  void see_loss(const Entry& entry) {
    if (entry.text == "split") ++node_;
    if (entry.amount == 1) {
      surviving_ = entry.epoch;
      suspect_ = silent_ = true;
      if (!entry.noticed) lost_at_.reset();  // It lost, too, that it holds back.
    }
    if (entry.amount != 0 || !granted_ever_) return;
    // What the server lost before it knew the cluster again, it lost when it began.
    if (entry.text == "wipe" && !touched_) return;
    touched_ = entry.text == "wipe" && touched_;
    lost_at_ = entry.time;
  }

  // Nobody was granted the ID after who holds it, so nobody else may have it.
  void see_refusal(const Entry& entry) {
    if (!promise_.ordered_store || silent_) return;
    for (const Beliefs::Belief& one : beliefs_.all()) {
      if (one.lease != entry.lease) continue;
      if (!beliefs_.held(one, entry.time) || latest_[one.worker_id].second != one.lease) continue;
      report(entry, "hold-back (G7): lease " + std::to_string(one.lease) +
                        " holds, under the latest epoch, and was not restored");
    }
  }

  void see_grant(const Entry& entry) {
    const auto& configuration = promise_.configuration;
    if (lost_at_) {
      constexpr Time granularity = std::chrono::milliseconds{5};
      const Time passed = scaled(entry.time - *lost_at_, HostClock::true_rate + promise_.rho) +
                          promise_.store_step + granularity;
      if (passed < configuration.lease_time + configuration.reuse_delay) {
        report(entry, "hold-back (G7): lease " + std::to_string(entry.lease) + " was granted " +
                          text(entry.time - *lost_at_) + " after a loss");
      }
    }
    if (suspect_ && entry.verb == Verb::acquire && entry.seen_epoch > surviving_) {
      report(entry, "hold-back (G7): the store granted to who saw epoch " +
                        std::to_string(entry.seen_epoch) + ", though it knows of none after " +
                        std::to_string(surviving_));
    }
  }

  Promise promise_;
  Beliefs beliefs_;
  std::map<workerid::WorkerId, std::pair<std::uint64_t, int>> latest_;  // epoch and lease
  bool granted_ever_ = false;
  bool touched_ = false;  // since the server began
  std::optional<Time> lost_at_;
  bool suspect_ = false;
  bool silent_ = false;  // A1 does not hold
  std::uint64_t surviving_ = 0;
  std::int64_t node_ = 0;
};

}  // namespace simulation
