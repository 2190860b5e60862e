// SPDX-License-Identifier: MIT
//
// What a Redis server sends, byte by byte: a reply or an error comes of it, and never waiting.
#include "fuzz/require.hpp"
#include "stores/redis/connection.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/error.hpp>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace workerid;
using namespace std::chrono_literals;
using detail::redis::Connection;
using detail::redis::RedisUrl;

namespace {

// Sends its text to whoever connects, and nothing more.
class Peer {
 public:
  Peer() : path_(directory_.path() / "socket"), listener_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    fuzz::require(::bind(listener_, generic, sizeof address) == 0 && ::listen(listener_, 16) == 0,
                  "a socket can be made");
    std::thread([this] {
      for (;;) serve(::accept(listener_, nullptr, nullptr));
    }).detach();
  }

  RedisUrl url() const {
    RedisUrl url;
    url.socket_path = path_;
    return url;
  }

  void say(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }

 private:
  void serve(int connection) {
    std::string text;
    {
      const std::lock_guard lock(mutex_);
      text = text_;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
      const ssize_t sent = ::send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::shutdown(connection, SHUT_WR);
    std::array<char, 256> ignored{};
    while (::read(connection, ignored.data(), ignored.size()) > 0) {
    }
    ::close(connection);
  }

  tests::TemporaryDirectory directory_;
  std::filesystem::path path_;
  int listener_;
  std::mutex mutex_;
  std::string text_;
};

// In the protocol's second version, as the server would have sent it.
std::string written(const RedisReply& reply) {
  if (const auto* const number = std::get_if<std::int64_t>(&reply.value)) {
    return ":" + std::to_string(*number) + "\r\n";
  }
  if (const auto* const text = std::get_if<std::string>(&reply.value)) {
    return "$" + std::to_string(text->size()) + "\r\n" + *text + "\r\n";
  }
  if (const auto* const error = std::get_if<RedisReply::ServerError>(&reply.value)) {
    return "-" + error->text + "\r\n";
  }
  if (const auto* const array = std::get_if<RedisReply::Array>(&reply.value)) {
    std::string text = "*" + std::to_string(array->size()) + "\r\n";
    for (const RedisReply& element : *array) text += written(element);
    return text;
  }
  return "$-1\r\n";
}

RedisReply received(Peer& peer, const std::string& text) {
  peer.say("+PONG\r\n" + text);
  const auto deadline = detail::redis::deadline_after(10s);
  Connection connection(peer.url(), nullptr, deadline);
  return connection.ask({"GET", "key"}, deadline);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto& peer = *new Peer;  // its thread outlives main
  const auto begin = std::chrono::steady_clock::now();
  try {
    const RedisReply reply = received(peer, fuzz::text_of(data, size));
    fuzz::require(received(peer, written(reply)) == reply, "a reply written and read is the same");
  } catch (const Error& error) {
    // The first answer may be a refusal, whatever its words mean.
    fuzz::require(error.error_code() != ErrorCode::outcome_unknown,
                  "the outcome of a question is known: " + std::string{error.what()});
    const std::string_view message = error.what();
    fuzz::require(std::none_of(message.begin(), message.end(),
                               [](char character) { return character >= 0 && character < ' '; }),
                  "the message has no control characters");
  }
  fuzz::require(std::chrono::steady_clock::now() - begin < 10s, "a closed connection is no wait");
  return 0;
}
