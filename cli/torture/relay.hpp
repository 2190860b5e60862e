// SPDX-License-Identifier: MIT
//
// A wire between one holder and a server of TCP that can be disturbed.
#pragma once

#include "descriptor.hpp"

#include <workerid/clock.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>

namespace workerid::cli {

/// Where a server listens.
struct Address {
  sockaddr_storage value{};
  socklen_t size = 0;

  static Address loopback(std::uint16_t port);

  /// Errors: UsageError if the host has no address.
  static Address resolved(const std::string& host, const std::string& port);
};

/// Passes bytes on, both ways, between a loopback port of its own and a server, by a thread of its
/// own. What a disturbance holds up is delivered after it, also to a server whose client has left.
/// Thread-safe.
class Relay {
 public:
  struct Disturbance {
    bool refuses = false;               ///< Cuts all connections and accepts none.
    bool holds_requests = false;        ///< What clients send stays on the way.
    bool holds_replies = false;         ///< What the server sends stays on the way.
    std::chrono::milliseconds delay{};  ///< Each way.
  };

  explicit Relay(const Address& server);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  std::uint16_t port() const noexcept { return port_; }

  /// From now on; a default one passes everything.
  void disturb(const Disturbance& disturbance);

  /// Cuts the present connections; new ones pass.
  void cut();

  /// Cuts the present connections; new ones lead to `server`.
  void lead_to(const Address& server);

 private:
  struct Orders {
    Disturbance disturbance{};
    Address server{};
    int cuts = 0;
    bool ending = false;
  };

  // One way of a connection.
  struct Flow {
    struct Part {
      BootTime due;
      std::string bytes;  // empty: the sender has closed
    };

    void receive(int from, BootTime due);
    bool deliver(int to, bool held, BootTime now);  // false when the connection is over

    std::deque<Part> parts;
    bool closed = false;
  };

  struct Connection {
    Descriptor client;
    Descriptor server;
    Flow requests{};
    Flow replies{};
  };

  template <typename Change>
  void order(Change change);
  void serve();
  void listen();
  void accept(const Address& server);
  void wait();
  void pass_on(const Disturbance& disturbance);

  std::uint16_t port_ = 0;
  Bell bell_;
  std::mutex mutex_;
  Orders orders_;
  std::optional<Descriptor> listener_;
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace workerid::cli
