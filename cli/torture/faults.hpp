// SPDX-License-Identifier: MIT
//
// What torture can do to processes, wires and stores.
#pragma once

#include "torture/own_store.hpp"

#include <algorithm>
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
  freeze,
  restart,
  clock,
  wipe,
  promote,
  erase,
  replace,
};

std::string name(Fault fault);

/// What there is to torture.
struct Target {
  bool tcp = false;                 ///< A Redis server that is reached by plain TCP.
  std::optional<ServerData> redis;  ///< A server of torture's own.
  bool file = false;                ///< A SQLite file of torture's own.
  bool step_clock = false;
};

/// True for what happens to the store, and not to one process.
bool strikes_store(Fault fault);

/// The faults that `list` names, separated by commas: "kill,stop"; "all" for all that `target` can
/// have; empty for those of them after which a store still knows everything.
/// Errors: UsageError for an unknown one, or one that needs another target.
std::vector<Fault> parse_faults(const std::string& option, const std::string& list,
                                const Target& target);

/// All names with what they mean, for --help.
std::string fault_table();

/// Everything that is drawn, from one seed. The standard's distributions differ between libraries.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}

  /// From 0 to below `end`.
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  std::chrono::milliseconds between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
    return low +
           std::chrono::milliseconds{below(static_cast<std::uint64_t>((high - low).count()) + 1)};
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
    auto card = std::find_if(cards_.begin(), cards_.end(), possible);
    if (card == cards_.end()) {
      shuffle_in(draw);
      card = std::find_if(cards_.begin(), cards_.end(), possible);
    }
    if (card == cards_.end()) return std::nullopt;
    const Fault fault = *card;
    cards_.erase(card);
    return fault;
  }

 private:
  // Adds those that are not there.
  void shuffle_in(Draw& draw) {
    for (const Fault fault : faults_) {
      if (std::find(cards_.begin(), cards_.end(), fault) != cards_.end()) continue;
      const auto place = static_cast<std::ptrdiff_t>(draw.below(cards_.size() + 1));
      cards_.insert(cards_.begin() + place, fault);
    }
  }

  std::vector<Fault> faults_;
  std::vector<Fault> cards_;
};

}  // namespace workerid::cli
