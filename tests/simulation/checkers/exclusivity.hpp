// SPDX-License-Identifier: MIT
//
// G1: at no true instant do two leases say that they hold the same worker ID. What a lease says
// can turn from no to yes only when it learns something or its host's clocks are bent: of two
// intervals that overlap one starts inside the other, so looking then sees every overlap.
#pragma once

#include "checkers/beliefs.hpp"
#include "checkers/checker.hpp"

namespace simulation {

class Exclusivity final : public Checker {
 public:
  void see(const Entry& entry) override {
    beliefs_.see(entry);
    switch (entry.kind) {
      case Entry::Kind::belief:
      case Entry::Kind::clock:
      case Entry::Kind::woke:
      case Entry::Kind::acted:
        look(entry);
        break;
      case Entry::Kind::checked:
        look(entry);
        if (!holds(entry)) report(entry, "a lease said that it is held, against its clocks");
        break;
      default:
        break;
    }
  }

 private:
  bool holds(const Entry& entry) const {
    for (const Beliefs::Belief& one : beliefs_.all()) {
      if (one.lease == entry.lease) return beliefs_.held(one, entry.time);
    }
    return false;
  }

  void look(const Entry& entry) {
    const auto& all = beliefs_.all();
    for (std::size_t left = 0; left < all.size(); ++left) {
      for (std::size_t right = left + 1; right < all.size(); ++right) {
        if (all[left].worker_id != all[right].worker_id) continue;
        if (!beliefs_.held(all[left], entry.time) || !beliefs_.held(all[right], entry.time)) {
          continue;
        }
        report(entry, "exclusivity (G1): worker ID " + std::to_string(all[left].worker_id) +
                          " is held by lease " + std::to_string(all[left].lease) + " of process " +
                          std::to_string(all[left].process) + " and by lease " +
                          std::to_string(all[right].lease) + " of process " +
                          std::to_string(all[right].process));
      }
    }
  }

  Beliefs beliefs_;
};

}  // namespace simulation
