// SPDX-License-Identifier: MIT
#include "stores/redis/redis_url.hpp"

#include <workerid/error.hpp>

#include <arpa/inet.h>
#include <charconv>
#include <limits>
#include <map>
#include <sys/un.h>

namespace workerid::detail::redis {

namespace {

using Query = std::map<std::string, std::string>;

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
  std::int32_t database = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), database);
  if (error != std::errc{} || end != text.data() + text.size() || database < 0) {
    refuse("has the database \"" + std::string{text} + "\"; it must be a number from 0 to " +
           std::to_string(std::numeric_limits<std::int32_t>::max()));
  }
  return database;
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

TlsOptions parse_tls_options(Query query) {
  TlsOptions tls{.ca_file = take(query, "ca"),
                 .certificate_file = take(query, "cert"),
                 .key_file = take(query, "key"),
                 .server_name = take(query, "server_name")};
  const std::string verify = take(query, "verify");
  refuse_what_is_left(query, "rediss:// knows ca, cert, key, server_name and verify");
  if (!verify.empty() && verify != "none") {
    refuse("has verify=\"" + verify +
           "\"; only none is known, and without it the server is "
           "verified");
  }
  tls.verify = verify.empty();
  if (!tls.verify && !tls.ca_file.empty()) {
    refuse("has both ca and verify=none; without verification no certificates are needed");
  }
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    refuse("has only one of cert and key; a client's certificate needs both");
  }
  return tls;
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
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  constexpr std::size_t longest = 253;
  if (host.size() > longest || host.find_first_not_of(allowed) != std::string::npos) {
    refuse(
        "has a wrong host: at most 253 letters, digits and . _ - are allowed, and an IPv6 "
        "address stands in [ ]");
  }
}

// The port's text is not repeated: where the @ was forgotten, it is the password.
std::uint16_t parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
    refuse("has a wrong port; it must be a number from 1 to 65535");
  }
  return port;
}

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

RedisUrl parse_network_url(std::string_view rest, bool with_tls) {
  RedisUrl url;
  std::string_view authority = take_until(rest, "/?");
  url.credentials = take_credentials(authority, rest);
  parse_host_and_port(authority, url);

  std::string_view path = take_until(rest, "?");
  if (path.size() > 1) url.database = parse_database(path.substr(1));
  Query query = parse_query(rest.empty() ? rest : rest.substr(1));
  if (with_tls) {
    url.tls = parse_tls_options(std::move(query));
  } else {
    refuse_what_is_left(query, "redis:// takes none, those of TLS belong to rediss://");
  }
  return url;
}

RedisUrl parse_socket_url(std::string_view rest) {
  RedisUrl url;
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
  refuse_what_is_left(query, "unix:// knows db");
  return url;
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
  const bool bracketed = host.find(':') != std::string::npos;
  return std::string{tls ? "rediss://" : "redis://"} + (bracketed ? "[" + host + "]" : host) + ":" +
         std::to_string(port) + "/" + std::to_string(database);
}

bool is_address(const std::string& host) noexcept {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

RedisUrl parse_redis_url(std::string_view text) {
  check_characters(text);
  const auto begins_with = [&](std::string_view scheme) {
    if (text.substr(0, scheme.size()) != scheme) return false;
    text.remove_prefix(scheme.size());
    return true;
  };
  if (begins_with("redis://")) return parse_network_url(text, false);
  if (begins_with("rediss://")) return parse_network_url(text, true);
  if (begins_with("unix://")) return parse_socket_url(text);
  refuse("has a wrong beginning; it begins with redis://, rediss:// or unix://");
}

}  // namespace workerid::detail::redis
