// SPDX-License-Identifier: MIT
//
// G7: after a loss that the store shows, nothing is granted, nor renewed for who may have lapsed, for
// as long as a former holder may hold; who holds is not refused; and an epoch that a process saw tells it of a loss that the store does not show.
#pragma once

#include "checkers/checker.hpp"

namespace simulation {

class HoldBack final : public Checker {
 public:
  explicit HoldBack(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss) {
      see_loss(entry);
      return;
    }
    if (entry.kind != Entry::Kind::executed || entry.amount < node_) return;
    if (entry.code != workerid::ErrorCode::not_assigned) touched_ = true;
    if (entry.code == workerid::ErrorCode::holding_back) suspect_ = false;
    if (entry.code == workerid::ErrorCode::holding_back &&
        (entry.verb == Verb::renew_held || entry.verb == Verb::restore)) {
      report(entry, "hold-back (G7): who holds was refused");
    }
    if (entry.code) return;
    if (entry.verb == Verb::renew_strict) see_grant(entry);
    if (entry.verb == Verb::acquire || entry.verb == Verb::renew_resume) {
      see_grant(entry);
      granted_ever_ = true;
    }
    surviving_ = std::max(surviving_, entry.epoch);
  }

 private:
  void see_loss(const Entry& entry) {
    if (entry.text == "split") ++node_;
    if (entry.amount == 1) {
      surviving_ = entry.epoch;
      suspect_ = true;
    }
    if (entry.amount != 0 || !granted_ever_) return;
    // What the server lost before it knew the cluster again, it lost when it began.
    if (entry.text == "wipe" && !touched_) return;
    touched_ = entry.text == "wipe" && touched_;
    lost_at_ = entry.time;
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
  bool granted_ever_ = false;
  bool touched_ = false;  // since the server began
  std::optional<Time> lost_at_;
  bool suspect_ = false;
  std::uint64_t surviving_ = 0;
  std::int64_t node_ = 0;
};

}  // namespace simulation
