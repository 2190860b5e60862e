// SPDX-License-Identifier: MIT
#include "stores/redis/connection.hpp"

#include "stores/redis/info.hpp"
#include "stores/redis/server_error.hpp"

#include <array>
#include <hiredis/hiredis.h>
#include <new>

namespace workerid::detail::redis {

namespace {

// Far above any answer to us; bounds what a stranger can make this process store and look through.
constexpr std::size_t longest_answer = std::size_t{64} << 20U;
constexpr std::size_t longest_line = std::size_t{64} << 10U;
constexpr std::size_t most_elements = std::size_t{1} << 20U;  // of all arrays in it

using ReaderDeleter = void (*)(redisReader*);

// hiredis makes room for as many elements as an array announces, before any of them has come; versions
// before 1.1 know no limit. Those versions differ in the type of the number, too.
std::unique_ptr<redisReader, ReaderDeleter> bounded_reader(std::size_t& elements_left) {
  std::unique_ptr<redisReader, ReaderDeleter> reader{::redisReaderCreate(), &::redisReaderFree};
  if (!reader) throw std::bad_alloc();
  reader->privdata = &elements_left;
  static const redisReplyObjectFunctions usual = *reader->fn;
  static redisReplyObjectFunctions bounded = [] {
    redisReplyObjectFunctions functions = usual;
    functions.createArray = [](const redisReadTask* task, auto elements) -> void* {
      auto& left = *static_cast<std::size_t*>(task->privdata);
      const auto count = static_cast<std::size_t>(elements);
      if (count > left) return nullptr;
      left -= count;
      return usual.createArray(task, elements);
    };
    return functions;
  }();
  reader->fn = &bounded;
  return reader;
}

// As Redis' protocol writes a request: hiredis' formatter takes three times as long.
void append_request(std::string& bytes, const std::vector<std::string>& words) {
  const auto append_size = [&](char kind, std::size_t size) {
    bytes += kind;
    bytes += std::to_string(size);
    bytes += "\r\n";
  };
  append_size('*', words.size());
  for (const std::string& word : words) {
    append_size('$', word.size());
    bytes += word;
    bytes += "\r\n";
  }
}

RedisReply converted(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      return {RedisReply::Nil{}};
    case REDIS_REPLY_INTEGER:
      return {std::int64_t{reply.integer}};
    case REDIS_REPLY_ERROR:
      return {RedisReply::ServerError{std::string{reply.str, reply.len}}};
    case REDIS_REPLY_ARRAY: {
      RedisReply::Array array;
      for (std::size_t index = 0; index < reply.elements; ++index) {
        array.push_back(converted(*reply.element[index]));
      }
      return {std::move(array)};
    }
    default:
      return {std::string{reply.str, reply.len}};
  }
}

Error not_redis(const std::string& server, const std::string& why) {
  return Error(ErrorCode::unsupported_server,
               server + " does not answer as a Redis server does: " + why +
                   "; if it speaks TLS on this port, use rediss://");
}

// Whether a server that answered this to INFO, without a role, answers so for good.
bool never_tells(const RedisReply& reply) {
  const auto* error = std::get_if<RedisReply::ServerError>(&reply.value);
  if (!error) return true;
  const ErrorCode code = server_error({}, error->text).error_code();
  return code == ErrorCode::denied || code == ErrorCode::unsupported_server;
}

}  // namespace

Connection::Connection(const RedisUrl& url, const TlsContext* tls, Deadline deadline) try
    : server_(url.description()), socket_(url, deadline), reader_(bounded_reader(elements_left_)) {
  if (tls != nullptr) {
    tls_.emplace(*tls, socket_);
    shake_hands(deadline);
  }
  prepare(url, deadline);
} catch (const ConnectionFailure& failure) {
  throw Error(failure.code().value_or(ErrorCode::unavailable),
              "cannot connect to " + url.description() + ": " + failure.what());
}

void Connection::shake_hands(Deadline deadline) {
  Step step;
  try {
    step = socket_.complete(deadline, [this] { return tls_->shake_hands(); });
  } catch (const ConnectionFailure& failure) {
    if (failure.code()) throw;
    // A plain port takes it for the beginning of a command and waits for the rest.
    throw ConnectionFailure("the TLS handshake failed: " + std::string{failure.what()} +
                            "; if it speaks plain Redis on this port, use redis://");
  }
  if (step.outcome == Step::Outcome::closed) {
    throw ConnectionFailure("the server closed the connection in the TLS handshake");
  }
}

// Whatever the connection is for, the server has to answer something first: a wrong port or a
// client's certificate that is refused shows before a request is sent, whose outcome would then be
// unknown.
void Connection::prepare(const RedisUrl& url, Deadline deadline) {
  try {
    introduce(url.credentials, deadline);
  } catch (const ConnectionFailure& failure) {
    if (tls_) throw;
    // A TLS port closes the connection when it hears anything else.
    throw ConnectionFailure(std::string{failure.what()} +
                            "; if it speaks TLS on this port, use rediss://");
  }
  if (url.database != 0) demand({"SELECT", std::to_string(url.database)}, deadline);
}

void Connection::introduce(const std::optional<Credentials>& credentials, Deadline deadline) {
  if (!credentials) return expect_welcome(exchange({"PING"}, deadline));
  const auto& [user, password] = *credentials;
  demand(user.empty() ? std::vector<std::string>{"AUTH", password}
                      : std::vector<std::string>{"AUTH", user, password},
         deadline);
}

// An error is no welcome: the server may close the connection behind it, as at maxclients. Except where
// it means PING alone, which nobody needs, or that the server is there and serves nobody for a while.
void Connection::expect_welcome(const RedisReply& pong) const {
  const auto* error = std::get_if<RedisReply::ServerError>(&pong.value);
  if (error == nullptr || serves_nobody_now(error->text) || error->text.starts_with("NOPERM") ||
      error->text.starts_with("ERR unknown command")) {
    return;
  }
  throw server_error(server_, error->text);
}

void Connection::demand(const std::vector<std::string>& words, Deadline deadline) {
  const RedisReply reply = exchange(words, deadline);
  if (const auto* error = std::get_if<RedisReply::ServerError>(&reply.value)) {
    throw server_error(server_, error->text);
  }
}

RedisReply Connection::ask(const std::vector<std::string>& words, Deadline deadline) {
  const auto answer = ask_all({&words, 1}, deadline).front();
  if (const auto* error = std::get_if<Error>(&answer)) throw *error;
  return std::get<RedisReply>(answer);
}

Connection::Answers Connection::ask_all(std::span<const std::vector<std::string>> commands,
                                        Deadline deadline) {
  return answers_to(commands, ErrorCode::unavailable, deadline);
}

// Those that were sent and not answered have the code `when_sent`.
Connection::Answers Connection::answers_to(std::span<const std::vector<std::string>> commands,
                                           ErrorCode when_sent, Deadline deadline) {
  std::string bytes;
  std::vector<std::size_t> starts;
  for (const std::vector<std::string>& words : commands) {
    starts.push_back(bytes.size());
    append_request(bytes, words);
  }
  Answers answers;
  const std::uint64_t sent_before = socket_.bytes_sent();
  try {
    send(bytes, deadline);
    while (answers.size() < commands.size()) answers.emplace_back(receive(deadline));
  } catch (const ConnectionFailure& failure) {
    // Over TLS more bytes are sent than these: then one that was not sent may count as sent.
    const std::uint64_t sent = socket_.bytes_sent() - sent_before;
    for (std::size_t index = answers.size(); index < commands.size(); ++index) {
      answers.emplace_back(Error(starts[index] < sent ? when_sent : ErrorCode::unavailable,
                                 server_ + ": " + failure.what()));
    }
  } catch (const Error& error) {
    answers.resize(commands.size(), error);
  }
  return answers;
}

Connection::Answers Connection::change_all(std::span<const std::vector<std::string>> commands,
                                           Deadline deadline) {
  if (to_master_) return answers_to(commands, ErrorCode::outcome_unknown, deadline);
  std::vector<std::vector<std::string>> asking{{"INFO", "replication"}};
  asking.insert(asking.end(), commands.begin(), commands.end());
  auto answers = answers_to(asking, ErrorCode::outcome_unknown, deadline);
  const auto* reply = std::get_if<RedisReply>(&answers.front());
  const auto* info = reply ? std::get_if<std::string>(&reply->value) : nullptr;
  const std::string role{info ? value_of(*info, "role") : std::string_view{}};
  to_master_ = role == "master" || (reply && role.empty() && never_tells(*reply));
  answers.erase(answers.begin());
  if (role.empty() || to_master_) return answers;
  for (auto& answer : answers) {
    if (std::holds_alternative<Error>(answer)) continue;
    answer = RedisReply{RedisReply::ServerError{"READONLY its role is " + role}};
  }
  return answers;
}

RedisReply Connection::exchange(const std::vector<std::string>& words, Deadline deadline) {
  std::string bytes;
  append_request(bytes, words);
  try {
    send(bytes, deadline);
  } catch (const ConnectionFailure& failure) {
    // Who turns us away says why and closes, perhaps before we said anything.
    try {
      return receive(deadline);
    } catch (const ConnectionFailure&) {
      throw failure;
    }
  }
  return receive(deadline);
}

bool Connection::usable(Deadline deadline) {
  socket_.set_deadline(deadline);
  return reader_->pos == reader_->len && (tls_ ? tls_->silent() : socket_.silent());
}

void Connection::send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const Step step = socket_.complete(deadline, [&] { return send_some(bytes); });
    if (step.outcome == Step::Outcome::closed) {
      throw ConnectionFailure("the server closed the connection");
    }
    bytes.remove_prefix(step.bytes);
  }
}

Step Connection::send_some(std::string_view bytes) {
  if (!tls_) return socket_.send(bytes);
  try {
    return tls_->send(bytes);
  } catch (const ConnectionFailure&) {
    // A server that refuses this client's certificate says why and closes: its words are there to
    // be read, and make the better failure.
    char byte = 0;
    tls_->receive(&byte, 1);
    throw;
  }
}

RedisReply Connection::receive(Deadline deadline) {
  std::size_t received = 0;
  elements_left_ = most_elements;
  while (true) {
    // The reader stands at the beginning of a line, or of what a line announces.
    const std::string_view unread{reader_->buf + reader_->pos, reader_->len - reader_->pos};
    const bool endless = unread.size() > longest_line &&
                         unread.substr(0, longest_line).find('\n') == std::string_view::npos;
    if (endless || received > longest_answer) throw not_redis(server_, "its answer has no end");
    void* raw = nullptr;
    if (::redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
      const bool too_large = reader_->err == REDIS_ERR_OOM;
      throw not_redis(server_, too_large ? "its answer is too large" : shown(reader_->errstr));
    }
    if (raw != nullptr) {
      const std::unique_ptr<void, void (*)(void*)> owned{raw, &::freeReplyObject};
      return converted(*static_cast<const redisReply*>(raw));
    }
    received += read_some(deadline);
  }
}

std::size_t Connection::read_some(Deadline deadline) {
  std::array<char, 16384> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
  const Step step = socket_.complete(deadline, [&] {
    return tls_ ? tls_->receive(buffer.data(), buffer.size())
                : socket_.receive(buffer.data(), buffer.size());
  });
  if (step.outcome == Step::Outcome::closed) {
    throw ConnectionFailure("the server closed the connection");
  }
  if (::redisReaderFeed(reader_.get(), buffer.data(), step.bytes) != REDIS_OK) {
    throw std::bad_alloc();
  }
  return step.bytes;
}

}  // namespace workerid::detail::redis
