// SPDX-License-Identifier: MIT
//
// Internal: the connections to one server that its callers share.
#pragma once

#include "stores/redis/connection.hpp"

#include <workerid/redis_store.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace workerid::detail::redis {

using Answers = Connection::Answers;

/// What commands are for. A replica answers questions, but one that may be written to would change
/// what only its master may: there, changes are refused as if it could not be written to (READONLY).
/// The outcome of a question that was not answered is known: nothing changed.
enum class Purpose { question, change };

/// A connection that sends several commands together: `command` for a question, `commands` for changes.
class BatchedConnection : public RedisConnection {
 public:
  RedisReply command(const std::vector<std::string>& words,
                     std::chrono::milliseconds timeout) final;
  Answers commands(std::span<const std::vector<std::string>> commands,
                   std::chrono::milliseconds timeout) final {
    return send(commands, Purpose::change, timeout);
  }

  /// As `RedisConnection::commands`.
  virtual Answers send(std::span<const std::vector<std::string>> commands, Purpose purpose,
                       std::chrono::milliseconds timeout) = 0;
};

/// As many connections as there are callers at once; each serves one caller at a time and is kept
/// for the next. After a failure to connect, calls fail at once for a while, which grows from 10 ms
/// to 1 s: a server that comes back is not stormed, and callers are not held up by one that is away.
/// Thread-safe.
class ConnectionPool final : public BatchedConnection {
 public:
  /// Errors: `invalid_argument` for a TLS file that cannot be used.
  explicit ConnectionPool(RedisUrl url);

  Answers send(std::span<const std::vector<std::string>> commands, Purpose purpose,
               std::chrono::milliseconds timeout) override;
  std::string description() const override { return url_.description(); }
  const RedisUrl& url() const noexcept { return url_; }

 private:
  std::unique_ptr<Connection> take(Deadline deadline);
  std::unique_ptr<Connection> take_idle();
  std::unique_ptr<Connection> connect(Deadline deadline);
  void back_off(const Error& error);

  const RedisUrl url_;
  std::optional<TlsContext> tls_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::optional<Error> failure_;  // why the last attempt to connect failed; empty if it did not
  std::chrono::milliseconds pause_{};
  Deadline next_attempt_{};
};

/// What servers that were asked one after the other said instead of what was wanted.
class Refusals {
 public:
  void add(const Error& error);

  /// `facts` and all that was said; with their code if it is the same one, for then it says what to do.
  Error error(const std::string& facts) const;

 private:
  std::optional<ErrorCode> common_code_;
  std::string words_;
};

}  // namespace workerid::detail::redis
