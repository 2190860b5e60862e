// SPDX-License-Identifier: MIT
//
// When faults have ended long enough ago, everybody who wants a worker ID holds one, as far as
// there are enough.
#pragma once

#include "checkers/beliefs.hpp"
#include "checkers/checker.hpp"

#include <map>
#include <set>

namespace simulation {

class Liveness final : public Checker {
 public:
  explicit Liveness(const Promise& promise, std::set<int> left_out = {})
      : promise_(promise), left_out_(std::move(left_out)) {}

  void see(const Entry& entry) override {
    beliefs_.see(entry);
    if (entry.kind == Entry::Kind::started) wanted_[entry.process] = entry.amount;
    if (entry.kind == Entry::Kind::started && left_out_.count(entry.seat) != 0) {
      wanted_.erase(entry.process);
    }
    if (entry.kind == Entry::Kind::crashed) wanted_.erase(entry.process);
    if (entry.kind == Entry::Kind::loss && entry.amount == 2) ++leaked_;
    if (entry.kind == Entry::Kind::healed) healed_ = entry.time;
    const auto& configuration = promise_.configuration;
    const Time enough = configuration.lease_time + configuration.reuse_delay;
    if (entry.kind == Entry::Kind::finished && healed_ && entry.time - *healed_ >= enough) {
      look(entry);
    }
  }

 private:
  void look(const Entry& entry) {
    std::int64_t wanted = 0;
    for (const auto& [process, leases] : wanted_) wanted += leases;
    std::int64_t held = 0;
    for (const Beliefs::Belief& one : beliefs_.all()) {
      if (wanted_.count(one.process) != 0 && beliefs_.held(one, entry.time)) ++held;
    }
    const auto& configuration = promise_.configuration;
    const std::int64_t there =
        configuration.max_worker_id - configuration.min_worker_id + 1 - leaked_;
    if (held < std::min(wanted, there)) {
      report(entry, "liveness: " + std::to_string(held) + " leases are held; " +
                        std::to_string(wanted) + " are wanted, and there are " +
                        std::to_string(there) + " worker IDs");
    }
  }

  Promise promise_;
  std::set<int> left_out_;  // seats that get nothing, rightly
  Beliefs beliefs_;
  std::map<int, std::int64_t> wanted_;  // by process
  std::optional<Time> healed_;
  std::int64_t leaked_ = 0;  // IDs whose record was lost
};

}  // namespace simulation
