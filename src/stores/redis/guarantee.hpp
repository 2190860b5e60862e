// SPDX-License-Identifier: MIT
//
// Internal: what a Redis server can promise, told from its INFO.
#pragma once

#include <workerid/store.hpp>

#include <string_view>

namespace workerid::detail::redis {

/// `info` is what INFO said in a script: its sections server, replication, memory, persistence and
/// cluster; empty where it may not be asked.
Guarantee guarantee_of(std::string_view info);

}  // namespace workerid::detail::redis
