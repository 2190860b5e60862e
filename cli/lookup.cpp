// SPDX-License-Identifier: MIT
#include "lookup.hpp"

#include <algorithm>

namespace workerid::cli {

namespace {

void check_range(WorkerId worker_id, const std::string& cluster, WorkerId low, WorkerId high) {
  if (worker_id >= low && worker_id <= high) return;
  throw Error(ErrorCode::invalid_worker_id,
              "worker ID " + std::to_string(worker_id) + " of cluster \"" + cluster +
                  "\": the worker IDs are " + std::to_string(low) + " to " + std::to_string(high));
}

}  // namespace

std::optional<LeaseView> find_lease(const std::optional<ClusterView>& view,
                                    const std::string& cluster, WorkerId worker_id) {
  check_range(worker_id, cluster, 0, largest_worker_id);
  if (!view) return std::nullopt;
  const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                  [&](const LeaseView& l) { return l.worker_id == worker_id; });
  if (found != view->leases.end()) return *found;
  check_range(worker_id, cluster, view->configuration.min_worker_id,
              view->configuration.max_worker_id);
  return std::nullopt;
}

}  // namespace workerid::cli
