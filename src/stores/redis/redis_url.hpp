// SPDX-License-Identifier: MIT
//
// Internal: the URLs of Redis servers, as workerid/redis_store.hpp documents them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace workerid::detail::redis {

struct Credentials {
  std::string user;  ///< Empty for the default user.
  std::string password;
};

struct TlsOptions {
  std::string ca_file;  ///< Empty for the system's certificates.
  std::string certificate_file;
  std::string key_file;
  std::string server_name;  ///< Empty for the host.
  bool verify = true;
};

/// Where one server is and how to talk to it.
struct RedisUrl {
  std::string host;
  std::uint16_t port = 6379;
  std::string socket_path;  ///< Of a local socket; host and port then mean nothing.
  std::optional<Credentials> credentials;
  std::int32_t database = 0;
  std::optional<TlsOptions> tls;

  /// "db:6379", "[::1]:6379".
  std::string address() const;

  /// The URL without credentials and options.
  std::string description() const;
};

/// How the servers that have the leases are found.
enum class Topology {
  single,    ///< It is named.
  sentinel,  ///< Sentinels name the master.
  cluster,   ///< The nodes of a Redis Cluster name the one that has a key.
};

struct Deployment {
  Topology topology = Topology::single;
  RedisUrl server;            ///< How to talk to the servers; of a single one also where it is.
  std::vector<RedisUrl> ask;  ///< The sentinels, or some nodes of the Redis Cluster.
  std::string service;        ///< What the sentinels call the master.
  std::int32_t wait_replicas = 0;  ///< How many replicas have to acknowledge what is granted.

  /// The URL without credentials and options.
  std::string description() const;
};

/// True for an IPv4 or IPv6 address, without brackets.
bool is_address(const std::string& host) noexcept;

/// True for what a URL may name: an address, or a name of at most 253 letters, digits and . _ -.
bool is_host(const std::string& host) noexcept;

/// Where a server is, as another one tells.
struct Endpoint {
  std::string host;  ///< Empty for the host that tells it.
  std::uint16_t port = 0;
};

/// Nothing if the host is none, or the port not from 1 to 65535: strangers write what they like. An
/// empty host and "?" are what a node writes that does not know its own.
std::optional<Endpoint> told_endpoint(std::string_view host, std::int64_t port);
std::optional<Endpoint> told_endpoint(std::string_view host, std::string_view port);

/// Reads a URL. Errors: `invalid_argument` that names the wrong part, never the password.
Deployment parse_deployment(std::string_view text);

/// The same where only a single server will do.
RedisUrl parse_redis_url(std::string_view text);

}  // namespace workerid::detail::redis
