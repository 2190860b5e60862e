// SPDX-License-Identifier: MIT
//
// Internal: what an error that a Redis server answered means to the caller.
#pragma once

#include "stores/redis/redis_url.hpp"

#include <workerid/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace workerid::detail::redis {

/// True if the server does not know the script: send its text.
bool is_unknown_script(std::string_view server_text);

/// True if the server is a replica and changed nothing.
bool is_replica(std::string_view server_text);

/// True if the server is there for its clients, and only cannot serve them now: LOADING, BUSY.
bool serves_nobody_now(std::string_view server_text);

/// True if the node cannot serve a key now because its Redis Cluster has no whole view.
bool is_cluster_down(std::string_view server_text);

/// The hash slots of a Redis Cluster.
inline constexpr std::int64_t hash_slots = 16384;

/// Where a node of a Redis Cluster says that a key is served.
struct Redirection {
  bool moved = false;  ///< From now on, for the whole slot; otherwise for the next command only.
  Endpoint node;
};

/// Nothing if the text is no redirection.
std::optional<Redirection> redirection(std::string_view server_text);

/// The error for what a server answered, with its words and what to do. An error answer means that
/// nothing was changed.
Error server_error(const std::string& server, std::string_view server_text);

/// Text from a server, fit to be shown: one line, of a bearable length, without the words of ours
/// that it repeats.
std::string shown(std::string_view server_text);

}  // namespace workerid::detail::redis
