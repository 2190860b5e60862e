// SPDX-License-Identifier: MIT
//
// Internal: the nodes of a Redis Cluster.
#pragma once

#include "stores/redis/connection_pool.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace workerid::detail::redis {

/// The hash slot of a key, or of its hash tag.
std::uint16_t slot_of(std::string_view key);

/// What serves some hash slots.
struct SlotRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::vector<Endpoint> nodes;  ///< The master, and its replicas.
};

/// What CLUSTER SLOTS answers, without what makes no sense.
std::vector<SlotRange> slot_ranges(const RedisReply& slots);

/// Sends each command to the node that serves its key, as the nodes themselves tell: asked at first
/// use, after a redirection and after a failure. Redirections are followed at once, so a call takes
/// one round trip unless the slots moved. Thread-safe.
///
/// A command without a key goes to any node, WAIT to all that the commands before it went to (the
/// least count answers), SCAN to one master after the other.
class ClusterConnection final : public BatchedConnection {
 public:
  /// Errors: `invalid_argument` for a TLS file that cannot be used.
  explicit ClusterConnection(Deployment deployment);

  Answers send(std::span<const std::vector<std::string>> commands, Purpose purpose,
               std::chrono::milliseconds timeout) override;
  std::string description() const override { return deployment_.description(); }

 private:
  using Words = std::vector<std::string>;
  using Node = std::shared_ptr<ConnectionPool>;

  Answers serve(std::uint16_t slot, const std::vector<Words>& commands, Purpose purpose,
                Deadline deadline);
  RedisReply scan(Words words, Deadline deadline);
  Node master_of(std::uint16_t slot, Deadline deadline);
  Node node_at(const Endpoint& endpoint, const std::string& own_host);
  void look_up(Deadline deadline);
  bool learn_from(const ConnectionPool& asked, const RedisReply& slots);
  void serve_slots(std::uint16_t first, std::uint16_t last, const Node& node);
  void doubt();

  const Deployment deployment_;

  std::mutex mutex_;
  std::map<std::string, Node> nodes_;  // by address
  std::vector<Node> masters_;          // by slot; null where none is known
  bool doubtful_ = true;               // what is known of the slots
  std::size_t next_to_ask_ = 0;
};

}  // namespace workerid::detail::redis
