// SPDX-License-Identifier: MIT
//
// The other end of a connection, which does exactly what a test says.
#pragma once

#include "support/loopback.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_st;

namespace workerid::tests {

/// One accepted connection. Every function ends when the client closes.
class Peer {
 public:
  explicit Peer(int descriptor);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  /// Speaks TLS from now on, with this certificate and key.
  void shake_hands(const std::string& certificate_file, const std::string& key_file);

  /// The words of the next command; none if the client closed the connection.
  std::vector<std::string> read_command();

  /// Reads the next command and answers it.
  void answer(std::string_view reply);

  /// False if the client closed the connection.
  bool send(std::string_view bytes) const;

  /// Returns when so many bytes have come, and leaves them unread.
  void wait_for(std::size_t bytes) const;

  /// Returns when the client has closed the connection.
  void wait_until_closed();

 private:
  std::string read_line();
  bool read_byte(char& byte) const;

  int descriptor_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_;
};

/// Listens on a loopback port and plays `play` for each connection in turn, the first one with 0.
/// Ends when the object does: the client has to close its connections before.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(Peer&, int connection)> play);
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer();

  std::uint16_t port() const noexcept { return listener_.port; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()); }

 private:
  void serve() const;

  std::function<void(Peer&, int)> play_;
  Listener listener_;
  std::thread thread_;
};

}  // namespace workerid::tests
