// SPDX-License-Identifier: MIT
#include "judgement.hpp"

#include "profiles.hpp"
#include "random.hpp"

#include <exception>
#include <string>

namespace simulation {

namespace {

std::set<int> seats_of_others(const Schedule& schedule) {
  std::set<int> seats;
  for (int seat = 0; seat < static_cast<int>(schedule.seats.size()); ++seat) {
    if (schedule.seats[static_cast<std::size_t>(seat)].other_configuration) seats.insert(seat);
  }
  return seats;
}

}  // namespace

Judgement::Judgement(const Schedule& schedule, Coverage* coverage, std::vector<Entry>* entries)
    : coverage_(coverage),
      entries_(entries),
      epochs_(promise(schedule)),
      ownership_(promise(schedule)),
      reuse_(promise(schedule)),
      timestamps_(promise(schedule)),
      uniqueness_(promise(schedule)),
      hold_back_(promise(schedule)),
      liveness_(promise(schedule), seats_of_others(schedule)),
      calm_(promise(schedule)) {
  checkers_ = {&exclusivity_, &epochs_,   &ownership_, &reuse_,      &timestamps_, &deadlines_,
               &hold_back_,   &liveness_, &calm_,      &uniqueness_, &reserved_};
  if (coverage_ != nullptr) coverage_->begin(schedule);
  // Where A1 is broken only this much is promised.
  if (profile(schedule.profile).only_witness) checkers_ = {&hold_back_};
  if (profile(schedule.profile).only_ids) checkers_ = {&uniqueness_};
}

void Judgement::see(const Entry& entry) {
  hash_ = mixed(hash_ + simulation::hash(entry));
  if (entries_ != nullptr) entries_->push_back(entry);
  if (coverage_ != nullptr) coverage_->see(entry);
  if (violation_) return;
  for (Checker* const checker : checkers_) {
    checker->see(entry);
    if (checker->violation()) {
      violation_ = checker->violation();
      return;
    }
  }
}

Verdict judge(const Schedule& schedule, Coverage* coverage, std::vector<Entry>* entries) {
  Judgement judgement(schedule, coverage, entries);
  Verdict verdict;
  World world(schedule, judgement);
  try {
    verdict.run = world.run();
    verdict.violation = judgement.violation();
  } catch (const std::exception& error) {
    verdict.run.message_faults = world.message_faults();
    verdict.violation = "threw: " + std::string{error.what()};
  }
  if (coverage != nullptr) coverage->see(schedule, verdict.run.message_faults);
  verdict.hash = judgement.hash();
  verdict.blocks = judgement.uniqueness().blocks();
  verdict.ids = judgement.uniqueness().ids();
  verdict.hand_overs = judgement.uniqueness().hand_overs();
  return verdict;
}

}  // namespace simulation
