// SPDX-License-Identifier: MIT
//
// G4: a later grant has a greater epoch: per worker ID in the order in which leases began to be
// held, per cluster in the order in which the store granted. An epoch serves one lease, and one that
// was not held for a while comes back under another.
#pragma once

#include "checkers/beliefs.hpp"
#include "checkers/checker.hpp"

#include <limits>
#include <map>
#include <set>
#include <utility>

namespace simulation {

class Epochs final : public Checker {
 public:
  explicit Epochs(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::belief) see_revival(entry);
    beliefs_.see(entry);
    if (entry.kind == Entry::Kind::loss && !promise_.ordered_store) {
      may_repeat_ = true;
      begun_.clear();
      served_.clear();
      std::erase_if(known_, [&](const auto& grant) { return grant.second > entry.epoch; });
      greatest_ = entry.epoch;
    } else if (entry.kind == Entry::Kind::executed && !entry.code && entry.epoch != 0) {
      known_.insert({entry.lease, entry.epoch});
      see_service(entry);
      if (entry.verb == Verb::acquire || entry.verb == Verb::renew_resume) see_grant(entry);
      if (entry.verb == Verb::restore) greatest_ = std::max(greatest_, entry.epoch);
    } else if (entry.kind == Entry::Kind::belief) {
      see_belief(entry);
    }
  }

 private:
  void see_grant(const Entry& entry) {
    const bool another = granted_.insert({entry.lease, entry.epoch}).second;
    if (entry.verb == Verb::acquire && !another) return;  // The same grant again.
    if (entry.epoch <= greatest_) {
      report(entry, "epochs (G4): lease " + std::to_string(entry.lease) + " was granted epoch " +
                        std::to_string(entry.epoch) + " after " + std::to_string(greatest_));
    }
    greatest_ = std::max(greatest_, entry.epoch);
  }

  void see_service(const Entry& entry) {
    const auto& [epoch, lease] = *served_.try_emplace(entry.epoch, entry.lease).first;
    if (lease == entry.lease) return;
    report(entry, "epochs (G4): epoch " + std::to_string(epoch) + " serves lease " +
                      std::to_string(lease) + " and lease " + std::to_string(entry.lease));
  }

  void see_revival(const Entry& entry) {
    if (may_repeat_) return;
    constexpr auto unwitnessed = std::numeric_limits<std::int64_t>::max();  // an explicit lease
    for (const Beliefs::Belief& one : beliefs_.all()) {
      if (one.lease != entry.lease || one.epoch != entry.epoch) continue;
      if (entry.wall_validity == unwitnessed || beliefs_.held(one, entry.time)) continue;
      report(entry, "epochs (G4): lease " + std::to_string(entry.lease) +
                        " is held again under its former epoch");
    }
  }

  void see_belief(const Entry& entry) {
    for (const Beliefs::Belief& one : beliefs_.all()) {
      if (one.lease == entry.lease && !beliefs_.held(one, entry.time)) return;
    }
    // Where A5 does not hold, a late answer may tell of a grant that was lost.
    if (may_repeat_ && known_.count({entry.lease, entry.epoch}) == 0) return;
    auto& [lease, epoch] = begun_[entry.worker_id];
    const bool same = lease == entry.lease && epoch == entry.epoch;
    if (!same && entry.epoch <= epoch) {
      report(entry, "epochs (G4): worker ID " + std::to_string(entry.worker_id) +
                        " is held under epoch " + std::to_string(entry.epoch) + " after " +
                        std::to_string(epoch));
    }
    lease = entry.lease;
    epoch = entry.epoch;
  }

  Promise promise_;
  Beliefs beliefs_;
  std::set<std::pair<int, std::uint64_t>> granted_;  // lease and epoch
  std::set<std::pair<int, std::uint64_t>> known_;    // to the store, since a loss without A5
  std::map<workerid::WorkerId, std::pair<int, std::uint64_t>> begun_;
  std::map<std::uint64_t, int> served_;  // by epoch: the lease
  std::uint64_t greatest_ = 0;
  bool may_repeat_ = false;  // A5 does not hold
};

}  // namespace simulation
