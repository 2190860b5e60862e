// SPDX-License-Identifier: MIT
//
// Internal: the URL of a Redis server, as workerid/redis_store.hpp documents it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

struct RedisUrl {
  std::string host;
  std::uint16_t port = 6379;
  std::string socket_path;  ///< Of a local socket; host and port then mean nothing.
  std::optional<Credentials> credentials;
  std::int32_t database = 0;
  std::optional<TlsOptions> tls;

  /// The URL without credentials and options.
  std::string description() const;
};

/// True for an IPv4 or IPv6 address, without brackets.
bool is_address(const std::string& host) noexcept;

/// Reads a URL. Errors: `invalid_argument` that names the wrong part, never the password.
RedisUrl parse_redis_url(std::string_view text);

}  // namespace workerid::detail::redis
