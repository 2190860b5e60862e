// SPDX-License-Identifier: MIT
//
// From --store to a store.
#pragma once

#include <workerid/store.hpp>

#include <memory>
#include <optional>
#include <string>

namespace workerid::cli {

/// Where a store is.
struct StoreAddress {
  enum class Kind { sqlite, redis };
  Kind kind;
  std::string place;  ///< A path, or a URL that may contain a password.
};

/// Reads `--store`, without one the default. Errors: UsageError for a URL of no known kind, or
/// without a home.
StoreAddress parse_store_url(const std::optional<std::string>& url);

/// Opens the store that `url` names, without one the SQLite file in the user's state directory.
/// Errors: UsageError for a URL of no known kind, of a kind this build lacks, or without a home;
/// those of the store.
std::shared_ptr<Store> open_store(const std::optional<std::string>& url);

}  // namespace workerid::cli
