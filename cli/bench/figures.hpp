// SPDX-License-Identifier: MIT
//
// From measured numbers to what is reported.
#pragma once

#include "output.hpp"

#include <vector>

namespace workerid::cli {

/// The value that `share` (0 to 1) of `values` do not exceed. Precondition: there are values.
double quantile(std::vector<double> values, double share);

/// {"median", "min", "max"} of what the rounds gave; null for none.
Json spread(const std::vector<double>& values);

/// {"p50", "p99", "p999", "samples"}; null for none.
Json latency(const std::vector<double>& values_us);

/// Each round's value to the floor's in the same round; empty unless every round has both.
std::vector<double> ratios(const std::vector<double>& values, const std::vector<double>& floors);

}  // namespace workerid::cli
