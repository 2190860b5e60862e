// SPDX-License-Identifier: MIT
//
// What leases say of themselves, as functions of true time: from the trace of beliefs and clocks.
#pragma once

#include "trace.hpp"

#include <algorithm>
#include <vector>

namespace simulation {

class Beliefs {
 public:
  struct Belief {
    int host = 0;
    int seat = 0;
    int process = 0;
    int lease = 0;
    workerid::WorkerId worker_id = 0;
    std::uint64_t epoch = 0;
    Time boot{};
    std::int64_t wall = 0;
  };

  void see(const Entry& entry) {
    if (entry.kind == Entry::Kind::clock) {
      const auto host = static_cast<std::size_t>(entry.host);
      if (clocks_.size() <= host) clocks_.resize(host + 1);
      clocks_[host].follow(entry.line);
    } else if (entry.kind == Entry::Kind::belief) {
      const Belief belief{entry.host,      entry.seat,  entry.process,       entry.lease,
                          entry.worker_id, entry.epoch, entry.boot_validity, entry.wall_validity};
      const auto place = std::find_if(all_.begin(), all_.end(),
                                      [&](const Belief& one) { return one.lease == entry.lease; });
      if (place == all_.end()) {
        all_.push_back(belief);
      } else {
        *place = belief;
      }
    } else if (entry.kind == Entry::Kind::ended) {
      std::erase_if(all_, [&](const Belief& one) { return one.lease == entry.lease; });
    } else if (entry.kind == Entry::Kind::crashed) {
      std::erase_if(all_, [&](const Belief& one) { return one.process == entry.process; });
    }
  }

  const std::vector<Belief>& all() const noexcept { return all_; }

  bool held(const Belief& belief, Time now) const {
    const HostClock& clock = clocks_.at(static_cast<std::size_t>(belief.host));
    const auto wall = std::chrono::floor<std::chrono::milliseconds>(clock.wall(now)).count();
    return clock.boot(now) < belief.boot && wall < belief.wall;
  }

 private:
  std::vector<HostClock> clocks_;
  std::vector<Belief> all_;
};

}  // namespace simulation
