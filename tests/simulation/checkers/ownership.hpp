// SPDX-License-Identifier: MIT
//
// G3: only its owner renews or releases a lease, nobody restores one that is another's, and lost is
// final. G5: an acquisition that is repeated gets no second ID.
#pragma once

#include "checkers/checker.hpp"

#include <map>
#include <set>
#include <utility>

namespace simulation {

class Ownership final : public Checker {
 public:
  explicit Ownership(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    switch (entry.kind) {
      case Entry::Kind::loss:
        owners_.clear();  // The store may know other owners now.
        may_repeat_ = !promise_.ordered_store;
        break;
      case Entry::Kind::executed:
        if (!entry.code) see_executed(entry);
        break;
      case Entry::Kind::ended:
        ended_.insert(entry.lease);
        break;
      case Entry::Kind::belief:
        if (ended_.count(entry.lease) != 0) report(entry, "a lease that ended is held again (G3)");
        break;
      case Entry::Kind::sent:
        if (entry.verb != Verb::release && ended_.count(entry.lease) != 0) {
          report(entry, "a lease that ended is still renewed (G3)");
        }
        break;
      default:
        break;
    }
  }

 private:
  void see_executed(const Entry& entry) {
    // `amount` is the server, where there is more than one.
    const auto place = std::pair{entry.amount, entry.worker_id};
    if (entry.verb == Verb::acquire) {
      for (const auto& [other, owner] : owners_) {
        if (owner != entry.lease || other == place || other.first != place.first) continue;
        report(entry, "repetition (G5): lease " + std::to_string(entry.lease) +
                          " was granted worker ID " + std::to_string(entry.worker_id) +
                          " though it has " + std::to_string(other.second));
      }
      owners_[place] = entry.lease;
      return;
    }
    // A late restoration under an epoch that the store has not reached again is taken for true.
    if (entry.verb == Verb::restore && may_repeat_) owners_[place] = entry.lease;
    const auto owner = owners_.find(place);
    if (entry.verb == Verb::restore && owner == owners_.end()) owners_[place] = entry.lease;
    if (owner != owners_.end() && owner->second != entry.lease) {
      report(entry, "ownership (G3): lease " + std::to_string(entry.lease) + " could " +
                        std::string{name(entry.verb)} + " worker ID " +
                        std::to_string(entry.worker_id) + ", which is lease " +
                        std::to_string(owner->second) + "'s");
    }
  }

  std::map<std::pair<std::int64_t, workerid::WorkerId>, int> owners_;
  Promise promise_;
  std::set<int> ended_;
  bool may_repeat_ = false;  // A5 does not hold
};

}  // namespace simulation
