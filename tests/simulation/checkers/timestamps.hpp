// SPDX-License-Identifier: MIT
//
// G8: the timestamps that are reserved for different grants of one worker ID never overlap. Looks
// at those that a holder learned of: only these can have been used.
#pragma once

#include "checkers/checker.hpp"

#include <map>
#include <utility>

namespace simulation {

class Timestamps final : public Checker {
 public:
  explicit Timestamps(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss && !promise_.ordered_store) ranges_.clear();
    if (entry.kind != Entry::Kind::belief) return;
    auto& of_id = ranges_[entry.worker_id];
    const auto grant = std::pair{entry.lease, entry.epoch};
    workerid::TimestampRange& own = of_id.try_emplace(grant, entry.reserved).first->second;
    own.first_ms = std::min(own.first_ms, entry.reserved.first_ms);
    own.last_ms = std::max(own.last_ms, entry.reserved.last_ms);
    for (const auto& [other, range] : of_id) {
      if (other == grant || range.first_ms > own.last_ms || own.first_ms > range.last_ms) continue;
      report(entry, "timestamps (G8): worker ID " + std::to_string(entry.worker_id) + ": " +
                        std::to_string(own.first_ms) + ".." + std::to_string(own.last_ms) +
                        " of lease " + std::to_string(entry.lease) + " and " +
                        std::to_string(range.first_ms) + ".." + std::to_string(range.last_ms) +
                        " of lease " + std::to_string(other.first) + " overlap");
    }
  }

 private:
  Promise promise_;
  std::map<workerid::WorkerId, std::map<std::pair<int, std::uint64_t>, workerid::TimestampRange>>
      ranges_;
};

}  // namespace simulation
