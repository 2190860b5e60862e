// SPDX-License-Identifier: MIT
//
// From --store to a store.
#pragma once

#include <workerid/store.hpp>

#include <memory>
#include <optional>
#include <string>

namespace workerid::cli {

/// Opens the store that `url` names, without one the SQLite file in the user's state directory.
/// Errors: UsageError for a URL of no known kind, of a kind this build lacks, or without a home;
/// those of the store.
std::shared_ptr<Store> open_store(const std::optional<std::string>& url);

}  // namespace workerid::cli
