// SPDX-License-Identifier: MIT
//
// What doctor finds in a cluster and in what its store promises. Asks nothing itself.
#pragma once

#include "doctor/finding.hpp"

#include <workerid/store.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace workerid::cli {

/// A cluster as it was seen twice; nothing where the store does not know it.
struct ClusterSightings {
  std::string cluster;
  std::optional<ClusterView> first;
  std::optional<ClusterView> second;
  std::chrono::nanoseconds apart{};
};

/// Range and times, a hold-back, how many IDs are taken, and when there will be none left.
Findings judge_cluster(const ClusterSightings& seen);

/// How far the store keeps its promises (G13).
Finding judge_guarantee(const Guarantee& guarantee);

/// A call to the store that failed.
Finding judge_failure(const std::string& topic, const Error& error);

/// How long one attempt to renew may take (G10): a sixth of the lease time, 5 s at the most.
std::chrono::milliseconds attempt_bound(std::chrono::milliseconds lease_time) noexcept;

}  // namespace workerid::cli
