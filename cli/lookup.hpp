// SPDX-License-Identifier: MIT
//
// Finding one worker ID in what a store shows of its cluster.
#pragma once

#include <workerid/store.hpp>

#include <optional>
#include <string>

namespace workerid::cli {

/// The lease of an ID; nothing if it was never granted. Errors: `invalid_worker_id` if it was not, and
/// is outside the cluster's range.
std::optional<LeaseView> find_lease(const std::optional<ClusterView>& view,
                                    const std::string& cluster, WorkerId worker_id);

}  // namespace workerid::cli
