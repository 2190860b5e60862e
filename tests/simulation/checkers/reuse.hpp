// SPDX-License-Identifier: MIT
//
// G6: a worker ID is given to somebody else after the lease and the reuse delay, or, when it was
// released, after the cool-down; in the store's own time. Where it is taken over, whoever does that may
// have it at once, and nobody else sooner than without.
#pragma once

#include "checkers/checker.hpp"

#include <algorithm>
#include <map>

namespace simulation {

class Reuse final : public Checker {
 public:
  explicit Reuse(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss) {
      std::erase_if(former_, [&](const auto& one) {
        return entry.worker_id < 0 || one.first.second == entry.worker_id;
      });
    }
    if (entry.kind != Entry::Kind::executed || entry.code) return;
    const auto place = std::pair{entry.amount, entry.worker_id};
    Former& former = former_[place];
    if (entry.verb == Verb::release) {
      if (former.lease == entry.lease && !former.released) {
        former.released = true;
        former.free_at =
            std::max(entry.store_now + promise_.configuration.cool_down.count(), former.floor);
      }
      return;
    }
    const bool early = former.lease >= 0 && former.lease != entry.lease &&
                       entry.verb == Verb::acquire && entry.store_now < former.free_at;
    std::int64_t floor = former.lease == entry.lease ? former.floor : 0;
    if (early && entry.takeover && entry.seat == former.seat) {
      floor = former.free_at;
    } else if (early) {
      report(entry, "reuse (G6): worker ID " + std::to_string(entry.worker_id) + " was granted " +
                        std::to_string(former.free_at - entry.store_now) +
                        " ms before it came free");
    }
    const auto& [low, high, lease_time, reuse_delay, cool_down] = promise_.configuration;
    former = {entry.lease, entry.seat, false, floor,
              std::max(floor, entry.store_now + (lease_time + reuse_delay).count())};
  }

 private:
  struct Former {
    int lease = -1;
    int seat = -1;
    bool released = false;
    std::int64_t floor = 0;
    std::int64_t free_at = 0;
  };

  Promise promise_;
  std::map<std::pair<std::int64_t, workerid::WorkerId>, Former> former_;
};

}  // namespace simulation
