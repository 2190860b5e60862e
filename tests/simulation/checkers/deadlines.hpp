// SPDX-License-Identifier: MIT
//
// G10: every call is over by its deadline on the caller's clock, as far as the caller could run
// and its clock was left alone meanwhile.
#pragma once

#include "checkers/checker.hpp"

#include <map>

namespace simulation {

class Deadlines final : public Checker {
 public:
  void see(const Entry& entry) override {
    switch (entry.kind) {
      case Entry::Kind::clock: {
        const auto host = static_cast<std::size_t>(entry.host);
        if (clocks_.size() <= host) clocks_.resize(host + 1);
        clocks_[host].follow(entry.line);
        std::erase_if(calls_, [&](const auto& one) { return one.second.host == entry.host; });
        break;
      }
      case Entry::Kind::paused:
      case Entry::Kind::crashed:
        std::erase_if(calls_, [&](const auto& one) { return one.second.process == entry.process; });
        break;
      case Entry::Kind::calling:
        calls_[entry.lease] = entry;
        break;
      case Entry::Kind::over:
        look(entry);
        calls_.erase(entry.lease);
        break;
      case Entry::Kind::finished:
        for (const auto& [lease, call] : calls_) {
          Entry late = call;
          late.time = entry.time;
          look(late);
        }
        break;
      default:
        break;
    }
  }

 private:
  void look(const Entry& entry) {
    const auto call = calls_.find(entry.lease);
    if (call == calls_.end()) return;
    const Time boot = clocks_.at(static_cast<std::size_t>(call->second.host)).boot(entry.time);
    constexpr Time granularity = std::chrono::milliseconds{5};
    if (boot > call->second.limit + granularity) {
      report(entry, "deadlines (G10): " + std::string{name(call->second.verb)} + " of lease " +
                        std::to_string(entry.lease) + " took " + text(boot - call->second.limit) +
                        " too long");
    }
  }

  std::vector<HostClock> clocks_;
  std::map<int, Entry> calls_;  // by lease
};

}  // namespace simulation
