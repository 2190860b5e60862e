// SPDX-License-Identifier: MIT
//
// What torture can do to processes, wires and stores.
#pragma once

#include "torture/own_store.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace workerid::cli {

enum class Fault {
  kill,
  stop,
  leave,
  crash,
  partition,
  freeze,  // from here on of the store, not of one process
  restart,
  clock,
  wipe,
  promote,
  erase,
  replace,
};

std::string name(Fault fault);

inline bool strikes_store(Fault fault) {
  return fault >= Fault::freeze;
}

/// What there is to torture: what holds of it, together.
enum Target : unsigned {
  any_store = 1U,
  plain_tcp = 2U,
  own_file = 4U,
  data_none = 8U,  // a Redis server of torture's own, and so on in the order of ServerData
  data_appendonly = 16U,
  data_replica = 32U,
  steps_clock = 64U,
};

/// The faults that `list` names, separated by commas: "kill,stop"; "all" for all that `target` can
/// have; empty for those of them after which a store still knows everything.
/// Errors: UsageError for an unknown one, or one that needs another target.
std::vector<Fault> parse_faults(const std::string& option, const std::string& list,
                                unsigned target);

/// Whether the store of `target` loses what it acknowledged by one of them.
bool forgets(const std::vector<Fault>& faults, unsigned target);

/// All names with what they mean, for --help.
std::string fault_table();

/// Everything that is drawn, from one seed. The standard's distributions differ between libraries.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}

  /// From 0 to below `end`.
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  std::chrono::milliseconds between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
    const auto width = static_cast<std::uint64_t>((high - low).count()) + 1;
    return low + std::chrono::milliseconds{below(width)};
  }

 private:
  std::mt19937_64 random_;
};

/// Faults in random order, each as often as the others.
class Deck {
 public:
  explicit Deck(std::vector<Fault> faults) : faults_(std::move(faults)) {}

  /// The next one for which `possible(fault)` holds; the others keep their turn.
  template <typename Possible>
  std::optional<Fault> take(Draw& draw, Possible possible) {
    if (std::none_of(cards_.begin(), cards_.end(), possible)) shuffle_in(draw);
    const auto card = std::find_if(cards_.begin(), cards_.end(), possible);
    if (card == cards_.end()) return std::nullopt;
    const Fault fault = *card;
    cards_.erase(card);
    return fault;
  }

 private:
  // Adds those that are not there, behind those that are.
  void shuffle_in(Draw& draw) {
    const std::size_t waiting = cards_.size();
    for (const Fault fault : faults_) {
      if (std::find(cards_.begin(), cards_.end(), fault) != cards_.end()) continue;
      const std::size_t place = waiting + draw.below(cards_.size() - waiting + 1);
      cards_.insert(cards_.begin() + static_cast<std::ptrdiff_t>(place), fault);
    }
  }

  std::vector<Fault> faults_;
  std::vector<Fault> cards_;
};

}  // namespace workerid::cli
