// SPDX-License-Identifier: MIT
//
// The store inside one process: for tests, for a single process, and the model of the protocol.
#pragma once

#include <workerid/store.hpp>

#include <memory>

namespace workerid {

/// A store that lives as long as the object and serves this process alone. Exact: nothing can be
/// lost but with the process. Expiry is counted on `clock`'s boot time. Never blocks longer than
/// a few microseconds. Thread-safe.
std::shared_ptr<Store> open_memory_store(std::shared_ptr<Clock> clock = boottime_clock());

}  // namespace workerid
