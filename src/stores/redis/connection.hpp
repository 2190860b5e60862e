// SPDX-License-Identifier: MIT
//
// Internal: one connection to a Redis server, over hiredis' reader of the protocol.
#pragma once

#include "stores/redis/redis_url.hpp"
#include "stores/redis/socket.hpp"
#include "stores/redis/tls.hpp"

#include <workerid/redis_store.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct redisReader;

namespace workerid::detail::redis {

/// Use from one thread at a time.
class Connection {
 public:
  /// Connects, shakes hands, authenticates and selects the database. `tls` is empty for none.
  /// Errors: `unavailable`, `denied`, `unsupported_server`, `invalid_argument` for a database that
  /// the server does not have.
  Connection(const RedisUrl& url, const TlsContext* tls, Deadline deadline);

  using Answers = std::vector<std::variant<RedisReply, Error>>;

  /// Sends a command that changes nothing and returns the answer. Errors: `unavailable`, whether it was
  /// sent or not; `unsupported_server` if the answer is not one of Redis.
  /// After an error the connection is of no more use.
  RedisReply ask(const std::vector<std::string>& words, Deadline deadline);

  /// Sends several of them in one write and returns what each came to. Few and short ones: the answers
  /// are read when all is sent. After an error the connection is of no more use.
  Answers ask_all(std::span<const std::vector<std::string>> commands, Deadline deadline);

  /// The same for commands that change something: those that were not sent at all when it failed are
  /// `unavailable`, the others `outcome_unknown`. Only a master does them. The first time it asks in
  /// the same write whether the server is one, and where it is not, each answer is an error READONLY.
  /// Where it is demoted later, each grant sees that, and a renewal if the connection was ended.
  Answers change_all(std::span<const std::vector<std::string>> commands, Deadline deadline);

  /// True if it can serve another command: open as far as one can see, and nothing left unread.
  bool usable(Deadline deadline);

 private:
  void shake_hands(Deadline deadline);
  void prepare(const RedisUrl& url, Deadline deadline);
  void introduce(const std::optional<Credentials>& credentials, Deadline deadline);
  void expect_welcome(const RedisReply& pong) const;
  void demand(const std::vector<std::string>& words, Deadline deadline);
  Answers answers_to(std::span<const std::vector<std::string>> commands, ErrorCode when_sent,
                     Deadline deadline);
  RedisReply exchange(const std::vector<std::string>& words, Deadline deadline);
  void send(std::string_view bytes, Deadline deadline);
  Step send_some(std::string_view bytes);
  RedisReply receive(Deadline deadline);
  std::size_t read_some(Deadline deadline);

  std::string server_;
  Socket socket_;
  std::optional<TlsSession> tls_;
  std::size_t elements_left_ = 0;  // in arrays of the answer that is read
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  bool to_master_ = false;  // as far as the server tells
};

}  // namespace workerid::detail::redis
