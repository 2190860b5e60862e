// SPDX-License-Identifier: MIT
//
// Redis as it is run in production, on the loopback interface: watched by sentinels, or as a
// Redis Cluster.
#pragma once

#include "support/process.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace workerid::tests {

/// One redis-sentinel. Use from one thread at a time.
class Sentinel {
 public:
  /// Watches the master on `port`; `settings` are further lines of its configuration.
  Sentinel(std::uint16_t master_port, const std::vector<std::string>& settings);

  std::uint16_t port() const noexcept { return port_; }
  void signal(int number) const { process_->signal(number); }
  std::string cli(std::vector<std::string> words) const;

 private:
  TemporaryDirectory directory_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

/// A master and two replicas, of which three sentinels know under the name "jobs". They give up a
/// master that was silent for a second. All are ready when the constructor returns. Use from one
/// thread at a time.
class WatchedRedis {
 public:
  explicit WatchedRedis(const std::vector<std::string>& server_arguments = {},
                        const std::vector<std::string>& sentinel_settings = {});

  /// "HOST:PORT,…" of the sentinels.
  std::string sentinel_addresses(const std::string& host = "127.0.0.1") const;
  std::string url() const { return "redis+sentinel://" + sentinel_addresses() + "/jobs"; }

  /// The one that the sentinels name now.
  RedisServer& master();
  std::vector<RedisServer*> replicas();
  const std::vector<std::unique_ptr<Sentinel>>& sentinels() const noexcept { return sentinels_; }

  /// Blocks until all sentinels name another master than the server on `port`.
  void wait_for_another_master(std::uint16_t port);

  /// Blocks until the master has two replicas that are up to date, known to all sentinels.
  void wait_until_whole();

 private:
  std::uint16_t master_port(const Sentinel& sentinel) const;

  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::vector<std::unique_ptr<Sentinel>> sentinels_;
};

/// A Redis Cluster of three masters with a replica each. They give up a node that was silent for a
/// second. All are ready when the constructor returns. Use from one thread at a time.
class ClusteredRedis {
 public:
  explicit ClusteredRedis(const std::vector<std::string>& server_arguments = {});

  /// "HOST:PORT,…" of the first three nodes.
  std::string addresses(const std::string& host = "127.0.0.1") const;
  std::string url() const { return "redis+cluster://" + addresses(); }

  const std::vector<std::unique_ptr<RedisServer>>& nodes() const noexcept { return nodes_; }

  /// The one that serves the worker IDs of `cluster`, as another node sees it.
  RedisServer& master_of(const std::string& cluster);

  /// A master that does not serve them.
  RedisServer& other_master(const std::string& cluster);

  /// Blocks until another node than the one on `port` serves them.
  void wait_for_another_master(const std::string& cluster, std::uint16_t port);

  /// Has the replica of their master take its place, both being well.
  void fail_over(const std::string& cluster);

  /// Blocks until the replica of the first, second or third master took its place.
  void wait_for_replica_of(std::size_t master);

  /// Blocks until every slot is served and every master has its replica.
  void wait_until_whole();

  /// The hash slot of the worker IDs of `cluster`.
  std::string slot(const std::string& cluster) const;

  /// What a node calls itself.
  static std::string name(const RedisServer& node) { return node.cli({"CLUSTER", "MYID"}); }

 private:
  RedisServer& serving(std::size_t slot, std::uint16_t not_port);

  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

}  // namespace workerid::tests
