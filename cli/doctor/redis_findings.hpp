// SPDX-License-Identifier: MIT
//
// What doctor finds in the answers of a Redis server. Asks nothing itself.
#pragma once

#include "doctor/finding.hpp"
#include "stores/redis/redis_url.hpp"

#include <workerid/clock.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace workerid::cli {

/// What a server told of itself; the refusals are the errors that it answered instead.
struct RedisFacts {
  std::string info;  ///< Of INFO; empty if it was refused.
  std::string info_refusal;
  std::map<std::string, std::string> settings;  ///< Of CONFIG GET, by name.
  std::string settings_refusal;

  /// The value of a field of INFO; nothing if it is not told.
  std::optional<std::string> fact(std::string_view field) const;
  std::optional<std::int64_t> number(std::string_view field) const;

  /// The value of a setting.
  std::optional<std::string> setting(const std::string& name) const;
};

/// The settings that `judge_server` and the others look at.
inline constexpr std::array<std::string_view, 7> settings_asked{
    "appendonly",          "appendfsync",      "save",
    "maxmemory",           "maxmemory-policy", "min-replicas-to-write",
    "min-replicas-max-lag"};

/// Which server it is, and whether its version will do.
Finding judge_server(const RedisFacts& facts);

/// Whether it is a master that takes writes.
Findings judge_role(const RedisFacts& facts);

/// What is left of its data after a restart.
Findings judge_persistence(const RedisFacts& facts);

/// Whether it may evict leases, and whether its memory has room for more.
Findings judge_memory(const RedisFacts& facts);

/// Its replicas, their lag, and what it does when they are gone.
Findings judge_replicas(const RedisFacts& facts);

/// Whether it was started so recently that it grants nothing in a cluster it does not know.
Findings judge_age(const RedisFacts& facts, std::chrono::milliseconds hold_back);

/// Whether a command was refused for want of a permission, as the server's answer says.
enum class Permission { granted, command_denied, keys_denied };
Permission permission_in(std::string_view server_text);

/// Who asks, and what was found that this user may not do.
struct RedisAccess {
  std::string user;
  detail::redis::Deployment deployment{};
  std::vector<std::string> commands_denied;   ///< Of those that are needed.
  std::vector<std::string> commands_missing;  ///< Unknown to the server, or renamed.
  std::vector<std::string> commands_untried;  ///< The server has no way to find out.
  bool keys_denied = false;
  bool may_configure = false;
};

/// What the user lacks, and the least that it needs.
Findings judge_access(const RedisAccess& access);

/// Who answers PING, but ends the connection, or says nothing, when INFO is asked.
Finding judge_proxy(const Error& info_failure);

/// What the server did not want to tell.
Findings judge_refusals(const RedisFacts& facts, const std::string& user);

/// One TIME, and the client's clocks around it.
struct ClockSample {
  Moment sent;
  Moment received;
  std::chrono::sys_time<std::chrono::microseconds> server;
};

/// How far the clocks of client and server differ, whether the server's steps, and how fast it runs.
Findings judge_clock(std::span<const ClockSample> samples, std::chrono::milliseconds lease_time);

/// How long the server takes to answer, beside what a renewal may take.
Finding judge_latency(std::span<const ClockSample> samples, std::chrono::milliseconds lease_time);

}  // namespace workerid::cli
