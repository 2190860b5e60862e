// SPDX-License-Identifier: MIT
//
// Internal: a connected socket that never blocks by itself and never raises SIGPIPE.
#pragma once

#include "stores/redis/redis_url.hpp"

#include <workerid/error.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace workerid::detail::redis {

using Deadline = std::chrono::steady_clock::time_point;

/// The moment that is `timeout` away, or a day where that is more.
Deadline deadline_after(std::chrono::milliseconds timeout);

/// What is left until then, rounded up; 0 or less if it has passed.
std::chrono::milliseconds time_left(Deadline deadline);

/// A connection that could not be made, broke, or did not answer in time.
class ConnectionFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;

  /// With the code of a failure that says of itself what to do.
  ConnectionFailure(ErrorCode code, const std::string& text)
      : std::runtime_error(text), code_(code) {}

  std::optional<ErrorCode> code() const noexcept { return code_; }

 private:
  std::optional<ErrorCode> code_;
};

/// What one attempt to move bytes came to.
struct Step {
  enum class Outcome { done, wants_read, wants_write, closed };
  Outcome outcome = Outcome::done;
  std::size_t bytes = 0;
};

/// Owns the descriptor. No byte is moved after the deadline, however many still come (G10): not from a
/// peer that sends without an end, and not inside TLS, which reads as long as there is something.
/// Use from one thread at a time.
class Socket {
 public:
  /// Connects to the host or local socket of `url`, each of a host's addresses in turn.
  /// Errors: `ConnectionFailure`.
  Socket(const RedisUrl& url, Deadline deadline);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  /// When `send` and `receive` cease to move anything.
  void set_deadline(Deadline deadline) noexcept { deadline_ = deadline; }

  /// Move what can be moved at once. Errors: `ConnectionFailure`.
  Step send(std::string_view bytes);
  Step receive(char* buffer, std::size_t size) const;

  /// Repeats `step` whenever the socket is ready for it, until it is done or the peer has closed.
  /// Errors: `ConnectionFailure`, also when the deadline has passed.
  template <class Function>
  Step complete(Deadline deadline, Function step) {
    set_deadline(deadline);
    while (true) {
      const Step result = step();
      if (result.outcome == Step::Outcome::done || result.outcome == Step::Outcome::closed) {
        return result;
      }
      wait(result.outcome, deadline);
    }
  }

  /// True if nothing was received and the peer has not closed.
  bool silent() const noexcept;

  /// How many bytes the kernel took so far: none since a request began, and it was not sent.
  std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }

 private:
  void wait(Step::Outcome outcome, Deadline deadline) const;

  int descriptor_ = -1;
  Deadline deadline_ = Deadline::max();
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace workerid::detail::redis
