// SPDX-License-Identifier: MIT
//
// Kinds of worlds: which store, which faults, and whether a violation must be seen.
#pragma once

#include "checkers/checker.hpp"
#include "schedule.hpp"

#include <string_view>
#include <vector>

namespace simulation {

struct Profile {
  std::string_view name;
  StoreKind store = StoreKind::redis;
  std::vector<What> faults{};   // that a seed chooses from
  std::vector<What> always{};   // that every seed has
  bool violates = false;        // an assumption is broken: a violation is expected
  bool calm = false;            // no faults at all
  bool only_witness = false;    // only the epoch that a process saw is judged
  bool snowflakes = false;      // leases generate IDs
  bool only_ids = false;        // only they are judged: no clock is what it should be
  bool rewinds = false;         // boot clocks are set back, which only the second witness sees
  bool names = false;           // every process has one, and soon a successor
  bool stragglers = false;      // requests come late and twice
  bool twin_losses = false;     // after many a loss comes another one soon
  bool explicit_calls = false;  // all renew for themselves
  bool disagreement = false;    // there are several machines, whose wall clocks differ widely
  std::int64_t share = 1;       // of the seeds, when a batch draws the profile, too
  std::string_view purpose{};
};

const std::vector<Profile>& profiles();
// Throws std::runtime_error if there is none of that name.
const Profile& profile(std::string_view name);

// The world of a seed. An empty name lets the seed draw the profile.
Schedule draw(std::uint64_t seed, std::string_view profile_name);

// What may be demanded of it.
Promise promise(const Schedule& schedule);

}  // namespace simulation
