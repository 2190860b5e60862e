// SPDX-License-Identifier: MIT
#include "stores/redis/sentinel_connection.hpp"

#include "stores/redis/server_error.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace workerid::detail::redis {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// How long a master is used after a majority of the sentinels named it.
constexpr auto confirmation_time = 1s;

// How long one sentinel may keep the others from being asked.
constexpr milliseconds longest_ask = 1s;

bool is_from_replica(const std::variant<RedisReply, Error>& answer) {
  const auto* reply = std::get_if<RedisReply>(&answer);
  const auto* error = reply ? std::get_if<RedisReply::ServerError>(&reply->value) : nullptr;
  return error != nullptr && is_replica(error->text);
}

bool is_failure(const std::variant<RedisReply, Error>& answer) {
  return std::holds_alternative<Error>(answer);
}

}  // namespace

SentinelConnection::SentinelConnection(Deployment deployment) : deployment_(std::move(deployment)) {
  for (const RedisUrl& url : deployment_.ask) {
    sentinels_.push_back(std::make_shared<ConnectionPool>(url));
  }
  // A TLS file of the servers that cannot be used is refused now, not when a master is found.
  if (deployment_.server.tls) TlsContext(*deployment_.server.tls, "");
}

Answers SentinelConnection::send(std::span<const std::vector<std::string>> commands,
                                 Purpose purpose, milliseconds timeout) {
  const Deadline deadline = deadline_after(timeout);
  for (bool again = true;; again = false) {
    const std::shared_ptr<ConnectionPool> server = master(deadline);
    try {
      Answers answers = server->send(commands, purpose, time_left(deadline));
      const bool from_replica = std::any_of(answers.begin(), answers.end(), is_from_replica);
      if (from_replica || std::any_of(answers.begin(), answers.end(), is_failure)) forget(server);
      if (!from_replica || !again) return answers;
    } catch (const Error&) {  // It cannot be reached, so nothing was sent.
      forget(server);
      if (!again) throw;
    }
  }
}

std::shared_ptr<ConnectionPool> SentinelConnection::master(Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (master_ && BootClock::now() < confirmed_until_) return master_;
  }
  const BootTime asked_at = BootClock::now();
  const RedisUrl url = named_master(deadline);
  std::shared_ptr<ConnectionPool> server;
  {
    const std::lock_guard lock(mutex_);
    if (master_ && master_->url().address() == url.address()) server = master_;
  }
  if (!server) {
    server = std::make_shared<ConnectionPool>(url);
    prove_master(*server, deadline);
  }
  const std::lock_guard lock(mutex_);
  master_ = server;
  confirmed_until_ = asked_at + confirmation_time;
  return server;
}

// One after the other, until a majority of all agrees.
RedisUrl SentinelConnection::named_master(Deadline deadline) {
  Sentinels to_ask;
  {
    const std::lock_guard lock(mutex_);
    to_ask = sentinels_;
  }
  const std::size_t majority = to_ask.size() / 2 + 1;
  std::map<std::string, std::size_t> votes;
  Refusals refusals;
  auto left = static_cast<std::int64_t>(to_ask.size());
  for (const auto& sentinel : to_ask) {
    try {
      const RedisUrl url =
          name_of_master(*sentinel, std::min(longest_ask, time_left(deadline) / (left + 1)));
      if (++votes[url.address()] == majority) return url;
      refusals.add({ErrorCode::unavailable, sentinel->description() + " names " + url.address()});
    } catch (const Error& error) {
      refusals.add(error);
      const std::lock_guard lock(mutex_);
      std::stable_partition(sentinels_.begin(), sentinels_.end(),
                            [&](const auto& other) { return other != sentinel; });
    }
    --left;
  }
  throw refusals.error(description() + ": no majority of the " + std::to_string(to_ask.size()) +
                       " sentinels names the same master");
}

RedisUrl SentinelConnection::name_of_master(ConnectionPool& sentinel, milliseconds timeout) const {
  const RedisReply reply =
      sentinel.command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", deployment_.service}, timeout);
  if (const auto* error = std::get_if<RedisReply::ServerError>(&reply.value)) {
    throw server_error(sentinel.description(), error->text);
  }
  if (std::holds_alternative<RedisReply::Nil>(reply.value)) {
    throw Error(ErrorCode::unavailable, sentinel.description() + " does not know the service \"" +
                                            deployment_.service + "\"");
  }
  RedisUrl url = deployment_.server;
  const auto* words = std::get_if<RedisReply::Array>(&reply.value);
  const auto* host =
      words && words->size() == 2 ? std::get_if<std::string>(&words->at(0).value) : nullptr;
  const auto* port = host ? std::get_if<std::string>(&words->at(1).value) : nullptr;
  const auto told = port != nullptr ? told_endpoint(*host, *port) : std::nullopt;
  if (!told || told->host.empty()) {
    throw Error(ErrorCode::unsupported_server,
                sentinel.description() + " does not answer as a sentinel does");
  }
  url.host = told->host;
  url.port = told->port;
  return url;
}

// Sentinels may name a server that was just demoted, or not yet promoted.
void SentinelConnection::prove_master(ConnectionPool& server, Deadline deadline) const {
  const RedisReply reply = server.command({"ROLE"}, time_left(deadline));
  if (const auto* error = std::get_if<RedisReply::ServerError>(&reply.value)) {
    throw server_error(server.description(), error->text);
  }
  const auto* facts = std::get_if<RedisReply::Array>(&reply.value);
  const auto* role =
      facts && !facts->empty() ? std::get_if<std::string>(&facts->front().value) : nullptr;
  if (role == nullptr || *role != "master") {
    throw Error(ErrorCode::unavailable, server.description() +
                                            ", which the sentinels name, says that it is no "
                                            "master; a fail-over may be under way");
  }
}

void SentinelConnection::forget(const std::shared_ptr<ConnectionPool>& server) {
  const std::lock_guard lock(mutex_);
  if (master_ == server) master_.reset();
}

}  // namespace workerid::detail::redis
