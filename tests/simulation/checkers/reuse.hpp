// SPDX-License-Identifier: MIT
//
// G6: a worker ID is given to somebody else after the lease and the reuse delay, or, when it was
// released, after the cool-down; in the store's own time.
#pragma once

#include "checkers/checker.hpp"

#include <map>

namespace simulation {

class Reuse final : public Checker {
 public:
  explicit Reuse(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss) former_.clear();
    if (entry.kind != Entry::Kind::executed || entry.code) return;
    const auto place = std::pair{entry.amount, entry.worker_id};
    Former& former = former_[place];
    if (entry.verb == Verb::release) {
      if (former.lease == entry.lease && !former.released) {
        former.released = true;
        former.since = entry.store_now;
      }
      return;
    }
    const auto& [low, high, lease_time, reuse_delay, cool_down] = promise_.configuration;
    if (former.lease >= 0 && former.lease != entry.lease && entry.verb == Verb::acquire &&
        !entry.takeover) {
      const std::int64_t least =
          former.released ? cool_down.count() : (lease_time + reuse_delay).count();
      const std::int64_t passed = entry.store_now - former.since;
      if (passed < least) {
        report(entry, "reuse (G6): worker ID " + std::to_string(entry.worker_id) +
                          " was granted again " + std::to_string(passed) + " ms after it was " +
                          (former.released ? "released" : "extended") + ", not " +
                          std::to_string(least));
      }
    }
    former = {entry.lease, false, entry.store_now};
  }

 private:
  struct Former {
    int lease = -1;
    bool released = false;
    std::int64_t since = 0;
  };

  Promise promise_;
  std::map<std::pair<std::int64_t, workerid::WorkerId>, Former> former_;
};

}  // namespace simulation
