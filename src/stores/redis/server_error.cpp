// SPDX-License-Identifier: MIT
#include "stores/redis/server_error.hpp"

#include "whole_number.hpp"

#include <algorithm>
#include <array>

namespace workerid::detail::redis {

namespace {

struct Meaning {
  std::string_view
      word;  ///< The code that the answer begins with, or, without one, a phrase in it.
  ErrorCode code;
  std::string_view advice;
};

constexpr std::array codes{
    Meaning{"LOADING", ErrorCode::unavailable, "it reads its data and will answer soon"},
    Meaning{"BUSY", ErrorCode::unavailable,
            "a script has been running for long; end it with SCRIPT KILL"},
    Meaning{"UNKILLABLE", ErrorCode::unavailable, "a script that has written runs for long"},
    Meaning{"READONLY", ErrorCode::unavailable,
            "it is a replica; name the master in the URL, or the sentinels that know it"},
    Meaning{"MASTERDOWN", ErrorCode::unavailable,
            "it is a replica that lost its master; name the master in the URL"},
    Meaning{"NOREPLICAS", ErrorCode::unavailable,
            "fewer replicas are connected than min-replicas-to-write asks for"},
    Meaning{"OOM", ErrorCode::unavailable, "its memory is full; raise maxmemory or remove data"},
    Meaning{"MISCONF", ErrorCode::unavailable,
            "it cannot save its data; look at its disk and its log"},
    Meaning{"CLUSTERDOWN", ErrorCode::unavailable,
            "its Redis Cluster is not complete; look at CLUSTER INFO"},
    Meaning{"TRYAGAIN", ErrorCode::unavailable, "the keys move to another node; repeat the call"},
    Meaning{"MOVED", ErrorCode::unavailable,
            "another node of its Redis Cluster has the keys; use redis+cluster:// in the URL"},
    Meaning{"ASK", ErrorCode::unavailable, "the keys move to another node; repeat the call"},
    Meaning{"NOAUTH", ErrorCode::denied, "put the password into the URL: redis://:password@host"},
    Meaning{"WRONGPASS", ErrorCode::denied, "correct the user or the password in the URL"},
    Meaning{"NOPERM", ErrorCode::denied,
            "allow the user what is named; docs/stores.md lists the permissions"},
    Meaning{"DENIED", ErrorCode::denied,
            "the server is in protected mode; give it a password, or bind it to an address"},
    Meaning{"WRONGTYPE", ErrorCode::corrupt_record,
            "another program uses keys that begin with {workerid:"},
    Meaning{"CROSSSLOT", ErrorCode::unsupported_server,
            "it or a proxy does not honour hash tags in keys"},
    Meaning{"NOSCRIPT", ErrorCode::unsupported_server,
            "it does not keep a script that it was sent"},
};

constexpr std::array phrases{
    Meaning{"max number of clients reached", ErrorCode::unavailable,
            "raise maxclients or close connections"},
    Meaning{"Script killed by user", ErrorCode::unavailable, "repeat the call"},
    Meaning{"The user executing the script can't", ErrorCode::denied,
            "allow the user what the scripts need; docs/stores.md lists the permissions"},
    Meaning{"without any password configured", ErrorCode::denied,
            "the URL has a password, the server has none; remove it, or name a user"},
    Meaning{"no password is set", ErrorCode::denied,
            "the URL has a password, the server has none; remove it"},
    Meaning{"DB index is out of range", ErrorCode::invalid_argument,
            "the server has fewer databases than the URL asks for"},
    Meaning{"cluster support disabled", ErrorCode::unsupported_server,
            "it is no node of a Redis Cluster; use redis:// in the URL"},
    Meaning{"SELECT is not allowed in cluster mode", ErrorCode::invalid_argument,
            "a Redis Cluster has database 0 only; leave it out of the URL"},
    Meaning{"unknown command", ErrorCode::unsupported_server,
            "a Redis server 6.2 or later, with scripts, is needed"},
    Meaning{"Unknown Redis command", ErrorCode::unsupported_server,
            "a Redis server 6.2 or later is needed, with no command renamed that the scripts use"},
    Meaning{"unauthenticated", ErrorCode::denied,
            "put the password into the URL: redis://:password@host"},
    Meaning{"Protocol error", ErrorCode::unsupported_server,
            "it does not take Redis commands as they are"},
};

constexpr Meaning anything_else{"", ErrorCode::unsupported_server,
                                "this answer is unexpected; a Redis server 6.2 or later is needed"};

bool begins_with_word(std::string_view text, std::string_view word) {
  return text.substr(0, word.size()) == word &&
         (text.size() == word.size() || text[word.size()] == ' ');
}

bool contains(std::string_view text, const std::string& part) {
  return text.find(part) != std::string_view::npos;
}

// Redis 6.2 and KeyDB wrap what a script met: "ERR Error running script …: -OOM command …".
bool wraps(std::string_view text, std::string_view word) {
  return contains(text, " -" + std::string{word} + " ");
}

const Meaning& meaning(std::string_view text) {
  for (const Meaning& candidate : codes) {
    if (begins_with_word(text, candidate.word)) return candidate;
  }
  for (const Meaning& candidate : codes) {
    if (wraps(text, candidate.word)) return candidate;
  }
  for (const Meaning& candidate : phrases) {
    if (contains(text, std::string{candidate.word})) return candidate;
  }
  return anything_else;
}

}  // namespace

bool is_unknown_script(std::string_view server_text) {
  return begins_with_word(server_text, "NOSCRIPT");
}

bool is_replica(std::string_view server_text) {
  return begins_with_word(server_text, "READONLY") || wraps(server_text, "READONLY") ||
         begins_with_word(server_text, "MASTERDOWN");
}

bool serves_nobody_now(std::string_view server_text) {
  return std::any_of(codes.begin(), codes.end(), [server_text](const Meaning& candidate) {
    return candidate.code == ErrorCode::unavailable &&
           begins_with_word(server_text, candidate.word);
  });
}

bool is_cluster_down(std::string_view server_text) {
  return begins_with_word(server_text, "CLUSTERDOWN");
}

// "MOVED 3999 127.0.0.1:6381", "ASK 3999 ::1:6381"; the port stands behind the last colon.
std::optional<Redirection> redirection(std::string_view server_text) {
  const bool moved = begins_with_word(server_text, "MOVED");
  if (!moved && !begins_with_word(server_text, "ASK")) return std::nullopt;
  const std::string_view facts = server_text.substr(server_text.find(' ') + 1);
  const std::size_t blank = facts.find(' ');
  const std::size_t colon = facts.rfind(':');
  if (blank == std::string_view::npos || colon == std::string_view::npos || colon < blank ||
      !whole_number<std::int64_t>(facts.substr(0, blank), 0, hash_slots - 1)) {
    return std::nullopt;
  }
  const auto node =
      told_endpoint(facts.substr(blank + 1, colon - blank - 1), facts.substr(colon + 1));
  return node ? std::optional{Redirection{moved, *node}} : std::nullopt;
}

Error server_error(const std::string& server, std::string_view server_text) {
  const Meaning& means = meaning(server_text);
  return Error(means.code,
               server + " answered \"" + shown(server_text) + "\": " + std::string{means.advice});
}

std::string shown(std::string_view server_text) {
  constexpr std::size_t longest = 200;
  // What follows is the command's words, a password or token among them.
  std::string text{server_text.substr(0, server_text.find(", with args"))};
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  for (char& character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte >= 0x7f) character = '?';
  }
  return text;
}

}  // namespace workerid::detail::redis
