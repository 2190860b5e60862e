// SPDX-License-Identifier: MIT
//
// Internal: the master that sentinels name.
#pragma once

#include "stores/redis/connection_pool.hpp"

#include <workerid/clock.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace workerid::detail::redis {

/// Talks to the server that a majority of the sentinels named within the last second, and that says
/// of itself that it is a master. So a former master that still answers is used for no longer (A4):
/// not one sentinel that was cut off with it decides, and neither does an open connection.
/// A fail-over is followed at the next call; what was certainly not done is repeated at once.
/// Thread-safe.
class SentinelConnection final : public BatchedConnection {
 public:
  /// Errors: `invalid_argument` for a TLS file that cannot be used.
  explicit SentinelConnection(Deployment deployment);

  Answers send(std::span<const std::vector<std::string>> commands, Purpose purpose,
               std::chrono::milliseconds timeout) override;
  std::string description() const override { return deployment_.description(); }

 private:
  using Sentinels = std::vector<std::shared_ptr<ConnectionPool>>;

  std::shared_ptr<ConnectionPool> master(Deadline deadline);
  RedisUrl named_master(Deadline deadline);
  RedisUrl name_of_master(ConnectionPool& sentinel, std::chrono::milliseconds timeout) const;
  void prove_master(ConnectionPool& server, Deadline deadline) const;
  void forget(const std::shared_ptr<ConnectionPool>& server);

  const Deployment deployment_;

  std::mutex mutex_;
  Sentinels sentinels_;  // those that answered last first
  std::shared_ptr<ConnectionPool> master_;
  BootTime confirmed_until_{};
};

}  // namespace workerid::detail::redis
