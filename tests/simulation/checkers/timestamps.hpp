// SPDX-License-Identifier: MIT
//
// G8: the timestamps that are reserved for different holders of one worker ID never overlap. Looks
// at those that a holder learned of: only these can have been used. Of what a store lost, as far as
// it says that it is covered: grants that follow each other fast reserve ever further ahead.
#pragma once

#include "checkers/checker.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace simulation {

class Timestamps final : public Checker {
 public:
  explicit Timestamps(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss) see_loss(entry);
    if (entry.kind == Entry::Kind::executed && !entry.code && entry.epoch != 0) {
      const Grant grant{entry.lease, entry.epoch};
      int& after = granted_after_.try_emplace(grant, losses_).first->second;
      std::int64_t& reserved = reserved_.try_emplace(grant, 0).first->second;
      reserved = std::max(reserved, entry.reserved.last_ms);
      if (entry.verb == Verb::restore) {  // From now on the store knows it again.
        after = losses_;
        const auto used = used_.find(grant);
        if (used != used_.end() && promise_.ordered_store) protect(entry, grant, used->second);
      }
    }
    if (entry.kind == Entry::Kind::executed && !entry.code && entry.verb == Verb::release) {
      see_release(entry);
    }
    if (entry.kind == Entry::Kind::belief) see_belief(entry);
  }

 private:
  using Grant = std::pair<int, std::uint64_t>;  // lease and epoch

  void see_loss(const Entry& entry) {
    ++losses_;
    covered_ms_ = promise_.ordered_store ? entry.reserved.last_ms : -1;
    if (!promise_.ordered_store) {  // Nothing of before counts (A5).
      used_.clear();
      reserved_.clear();
    }
    for (auto& [worker_id, of_id] : ranges_) {
      std::erase_if(of_id, [&](const auto& one) { return one.second.last_ms > covered_ms_; });
    }
  }

  // Whoever gives back what it did not use of its timestamps leaves them to the next holder.
  void see_release(const Entry& entry) {
    if (entry.reserved.last_ms == 0) return;
    for (auto& [grant, range] : ranges_[entry.worker_id]) {
      if (grant.first != entry.lease) continue;
      range.last_ms = std::min(range.last_ms, entry.reserved.last_ms);
    }
  }

  void see_belief(const Entry& entry) {
    const Grant grant{entry.lease, entry.epoch};
    workerid::TimestampRange& used = used_.try_emplace(grant, entry.reserved).first->second;
    used.first_ms = std::min(used.first_ms, entry.reserved.first_ms);
    used.last_ms = std::max(used.last_ms, entry.reserved.last_ms);
    if (!promise_.ordered_store) {  // Nor what a late answer tells of it.
      const auto reserved = reserved_.find(grant);
      if (reserved != reserved_.end()) used.last_ms = std::min(used.last_ms, reserved->second);
    }
    const auto granted = granted_after_.find(grant);
    const bool lost = granted != granted_after_.end() && granted->second < losses_;
    if (!lost || used.last_ms <= covered_ms_) protect(entry, grant, used);
  }

  void protect(const Entry& entry, const Grant& grant, const workerid::TimestampRange& own) {
    auto& of_id = ranges_[entry.worker_id];
    of_id[grant] = own;
    for (const auto& [other, range] : of_id) {
      if (other.first == grant.first) continue;
      if (range.first_ms > own.last_ms || own.first_ms > range.last_ms) continue;
      report(entry, "timestamps (G8): worker ID " + std::to_string(entry.worker_id) + ": " +
                        std::to_string(own.first_ms) + ".." + std::to_string(own.last_ms) +
                        " of lease " + std::to_string(entry.lease) + " and " +
                        std::to_string(range.first_ms) + ".." + std::to_string(range.last_ms) +
                        " of lease " + std::to_string(other.first) + " overlap");
    }
  }

  Promise promise_;
  int losses_ = 0;
  std::int64_t covered_ms_ = -1;        // by the last loss
  std::map<Grant, int> granted_after_;  // how many losses
  std::map<Grant, workerid::TimestampRange> used_;
  std::map<Grant, std::int64_t> reserved_;  // until when, by what the store has of it
  std::map<workerid::WorkerId, std::map<Grant, workerid::TimestampRange>> ranges_;
};

}  // namespace simulation
