// SPDX-License-Identifier: MIT
//
// The distributed store: Redis, 6.2 or later, or what speaks its protocol and scripts; one server, a
// master that Sentinel watches, or a Redis Cluster.
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

/// A store on the servers that `url` names. Connects at the first operation, and again, with
/// back-off, whenever a connection is lost; so no server need run yet.
///
///     redis://[[user]:password@]host[:port][/database][?…]     plain TCP, port 6379
///     unix://[[user]:password@]/path/to/socket[?db=N]          a local socket
///     redis+sentinel://[[user]:password@]host[:port],…/service[/database][?…]
///         the master that a majority of these sentinels (port 26379) names, asked again whenever
///         the last answer is a second old; name all sentinels
///     redis+cluster://[[user]:password@]host[:port],…[?…]
///         a Redis Cluster; some nodes, which tell the others
///
/// With `rediss` instead of `redis` the servers are spoken to by TLS, and verified:
///
///     ca=FILE     trusted certificates (default: the system's)
///     cert=FILE&key=FILE     this client's certificate
///     server_name=NAME       the name to verify (default: the host)
///     verify=none            do not verify the servers: for tests only
///
/// Sentinels have credentials of their own, `sentinel_user=` and `sentinel_password=` (none by
/// default), and may differ in TLS: `sentinel_tls=yes` or `no`, and with it `sentinel_ca=`,
/// `sentinel_cert=`, `sentinel_key=`, `sentinel_server_name=`, `sentinel_verify=none`, each as the
/// servers' by default, but the name.
///
/// `wait_replicas=N` on any of them: what is granted, renewed or restored counts only if N replicas
/// acknowledged it, else it is `outcome_unknown`. The server waits for them (WAIT) for three quarters
/// of the time-out at the most; it takes no round trip of ours.
///
/// User, password, service, path and options are percent-decoded; IPv6 hosts stand in brackets.
/// Errors: `invalid_argument` that names what is wrong in the URL, without its passwords.
/// Opening never blocks. The store is thread-safe: it keeps as many connections as it has callers
/// at once, to each server.
std::shared_ptr<Store> open_redis_store(std::string_view url);

/// The same over a connection of yours, without `wait_replicas`.
std::shared_ptr<Store> open_redis_store(std::shared_ptr<RedisConnection> connection);

}  // namespace workerid
