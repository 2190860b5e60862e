// SPDX-License-Identifier: MIT
//
// The distributed store: a Redis server, 6.2 or later, or one that speaks its protocol and scripts.
#pragma once

#include <workerid/store.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace workerid {

/// What a Redis server answered to one command.
struct RedisReply {
  struct Nil {
    friend bool operator==(const Nil&, const Nil&) = default;
  };
  struct ServerError {
    std::string text;  ///< As the server sent it: "NOSCRIPT No matching script."
    friend bool operator==(const ServerError&, const ServerError&) = default;
  };
  using Array = std::vector<RedisReply>;

  std::variant<Nil, std::int64_t, std::string, ServerError, Array> value;

  friend bool operator==(const RedisReply&, const RedisReply&) = default;
};

/// A connection of yours: pass it to `open_redis_store` to use your own client, pool or topology
/// instead of a URL. `examples/own_redis_client.cpp` shows one.
/// Implementations are thread-safe, or serve one caller at a time by a lock of their own.
class RedisConnection {
 public:
  RedisConnection() = default;
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;
  virtual ~RedisConnection() = default;

  /// Sends one command, its words as they are (binary-safe), and returns the server's answer; an
  /// error that the server answered is a `RedisReply::ServerError`, not an exception.
  /// Errors: `Error` with `unavailable` if the command was certainly not sent, and with
  /// `outcome_unknown` if it may have been: a time-out or a lost connection after the first byte.
  /// Blocks until `timeout` at the most.
  virtual RedisReply command(const std::vector<std::string>& words,
                             std::chrono::milliseconds timeout) = 0;

  /// Sends several commands, in order, and returns what each came to, in the same order: its answer,
  /// or the error that `command` would have thrown. Several renewals come in by it. Override it to
  /// send them in one write. Default: `command` for one after the other, until the time is over.
  /// Errors: answers all of them, so `unavailable` only if certainly none was sent.
  /// Blocks until `timeout` at the most, for all of them together.
  virtual std::vector<std::variant<RedisReply, Error>> commands(
      std::span<const std::vector<std::string>> commands, std::chrono::milliseconds timeout);

  /// Names the server for people, without secrets. Never blocks.
  virtual std::string description() const = 0;
};

/// A store on the server that `url` names. Connects at the first operation, and again, with
/// back-off, whenever a connection is lost; so the server need not run yet.
///
///     redis://[[user]:password@]host[:port][/database]         plain TCP, port 6379
///     rediss://[[user]:password@]host[:port][/database][?…]    TLS, the server is verified:
///         ca=FILE     trusted certificates (default: the system's)
///         cert=FILE&key=FILE     this client's certificate
///         server_name=NAME       the name to verify (default: host)
///         verify=none            do not verify the server: for tests only
///     unix://[[user]:password@]/path/to/socket[?db=N]          a local socket
///
/// User, password and path are percent-decoded; IPv6 hosts stand in brackets.
/// Errors: `invalid_argument` that names what is wrong in the URL, without its password.
/// Opening never blocks. The store is thread-safe: it keeps as many connections as it has callers
/// at once.
std::shared_ptr<Store> open_redis_store(std::string_view url);

/// The same over a connection of yours.
std::shared_ptr<Store> open_redis_store(std::shared_ptr<RedisConnection> connection);

}  // namespace workerid
