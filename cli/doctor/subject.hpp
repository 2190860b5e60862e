// SPDX-License-Identifier: MIT
//
// The stores that doctor examines, one file each. Nothing is written to them but what any client's
// connecting writes.
#pragma once

#include "doctor/finding.hpp"

#include <workerid/store.hpp>

#include <chrono>
#include <filesystem>
#include <string>

namespace workerid::cli {

struct Examination {
  std::string place;  ///< A URL or a path.
  std::string cluster;
  /// How long clocks, latency and the number of leases are watched; 0 for no longer than it takes.
  std::chrono::seconds watch{};
};

/// Errors: those of a store that cannot be reached, or not be used by this user at all. What goes
/// wrong after its first answer is a finding.
Findings examine_redis(const Examination& examination);

/// Makes no file. Errors: none but of the system; whatever is wrong with the file is a finding.
Findings examine_sqlite(const Examination& examination);

Findings examine_memory();

}  // namespace workerid::cli
