// SPDX-License-Identifier: MIT
//
// G3: only its owner renews or releases a lease, nobody restores one that is another's, and lost is
// final. Of two that are restored after a loss the later grant is true. G5: an acquisition that is
// repeated gets no second ID, unless its record alone was lost while the repetition was under way.
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
        // The store may know other owners now.
        if (entry.worker_id < 0) owners_.clear();
        std::erase_if(owners_, [&](const auto& one) {
          const bool lost = one.first.second == entry.worker_id;
          if (lost) lost_alone_.insert(one.second.lease);
          return lost;
        });
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
        if (lost_alone_.count(entry.lease) != 0) sent_since_.insert({entry.seat, entry.message});
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
        if (owner.lease != entry.lease || other == place || other.first != place.first) continue;
        if (was_under_way(entry)) continue;
        report(entry, "repetition (G5): lease " + std::to_string(entry.lease) +
                          " was granted worker ID " + std::to_string(entry.worker_id) +
                          " though it has " + std::to_string(other.second));
      }
      owners_[place] = {entry.lease, 0};
      return;
    }
    const auto owner = owners_.find(place);
    if (entry.verb == Verb::restore) {
      // Where A5 does not hold, one that is late may show an epoch that the store has not reached again.
      if (owner == owners_.end() || may_repeat_ ||
          (owner->second.restored_epoch != 0 && owner->second.restored_epoch < entry.epoch)) {
        owners_[place] = {entry.lease, entry.epoch};
        return;
      }
    }
    if (entry.verb == Verb::renew_resume && owner != owners_.end()) {
      owner->second.restored_epoch = 0;
    }
    if (owner != owners_.end() && owner->second.lease != entry.lease) {
      report(entry, "ownership (G3): lease " + std::to_string(entry.lease) + " could " +
                        std::string{name(entry.verb)} + " worker ID " +
                        std::to_string(entry.worker_id) + ", which is lease " +
                        std::to_string(owner->second.lease) + "'s");
    }
  }

  // When the record of its lease was lost, and nothing else.
  bool was_under_way(const Entry& entry) const {
    return lost_alone_.count(entry.lease) != 0 &&
           sent_since_.count({entry.seat, entry.message}) == 0;
  }

  struct Owner {
    int lease = -1;
    std::uint64_t restored_epoch = 0;  // 0 where it was granted
  };

  std::map<std::pair<std::int64_t, workerid::WorkerId>, Owner> owners_;
  Promise promise_;
  std::set<int> ended_;
  std::set<int> lost_alone_;  // whose record went, and nothing else
  std::set<std::pair<int, int>> sent_since_;
  bool may_repeat_ = false;  // A5 does not hold
};

}  // namespace simulation
