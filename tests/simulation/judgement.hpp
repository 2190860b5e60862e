// SPDX-License-Identifier: MIT
//
// All checkers together on one world, and the hash of its trace.
#pragma once

#include "checkers/calm.hpp"
#include "checkers/deadlines.hpp"
#include "checkers/epochs.hpp"
#include "checkers/exclusivity.hpp"
#include "checkers/hold_back.hpp"
#include "checkers/liveness.hpp"
#include "checkers/ownership.hpp"
#include "checkers/reserved.hpp"
#include "checkers/reuse.hpp"
#include "checkers/timestamps.hpp"
#include "checkers/uniqueness.hpp"
#include "coverage.hpp"
#include "schedule.hpp"
#include "world.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

class Judgement final : public Judge {
 public:
  // `coverage` and `entries` are filled if they are given.
  Judgement(const Schedule& schedule, Coverage* coverage, std::vector<Entry>* entries);

  void see(const Entry& entry) override;
  bool wants_more() const override { return !violation_; }

  const std::optional<std::string>& violation() const noexcept { return violation_; }
  std::uint64_t hash() const noexcept { return hash_; }
  const Uniqueness& uniqueness() const noexcept { return uniqueness_; }

 private:
  Coverage* coverage_;
  std::vector<Entry>* entries_;
  std::uint64_t hash_ = 0;
  std::optional<std::string> violation_;
  Exclusivity exclusivity_;
  Epochs epochs_;
  Ownership ownership_;
  Reuse reuse_;
  Timestamps timestamps_;
  Uniqueness uniqueness_;
  Reserved reserved_;
  Deadlines deadlines_;
  HoldBack hold_back_;
  Liveness liveness_;
  Calm calm_;
  std::vector<Checker*> checkers_;
};

// What came of a schedule.
struct Verdict {
  std::optional<std::string> violation;
  std::uint64_t hash = 0;
  Run run;
  std::int64_t ids = 0;
  std::int64_t blocks = 0;  // in which they were issued
  std::int64_t hand_overs = 0;
};

Verdict judge(const Schedule& schedule, Coverage* coverage = nullptr,
              std::vector<Entry>* entries = nullptr);

}  // namespace simulation
