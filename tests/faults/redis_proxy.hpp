// SPDX-License-Identifier: MIT
//
// A wire to a server that can be cut at an exact byte.
#pragma once

#include "support/loopback.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {

/// Passes the bytes of one connection at a time on to a server of the loopback interface.
class CuttingProxy {
 public:
  explicit CuttingProxy(std::uint16_t server_port);
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;
  ~CuttingProxy();

  std::string url() const { return "redis://127.0.0.1:" + std::to_string(listener_.port); }

  /// Lets this many more bytes of requests pass, and cuts the connection at the next one.
  void cut_request_after(std::int64_t bytes) { request_bytes_left_ = bytes; }

  /// The same for replies; the request has then reached the server.
  void cut_reply_after(std::int64_t bytes) { reply_bytes_left_ = bytes; }

  /// Cuts the connection when a request has this word, as a proxy does that does not know the command.
  void cut_at(const std::string& word);

  /// Every reply comes that much later.
  void delay_replies(std::chrono::milliseconds delay) { delay_ms_ = delay.count(); }

  /// Cuts no more. A connection that was cut stays so; the next one passes.
  void heal();

 private:
  void serve();
  void pass_on(int client, int server);
  bool knows(const std::string& request) const;

  std::uint16_t server_port_;
  Listener listener_;
  std::atomic<std::int64_t> request_bytes_left_;
  std::atomic<std::int64_t> reply_bytes_left_;
  std::atomic<std::int64_t> delay_ms_ = 0;
  mutable std::mutex mutex_;
  std::string unknown_word_;  // as it is sent; empty for none
  int stop_;                  // eventfd(2): readable when the proxy ends
  std::thread thread_;
};

}  // namespace workerid::tests
