// SPDX-License-Identifier: MIT
//
// The URL of a Redis server: what is read, written and read again is the same, and neither an error
// nor a description tells the password.
#include "stores/redis/redis_url.hpp"

#include "fuzz/require.hpp"

#include <workerid/error.hpp>

#include <algorithm>

using namespace workerid;
using detail::redis::Deployment;
using detail::redis::parse_deployment;
using detail::redis::parse_redis_url;
using detail::redis::RedisUrl;
using detail::redis::Topology;

namespace {

std::string percent_encoded(const std::string& text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    encoded += {'%', digits[byte / 16], digits[byte % 16]};
  }
  return encoded;
}

std::string option(const std::string& name, const std::string& value) {
  return value.empty() ? "" : "&" + name + "=" + percent_encoded(value);
}

std::string written(const RedisUrl& url) {
  std::string text = url.socket_path.empty() ? (url.tls ? "rediss://" : "redis://") : "unix://";
  if (url.credentials) {
    text += percent_encoded(url.credentials->user) + ":" +
            percent_encoded(url.credentials->password) + "@";
  }
  if (!url.socket_path.empty()) {
    // The first / is what ends the credentials.
    return text + "/" + percent_encoded(url.socket_path.substr(1)) +
           "?db=" + std::to_string(url.database);
  }
  const bool bracketed = fuzz::contains(url.host, ":");
  text += bracketed ? "[" + url.host + "]" : url.host;
  text += ":" + std::to_string(url.port) + "/" + std::to_string(url.database);
  if (!url.tls) return text;
  const std::string options =
      option("ca", url.tls->ca_file) + option("cert", url.tls->certificate_file) +
      option("key", url.tls->key_file) + option("server_name", url.tls->server_name) +
      (url.tls->verify ? "" : "&verify=none");
  return options.empty() ? text : text + "?" + options.substr(1);
}

bool same(const RedisUrl& one, const RedisUrl& other) {
  if (one.host != other.host || one.port != other.port || one.socket_path != other.socket_path ||
      one.database != other.database ||
      one.credentials.has_value() != other.credentials.has_value() ||
      one.tls.has_value() != other.tls.has_value()) {
    return false;
  }
  if (one.credentials && (one.credentials->user != other.credentials->user ||
                          one.credentials->password != other.credentials->password)) {
    return false;
  }
  return !one.tls ||
         (one.tls->ca_file == other.tls->ca_file &&
          one.tls->certificate_file == other.tls->certificate_file &&
          one.tls->key_file == other.tls->key_file &&
          one.tls->server_name == other.tls->server_name && one.tls->verify == other.tls->verify);
}

void check_password_untold(const std::string& text) {
  constexpr std::string_view password = "hunter2*hunter2";
  if (fuzz::contains(text, "hunter2")) return;  // it stands in another place
  const std::size_t mark = text.find("://");
  if (mark == std::string::npos) return;
  const std::string with_password =
      text.substr(0, mark + 3) + "user:" + std::string{password} + "@" + text.substr(mark + 3);
  try {
    fuzz::require(!fuzz::contains(parse_deployment(with_password).description(), password),
                  "a description has no password");
  } catch (const Error& error) {
    fuzz::require(!fuzz::contains(error.what(), password), "an error has no password");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  check_password_untold(text);
  try {
    const Deployment deployment = parse_deployment(text);
    if (deployment.topology != Topology::single) {
      fuzz::require(!deployment.ask.empty(), "somebody can be asked");
      for (const RedisUrl& url : deployment.ask) fuzz::require(url.port != 0, "a port is above 0");
      return 0;
    }
    const RedisUrl& url = deployment.server;
    fuzz::require(url.port != 0 && url.database >= 0, "port and database are in their ranges");
    fuzz::require(same(parse_redis_url(written(url)), url), "a URL written and read is the same");
    if (url.socket_path.empty()) {
      const RedisUrl described = parse_redis_url(url.description());
      fuzz::require(described.host == url.host && described.port == url.port &&
                        described.database == url.database,
                    "a description is the URL without secrets");
    }
  } catch (const Error& error) {
    fuzz::require(error.error_code() == ErrorCode::invalid_argument,
                  "the code is invalid_argument");
  }
  return 0;
}
