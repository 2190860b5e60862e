// SPDX-License-Identifier: MIT
//
// Internal: what a user of a Redis server has to be allowed, the only place where it is listed.
#pragma once

#include "stores/redis/redis_url.hpp"

#include <array>
#include <string>
#include <string_view>

namespace workerid::detail::redis {

/// A command that the store or its scripts send.
struct NeededCommand {
  std::string_view name;
  /// Words behind the name with which the command changes nothing, whatever the server holds: to find
  /// out whether it is allowed. CLUSTER, ORDER and INSTANCES stand for the keys of a cluster, NOTHING
  /// for a key of it that is never written.
  std::string_view harmless;
  /// There are no such words: only a script that may not write can try it.
  bool always_writes = false;
};

inline constexpr std::array<NeededCommand, 17> needed_commands{{
    {"evalsha", "0000000000000000000000000000000000000000 0"},
    {"eval", "return 0"},
    {"time", ""},
    {"info", "server"},
    {"exists", "CLUSTER ORDER INSTANCES"},
    {"del", "NOTHING"},
    {"hget", "CLUSTER no-field"},
    {"hset", "NOTHING no-field value", true},
    {"hdel", "CLUSTER no-field"},
    {"hlen", "CLUSTER"},
    {"hexists", "CLUSTER no-field"},
    {"hgetall", "NOTHING"},
    {"hscan", "NOTHING 0"},
    {"zadd", "ORDER XX 0 no-member"},
    {"zcard", "ORDER"},
    {"zrange", "ORDER 0 0"},
    {"zscore", "ORDER no-member"},
}};

/// The keys of all clusters.
inline constexpr std::string_view needed_keys = "~{workerid:*}:*";

/// The rules of ACL SETUSER that allow this and no more, quoted for a shell, with what the deployment
/// asks for besides: a database other than 0, the way to find a server, replicas that acknowledge.
inline std::string needed_rules(const Deployment& deployment) {
  std::string rules = "'" + std::string{needed_keys} + "'";
  for (const NeededCommand& command : needed_commands) rules += " +" + std::string{command.name};
  if (deployment.server.database != 0) rules += " +select";
  if (deployment.wait_replicas > 0) rules += " +wait";
  if (deployment.topology == Topology::sentinel) rules += " +role";
  if (deployment.topology == Topology::cluster) rules += " '+cluster|slots' +asking";
  return rules;
}

}  // namespace workerid::detail::redis
