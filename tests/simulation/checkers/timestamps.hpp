// SPDX-License-Identifier: MIT
//
// G8: the timestamps that are reserved for different holders of one worker ID never overlap. Looks
// at those that a holder learned of: only these can have been used. Of what a store lost, as far as
// it says that it is covered: grants that follow each other fast reserve ever further ahead.
#pragma once

#include "checkers/checker.hpp"

#include <map>
#include <utility>

namespace simulation {

class Timestamps final : public Checker {
 public:
  explicit Timestamps(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss) see_loss(entry);
    if (entry.kind == Entry::Kind::executed && !entry.code) {
      granted_after_.try_emplace({entry.lease, entry.epoch}, losses_);
    }
    if (entry.kind == Entry::Kind::belief) see_belief(entry);
  }

 private:
  using Grant = std::pair<int, std::uint64_t>;  // lease and epoch

  void see_loss(const Entry& entry) {
    ++losses_;
    covered_ms_ = promise_.ordered_store ? entry.reserved.last_ms : -1;
    for (auto& [worker_id, of_id] : ranges_) {
      std::erase_if(of_id, [&](const auto& one) { return one.second.last_ms > covered_ms_; });
    }
  }

  void see_belief(const Entry& entry) {
    const Grant grant{entry.lease, entry.epoch};
    const auto granted = granted_after_.find(grant);
    const bool lost = granted != granted_after_.end() && granted->second < losses_;
    if (lost && entry.reserved.last_ms > covered_ms_) return;
    auto& of_id = ranges_[entry.worker_id];
    workerid::TimestampRange& own = of_id.try_emplace(grant, entry.reserved).first->second;
    own.first_ms = std::min(own.first_ms, entry.reserved.first_ms);
    own.last_ms = std::max(own.last_ms, entry.reserved.last_ms);
    for (const auto& [other, range] : of_id) {
      if (other.first == entry.lease) continue;
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
  std::int64_t covered_ms_ = -1;  // by the last loss
  std::map<Grant, int> granted_after_;
  std::map<workerid::WorkerId, std::map<Grant, workerid::TimestampRange>> ranges_;
};

}  // namespace simulation
