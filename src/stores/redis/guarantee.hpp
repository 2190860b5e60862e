// SPDX-License-Identifier: MIT
//
// Internal: what a Redis server can promise, told from its INFO.
#pragma once

#include "stores/redis/redis_url.hpp"

#include <workerid/store.hpp>

#include <cstdint>
#include <string_view>

namespace workerid::detail::redis {

/// `info` is what INFO said in a script: its sections server, replication, memory, persistence and
/// cluster; empty where it may not be asked. `wait_replicas` have to acknowledge what is granted.
Guarantee guarantee_of(std::string_view info, Topology topology, std::int32_t wait_replicas);

}  // namespace workerid::detail::redis
