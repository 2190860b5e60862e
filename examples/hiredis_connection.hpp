// SPDX-License-Identifier: MIT
//
// A Redis client of your own behind the library's interface: here hiredis' blocking calls.
#pragma once

#include <workerid/redis_store.hpp>

#include <hiredis/hiredis.h>
#include <memory>
#include <mutex>
#include <string>
#include <sys/time.h>
#include <utility>
#include <vector>

/// Connects when a command needs it, and anew after a failure. Each caller has a connection to
/// itself while its command runs, so nobody waits behind another's time-out. hiredis writes with
/// write(2): the program ignores SIGPIPE. Thread-safe.
class HiredisConnection final : public workerid::RedisConnection {
 public:
  HiredisConnection(std::string host, int port) : host_(std::move(host)), port_(port) {}

  workerid::RedisReply command(const std::vector<std::string>& words,
                               std::chrono::milliseconds timeout) override {
    Connection connection = take_or_connect(timeout);
    redisSetTimeout(connection.get(), to_timeval(timeout));
    std::vector<const char*> data;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      data.push_back(word.data());
      sizes.push_back(word.size());
    }
    const std::unique_ptr<void, Free> reply{redisCommandArgv(
        connection.get(), static_cast<int>(words.size()), data.data(), sizes.data())};
    if (!reply) {  // G5: the server may have received it
      throw workerid::Error(workerid::ErrorCode::outcome_unknown,
                            description() + ": " + connection->errstr);
    }
    give_back(std::move(connection));
    return translate(*static_cast<const redisReply*>(reply.get()));
  }

  std::string description() const override { return host_ + ":" + std::to_string(port_); }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(void* reply) const { freeReplyObject(reply); }
  };
  using Connection = std::unique_ptr<redisContext, Free>;

  static timeval to_timeval(std::chrono::milliseconds time) {
    return {time.count() / 1000, (time.count() % 1000) * 1000};
  }

  static workerid::RedisReply translate(const redisReply& reply) {
    switch (reply.type) {
      case REDIS_REPLY_NIL:
        return {workerid::RedisReply::Nil{}};
      case REDIS_REPLY_INTEGER:
        return {std::int64_t{reply.integer}};
      case REDIS_REPLY_ERROR:
        return {workerid::RedisReply::ServerError{{reply.str, reply.len}}};
      case REDIS_REPLY_ARRAY: {
        workerid::RedisReply::Array elements;
        for (std::size_t i = 0; i < reply.elements; ++i) {
          elements.push_back(translate(*reply.element[i]));
        }
        return {std::move(elements)};
      }
      default:  // a string or a status
        return {std::string{reply.str, reply.len}};
    }
  }

  Connection take_or_connect(std::chrono::milliseconds timeout) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Connection connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    Connection connection{redisConnectWithTimeout(host_.c_str(), port_, to_timeval(timeout))};
    if (connection && connection->err == 0) return connection;
    throw workerid::Error(
        workerid::ErrorCode::unavailable,  // nothing was sent
        description() + ": " + (connection ? connection->errstr : "out of memory"));
  }

  void give_back(Connection connection) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
  }

  std::string host_;
  int port_;
  std::mutex mutex_;
  std::vector<Connection> idle_;
};
