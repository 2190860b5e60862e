// SPDX-License-Identifier: MIT
#include "stores/redis/guarantee.hpp"

#include "stores/redis/info.hpp"
#include "whole_number.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace workerid::detail::redis {

Guarantee guarantee_of(std::string_view info, Topology topology, std::int32_t wait_replicas) {
  Guarantee guarantee{GuaranteeLevel::exact, GuaranteeLevel::conditional, {}};
  const auto lower_to = [&](GuaranteeLevel level, std::string reason) {
    guarantee.exclusivity = std::max(guarantee.exclusivity, level);
    guarantee.timestamps = std::max(guarantee.timestamps, level);
    guarantee.reasons.push_back(std::move(reason));
  };

  if (value_of(info, "run_id").empty() || value_of(info, "master_replid2").empty()) {
    lower_to(GuaranteeLevel::best_effort,
             "The server does not tell its history, so a restart without data, a fail-over or a "
             "FLUSHALL is not noticed (G7 is off): allow INFO to this user, in scripts too.");
    return guarantee;
  }
  if (value_of(info, "role") != "master") {
    lower_to(GuaranteeLevel::best_effort, "The server is a replica: connect to its master.");
  }
  const std::string waits = "Each grant and renewal waits for " + std::to_string(wait_replicas) +
                            " replica" + (wait_replicas == 1 ? "" : "s") + " (wait_replicas)";
  const auto replicas = whole_number<std::int32_t>(value_of(info, "connected_slaves"), 0,
                                                   std::numeric_limits<std::int32_t>::max());
  if (replicas == wait_replicas && wait_replicas > 0) {
    lower_to(GuaranteeLevel::conditional,
             waits +
                 ", all that are connected: a fail-over to one of them loses none, and once it "
                 "is promoted nothing that the former master grants counts.");
  } else if (wait_replicas > 0) {
    lower_to(
        GuaranteeLevel::conditional,
        waits + ", " + (replicas ? std::to_string(*replicas) : "an unknown number") +
            " are connected: a replica that was not waited for, and lags, must not be promoted "
            "while the former master still reaches the others; wait for all of them.");
  } else if (value_of(info, "cluster_enabled") == "1") {
    lower_to(GuaranteeLevel::conditional,
             "The server is part of a Redis Cluster: a former master goes on answering for "
             "cluster-node-timeout, which must be below a quarter of the lease time (A4).");
  } else if (topology == Topology::sentinel) {
    lower_to(GuaranteeLevel::conditional,
             "The server is the master that a majority of the sentinels named within the last "
             "second: that they learn of a fail-over must not take longer than a quarter of the "
             "lease time (A4).");
  } else if (replicas != 0) {
    lower_to(GuaranteeLevel::best_effort,
             "The server has replicas: if one is promoted while this one still answers, both grant "
             "(A4); name the sentinels in the URL (redis+sentinel://), or wait for all replicas "
             "(wait_replicas).");
  }
  const std::string_view policy = value_of(info, "maxmemory_policy");
  if (policy.substr(0, 8) == "allkeys-" && value_of(info, "maxmemory") != "0") {
    lower_to(
        GuaranteeLevel::conditional,
        "The server may evict leases (maxmemory-policy " + std::string{policy} +
            "): it is noticed, but nothing is granted for a while each time; use noeviction or "
            "volatile-*.");
  }
  guarantee.reasons.emplace_back(
      value_of(info, "aof_enabled") == "1"
          ? "After a crash that lost the last writes (appendfsync other than always), timestamps "
            "stay unique as long as wall clocks agree within 60 s."
          : "The server keeps no log (appendonly no): after a restart that lost writes, timestamps "
            "stay unique as long as wall clocks agree within 60 s.");
  return guarantee;
}

}  // namespace workerid::detail::redis
