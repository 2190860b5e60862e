// SPDX-License-Identifier: MIT
//
// What a batch of seeds met: a fault, an outcome or a change of state that stays at 0 was not
// tested.
#pragma once

#include "orders.hpp"
#include "schedule.hpp"
#include "trace.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simulation {

class Coverage {
 public:
  // Of a world: before it, in it, after it.
  void begin(const Schedule& schedule);
  void see(const Entry& entry);
  void see(const Schedule& schedule, const std::vector<Happening>& message_faults);

  void add(const Coverage& other);

  // One line each: a count and what was counted.
  std::string table() const;
  // What must not be 0 but is.
  std::vector<std::string> missing() const;

 private:
  enum class State : std::uint8_t { acquiring, held, suspended, releasing, ended };

  void count(std::string_view what) { ++counts_[std::string{what}]; }
  void see_edge(const Entry& entry, State to);

  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::uint64_t> faults_ = std::vector<std::uint64_t>(number_of_whats);
  std::map<std::pair<Verb, int>, std::uint64_t> outcomes_;
  std::map<std::pair<State, State>, std::uint64_t> edges_;
  std::array<std::uint64_t, number_of_orders> orders_met_{};
  // Of one world.
  std::vector<State> states_;  // by lease
  std::optional<Orders> orders_;
};

}  // namespace simulation
