// SPDX-License-Identifier: MIT
#include "stores/redis/redis_url.hpp"

#include "whole_number.hpp"

#include <workerid/error.hpp>

#include <arpa/inet.h>
#include <charconv>
#include <limits>
#include <map>
#include <sys/un.h>

namespace workerid::detail::redis {

namespace {

using Query = std::map<std::string, std::string>;

constexpr std::uint16_t least_port = 1;
constexpr std::uint16_t most_port = 65'535;

[[noreturn]] void refuse(const std::string& facts) {
  throw Error(ErrorCode::invalid_argument, "the Redis URL " + facts);
}

// Takes what stands before the first of `delimiters`, or all; `rest` keeps the delimiter.
std::string_view take_until(std::string_view& rest, std::string_view delimiters) {
  const std::string_view taken = rest.substr(0, rest.find_first_of(delimiters));
  rest.remove_prefix(taken.size());
  return taken;
}

std::string percent_decoded(std::string_view text, const std::string& part) {
  std::string decoded;
  for (std::size_t index = 0; index < text.size(); ++index) {
    if (text[index] != '%') {
      decoded += text[index];
      continue;
    }
    const std::string_view digits = text.substr(index + 1, 2);
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + 2 || value == 0) {
      refuse("has a wrong percent-encoding in " + part + "; write %25 for the character %");
    }
    decoded += static_cast<char>(value);
    index += 2;
  }
  return decoded;
}

std::int32_t parse_database(std::string_view text) {
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  if (const auto database = whole_number(text, 0, most)) return *database;
  refuse("has the database \"" + std::string{text} + "\"; it must be a number from 0 to " +
         std::to_string(most));
}

Query parse_query(std::string_view text) {
  Query query;
  while (!text.empty()) {
    std::string_view option = take_until(text, "&");
    if (!text.empty()) text.remove_prefix(1);
    const std::string name{take_until(option, "=")};
    if (option.size() < 2) refuse("has the option \"" + name + "\" without a value");
    option.remove_prefix(1);
    if (!query.emplace(name, percent_decoded(option, "the option " + name)).second) {
      refuse("has the option \"" + name + "\" twice");
    }
  }
  return query;
}

// Takes an option out of the query; empty if it is not there.
std::string take(Query& query, const std::string& name) {
  const auto found = query.find(name);
  if (found == query.end()) return {};
  std::string value = std::move(found->second);
  query.erase(found);
  return value;
}

void refuse_what_is_left(const Query& query, const std::string& known) {
  if (query.empty()) return;
  refuse("has the unknown option \"" + query.begin()->first + "\"; " + known);
}

// Takes the options of TLS whose names begin with `prefix`; what is not given is as in `tls`.
TlsOptions take_tls_options(Query& query, const std::string& prefix, TlsOptions tls) {
  const std::string certificate = take(query, prefix + "cert");
  const std::string key = take(query, prefix + "key");
  if (certificate.empty() != key.empty()) {
    refuse("has only one of " + prefix + "cert and key; a client's certificate needs both");
  }
  if (!certificate.empty()) {
    tls.certificate_file = certificate;
    tls.key_file = key;
  }
  const std::string ca = take(query, prefix + "ca");
  const std::string verify = take(query, prefix + "verify");
  if (!verify.empty() && verify != "none") {
    refuse("has " + prefix + "verify=\"" + verify +
           "\"; only none is known, and without it the server is verified");
  }
  if (!verify.empty() && !ca.empty()) {
    refuse("has both " + prefix +
           "ca and verify=none; without verification no certificates are needed");
  }
  if (!ca.empty()) {
    tls.ca_file = ca;
    tls.verify = true;
  } else if (!verify.empty()) {
    tls.ca_file.clear();
    tls.verify = false;
  }
  tls.server_name = take(query, prefix + "server_name");
  return tls;
}

std::int32_t take_wait_replicas(Query& query) {
  constexpr std::int32_t most = 100;
  if (!query.contains("wait_replicas")) return 0;
  const std::string text = take(query, "wait_replicas");
  if (const auto count = whole_number(text, 0, most)) return *count;
  refuse("has wait_replicas=\"" + text + "\"; it must be a number from 0 to " +
         std::to_string(most));
}

// What stands before the @. Nothing of it is ever repeated in a message.
Credentials parse_credentials(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    refuse("has a user but no password before the @; write user:password@, or :password@");
  }
  Credentials credentials{percent_decoded(text.substr(0, colon), "the user"),
                          percent_decoded(text.substr(colon + 1), "the password")};
  if (credentials.user.empty() && credentials.password.empty()) {
    refuse("has neither a user nor a password before the @");
  }
  return credentials;
}

// Takes the credentials off the front of what stands between :// and the path.
std::optional<Credentials> take_credentials(std::string_view& authority, std::string_view rest) {
  // An @ further on means that the password contains a character that ends it.
  const std::size_t at = authority.find('@');
  if (rest.find('@') != std::string_view::npos && at == std::string_view::npos) {
    refuse(
        "has an @ in an unexpected place; write %2F for / , %3F for ? and %40 for @ in a user, "
        "a password or a path");
  }
  if (at == std::string_view::npos) return std::nullopt;
  if (authority.find('@', at + 1) != std::string_view::npos) {
    refuse("has more than one @; write %40 for the others");
  }
  const auto credentials = parse_credentials(authority.substr(0, at));
  authority.remove_prefix(at + 1);
  return credentials;
}

void check_host(const std::string& host, bool bracketed) {
  if (host.empty()) refuse("names no host");
  if (bracketed) {
    if (!is_address(host) || host.find(':') == std::string::npos) {
      refuse("has no IPv6 address between [ and ]");
    }
    return;
  }
  if (!is_host(host)) {
    refuse(
        "has a wrong host: at most 253 letters, digits and . _ - are allowed, and an IPv6 "
        "address stands in [ ]");
  }
}

// The port's text is not repeated: where the @ was forgotten, it is the password.
std::uint16_t parse_port(std::string_view text) {
  if (const auto port = whole_number(text, least_port, most_port)) return *port;
  refuse("has a wrong port; it must be a number from 1 to 65535");
}

// Reads host and port; without one the port stays as it is.
void parse_host_and_port(std::string_view authority, RedisUrl& url) {
  const bool bracketed = !authority.empty() && authority.front() == '[';
  if (bracketed) {
    authority.remove_prefix(1);
    url.host = take_until(authority, "]");
    if (authority.empty()) refuse("has a [ without a ]");
    authority.remove_prefix(1);
  } else {
    url.host = take_until(authority, ":");
  }
  if (!authority.empty() && authority.front() != ':') refuse("has text after the ]");
  if (!authority.empty()) url.port = parse_port(authority.substr(1));
  check_host(url.host, bracketed);
}

// Several, with commas between them; they are asked with what `as` says.
std::vector<RedisUrl> parse_hosts_and_ports(std::string_view authority, const RedisUrl& as) {
  std::vector<RedisUrl> urls;
  while (true) {
    RedisUrl url = as;
    parse_host_and_port(take_until(authority, ","), url);
    for (const RedisUrl& other : urls) {
      if (other.address() == url.address()) refuse("names " + url.address() + " twice");
    }
    urls.push_back(std::move(url));
    if (authority.empty()) return urls;
    authority.remove_prefix(1);
  }
}

// What the sentinels are asked with: nothing but the settings of TLS is theirs and the servers' alike.
RedisUrl take_sentinel_options(Query& query, const std::optional<TlsOptions>& tls) {
  RedisUrl sentinel;
  sentinel.port = 26379;
  if (query.contains("sentinel_user") && !query.contains("sentinel_password")) {
    refuse("has sentinel_user without sentinel_password");
  }
  if (query.contains("sentinel_password")) {
    sentinel.credentials =
        Credentials{take(query, "sentinel_user"), take(query, "sentinel_password")};
  }
  const std::string with_tls = take(query, "sentinel_tls");
  if (!with_tls.empty() && with_tls != "yes" && with_tls != "no") {
    refuse("has sentinel_tls=\"" + with_tls + "\"; it must be yes or no");
  }
  if (with_tls == "yes" || (with_tls.empty() && tls)) {
    sentinel.tls = take_tls_options(query, "sentinel_", tls.value_or(TlsOptions{}));
  }
  return sentinel;
}

// The path: a database, behind the service that sentinels know; a Redis Cluster has database 0 only.
void parse_path(std::string_view path, Deployment& deployment) {
  if (!path.empty()) path.remove_prefix(1);
  if (deployment.topology == Topology::cluster) {
    if (path.empty()) return;
    refuse("has the path \"/" + std::string{path} +
           "\"; a Redis Cluster has database 0 only, leave it out");
  }
  if (deployment.topology == Topology::sentinel) {
    deployment.service = percent_decoded(take_until(path, "/"), "the service");
    if (deployment.service.empty()) {
      refuse("names no service; behind the sentinels comes / and what they call the master");
    }
    if (!path.empty()) path.remove_prefix(1);
  }
  if (!path.empty()) deployment.server.database = parse_database(path);
}

Deployment parse_network_url(std::string_view rest, Topology topology, bool with_tls) {
  Deployment deployment;
  deployment.topology = topology;
  RedisUrl& server = deployment.server;
  std::string_view authority = take_until(rest, "/?");
  server.credentials = take_credentials(authority, rest);
  if (topology == Topology::single) parse_host_and_port(authority, server);
  parse_path(take_until(rest, "?"), deployment);

  Query query = parse_query(rest.empty() ? rest : rest.substr(1));
  std::string known = "it knows wait_replicas";
  if (with_tls) {
    server.tls = take_tls_options(query, "", {});
    known += ", ca, cert, key, server_name and verify";
  } else {
    known += "; the options of TLS belong to rediss://";
  }
  deployment.wait_replicas = take_wait_replicas(query);
  if (topology == Topology::sentinel) {
    deployment.ask = parse_hosts_and_ports(authority, take_sentinel_options(query, server.tls));
    known +=
        "; for the sentinels sentinel_user, sentinel_password, sentinel_tls, and with TLS the "
        "same options with sentinel_ before their names";
  }
  if (topology == Topology::cluster) deployment.ask = parse_hosts_and_ports(authority, server);
  refuse_what_is_left(query, known);
  return deployment;
}

Deployment parse_socket_url(std::string_view rest) {
  Deployment deployment;
  RedisUrl& url = deployment.server;
  std::string_view authority = take_until(rest, "/?");
  url.credentials = take_credentials(authority, rest);
  if (!authority.empty()) {
    refuse("names a host; after unix:// comes the path of a socket, which begins with /");
  }
  url.socket_path = percent_decoded(take_until(rest, "?"), "the path");
  if (url.socket_path.size() < 2) refuse("names no socket; write unix:///path/to/socket");
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (url.socket_path.size() > longest) {
    refuse("has a socket path of " + std::to_string(url.socket_path.size()) +
           " bytes; the system allows " + std::to_string(longest));
  }
  Query query = parse_query(rest.empty() ? rest : rest.substr(1));
  if (query.contains("db")) url.database = parse_database(take(query, "db"));
  deployment.wait_replicas = take_wait_replicas(query);
  refuse_what_is_left(query, "unix:// knows db and wait_replicas");
  return deployment;
}

void check_characters(std::string_view text) {
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte <= 0x20 || byte >= 0x7f || character == '#') {
      refuse(
          "has a blank, a control character, a # or a character beyond ASCII; percent-encode "
          "it");
    }
  }
}

}  // namespace

std::string RedisUrl::description() const {
  if (!socket_path.empty()) {
    const std::string query = database == 0 ? "" : "?db=" + std::to_string(database);
    return "unix://" + socket_path + query;
  }
  return std::string{tls ? "rediss://" : "redis://"} + address() + "/" + std::to_string(database);
}

std::string RedisUrl::address() const {
  const bool bracketed = host.find(':') != std::string::npos;
  return (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Deployment::description() const {
  if (topology == Topology::single) return server.description();
  std::string text = std::string{server.tls ? "rediss+" : "redis+"} +
                     (topology == Topology::sentinel ? "sentinel://" : "cluster://");
  for (std::size_t index = 0; index < ask.size(); ++index) {
    text += (index == 0 ? "" : ",") + ask[index].address();
  }
  if (topology == Topology::cluster) return text;
  return text + "/" + service + "/" + std::to_string(server.database);
}

bool is_address(const std::string& host) noexcept {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool is_host(const std::string& host) noexcept {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  constexpr std::size_t longest = 253;
  const bool is_name = !host.empty() && host.size() <= longest &&
                       host.find_first_not_of(allowed) == std::string::npos;
  return is_name || is_address(host);
}

std::optional<Endpoint> told_endpoint(std::string_view host, std::int64_t port) {
  Endpoint endpoint{std::string{host == "?" ? "" : host}, static_cast<std::uint16_t>(port)};
  if (port < least_port || port > most_port) return std::nullopt;
  return endpoint.host.empty() || is_host(endpoint.host) ? std::optional{endpoint} : std::nullopt;
}

std::optional<Endpoint> told_endpoint(std::string_view host, std::string_view port) {
  const auto number = whole_number(port, least_port, most_port);
  return number ? told_endpoint(host, std::int64_t{*number}) : std::nullopt;
}

Deployment parse_deployment(std::string_view text) {
  check_characters(text);
  const auto begins_with = [&](std::string_view scheme) {
    if (text.substr(0, scheme.size()) != scheme) return false;
    text.remove_prefix(scheme.size());
    return true;
  };
  if (begins_with("unix://")) return parse_socket_url(text);
  for (const bool with_tls : {false, true}) {
    const std::string scheme = with_tls ? "rediss" : "redis";
    if (begins_with(scheme + "://")) return parse_network_url(text, Topology::single, with_tls);
    if (begins_with(scheme + "+sentinel://")) {
      return parse_network_url(text, Topology::sentinel, with_tls);
    }
    if (begins_with(scheme + "+cluster://")) {
      return parse_network_url(text, Topology::cluster, with_tls);
    }
  }
  refuse(
      "has a wrong beginning; it begins with redis://, redis+sentinel:// or redis+cluster://, with "
      "rediss instead of redis for TLS, or with unix://");
}

RedisUrl parse_redis_url(std::string_view text) {
  const Deployment deployment = parse_deployment(text);
  if (deployment.topology == Topology::single) return deployment.server;
  refuse("names sentinels or a Redis Cluster; one server is needed here: redis://HOST");
}

}  // namespace workerid::detail::redis
