// SPDX-License-Identifier: MIT
//
// Where nothing goes wrong nobody is suspended, warned or refused: over-caution is a defect, too.
#pragma once

#include "checkers/checker.hpp"

#include <set>

namespace simulation {

class Calm final : public Checker {
 public:
  explicit Calm(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (!promise_.calm) return;
    if (entry.kind == Entry::Kind::calling && entry.verb == Verb::release) {
      released_.insert(entry.lease);  // A renewal that was on its way is refused, rightly.
    }
    if (entry.kind == Entry::Kind::executed && entry.code && released_.count(entry.lease) == 0) {
      report(entry, "calm: refused without a cause: " + std::string{workerid::name(*entry.code)});
    }
    if (entry.kind != Entry::Kind::notice) return;
    switch (*entry.event) {
      case workerid::Event::Kind::suspended:
      case workerid::Event::Kind::lost:
      case workerid::Event::Kind::renewal_failed:
      case workerid::Event::Kind::early_warning:
      case workerid::Event::Kind::restored:
        report(entry, "calm: without a cause " + std::string{workerid::name(*entry.event)});
        break;
      default:
        break;
    }
  }

 private:
  Promise promise_;
  std::set<int> released_;
};

}  // namespace simulation
