// SPDX-License-Identifier: MIT
#include "stores/redis/connection_pool.hpp"

#include <algorithm>
#include <utility>

namespace workerid::detail::redis {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds shortest_pause{10};
constexpr milliseconds longest_pause{1000};

// Commands in one write. Their answers, a hundred bytes each, find room while nobody reads them.
constexpr std::size_t most_at_once = 256;

}  // namespace

ConnectionPool::ConnectionPool(RedisUrl url) : url_(std::move(url)) {
  if (url_.tls) tls_.emplace(*url_.tls, url_.host);
}

RedisReply BatchedConnection::command(const std::vector<std::string>& words, milliseconds timeout) {
  const auto answer = send({&words, 1}, Purpose::question, timeout).front();
  if (const auto* error = std::get_if<Error>(&answer)) throw *error;
  return std::get<RedisReply>(answer);
}

Answers ConnectionPool::send(std::span<const std::vector<std::string>> commands, Purpose purpose,
                             milliseconds timeout) {
  const Deadline deadline = deadline_after(timeout);
  std::unique_ptr<Connection> connection = take(deadline);
  Answers answers;
  while (answers.size() < commands.size()) {
    const auto left = commands.subspan(answers.size());
    const auto coming = left.first(std::min(left.size(), most_at_once));
    for (auto& answer : purpose == Purpose::change ? connection->change_all(coming, deadline)
                                                   : connection->ask_all(coming, deadline)) {
      answers.push_back(std::move(answer));
    }
    if (std::holds_alternative<Error>(answers.back())) {
      answers.resize(commands.size(),
                     Error(ErrorCode::unavailable,
                           description() + ": the connection broke before the request"));
      return answers;
    }
  }
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
  return answers;
}

std::unique_ptr<Connection> ConnectionPool::take(Deadline deadline) {
  // A connection that the server closed meanwhile, by a restart or for idleness, is found out here
  // and not by a lost request.
  while (auto connection = take_idle()) {
    if (connection->usable(deadline)) return connection;
  }
  return connect(deadline);
}

std::unique_ptr<Connection> ConnectionPool::take_idle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

std::unique_ptr<Connection> ConnectionPool::connect(Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_ && steady_clock::now() < next_attempt_) throw *failure_;
  }
  try {
    auto connection = std::make_unique<Connection>(url_, tls_ ? &*tls_ : nullptr, deadline);
    const std::lock_guard lock(mutex_);
    failure_.reset();
    return connection;
  } catch (const Error& error) {
    back_off(error);
    throw;
  }
}

void ConnectionPool::back_off(const Error& error) {
  const std::lock_guard lock(mutex_);
  const auto now = steady_clock::now();
  if (failure_ && now < next_attempt_) return;  // of several attempts at once, one counts
  pause_ = failure_ ? std::min(2 * pause_, longest_pause) : shortest_pause;
  failure_ = error;
  next_attempt_ = now + pause_;
}

void Refusals::add(const Error& error) {
  const ErrorCode code = error.error_code();
  if (words_.empty()) common_code_ = code;
  if (common_code_ != code) common_code_.reset();
  words_ += "; " + std::string{error.what()};
}

Error Refusals::error(const std::string& facts) const {
  return {common_code_.value_or(ErrorCode::unavailable), facts + words_};
}

}  // namespace workerid::detail::redis
