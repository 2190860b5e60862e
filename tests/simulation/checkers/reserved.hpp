// SPDX-License-Identifier: MIT
//
// G8, for a generator: it never issues an ID of a timestamp that its lease has not reserved. Looks at
// what the lease was granted under the epoch that the generator saw, which it may have seen long ago.
#pragma once

#include "checkers/checker.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace simulation {

class Reserved final : public Checker {
 public:
  void see(const Entry& entry) override {
    if (entry.kind != Entry::Kind::belief && entry.kind != Entry::Kind::issued) return;
    const std::pair grant{entry.lease, entry.epoch};
    if (entry.kind == Entry::Kind::belief) {
      workerid::TimestampRange& known = reserved_.try_emplace(grant, entry.reserved).first->second;
      known.first_ms = std::min(known.first_ms, entry.reserved.first_ms);
      known.last_ms = std::max(known.last_ms, entry.reserved.last_ms);
      return;
    }
    const auto known = reserved_.find(grant);
    if (known != reserved_.end() && known->second.first_ms <= entry.reserved.first_ms &&
        entry.reserved.last_ms <= known->second.last_ms) {
      return;
    }
    report(entry, "reserved (G8): lease " + std::to_string(entry.lease) +
                      " issued IDs of timestamps " + std::to_string(entry.reserved.first_ms) +
                      ".." + std::to_string(entry.reserved.last_ms) +
                      ", which it has not reserved");
  }

 private:
  std::map<std::pair<int, std::uint64_t>, workerid::TimestampRange>
      reserved_;  // by lease and epoch
};

}  // namespace simulation
