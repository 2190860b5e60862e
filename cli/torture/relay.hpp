// SPDX-License-Identifier: MIT
//
// A wire between one holder and a server of TCP that can be disturbed.
#pragma once

#include "descriptor.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>

namespace workerid::cli {

/// Where a server listens.
struct Address {
  sockaddr_storage value{};
  socklen_t size = sizeof value;

  static Address loopback(std::uint16_t port);

  /// Errors: UsageError if the host has no address.
  static Address resolved(const std::string& host, const std::string& port);

  sockaddr* raw() noexcept { return reinterpret_cast<sockaddr*>(&value); }
  const sockaddr* raw() const noexcept { return reinterpret_cast<const sockaddr*>(&value); }
  std::uint16_t port() const noexcept;
};

/// What a wire does with connections and their bytes.
struct Disturbance {
  bool refuses = false;               ///< Cuts all connections and accepts none.
  std::array<bool, 2> stalls{};       ///< Requests, replies: they stay on the way until it is over.
  std::chrono::milliseconds delay{};  ///< Each way.
};

/// Passes bytes on, both ways, between a loopback port of its own and a server, by threads of its
/// own. What was stalled is delivered later, also to a server whose client has left. Thread-safe.
class Relay {
 public:
  explicit Relay(const Address& server);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  std::uint16_t port() const noexcept { return port_; }

  /// From now on; a default one passes everything.
  void disturb(const Disturbance& disturbance);

  /// Cuts the present connections.
  void cut();

  /// New connections lead to another server.
  void lead_to(const Address& server);

 private:
  enum Way : std::size_t { requests, replies };

  struct Connection {
    explicit Connection(std::array<Descriptor, 2> both) : ends(std::move(both)) {}

    std::array<Descriptor, 2> ends;  // the client, the server
    std::atomic<bool> cut = false;
    std::atomic<int> open_ways = 2;
    std::array<std::jthread, 2> threads{};
  };

  void serve(const std::stop_token& ending);
  void listen();
  void accept();
  void pass_on(Connection& connection, Way way);
  Disturbance disturbance() const;

  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  Address server_;
  Disturbance disturbance_;
  std::list<Connection> connections_;
  std::optional<Descriptor> listener_;
  std::jthread thread_;
};

}  // namespace workerid::cli
