// SPDX-License-Identifier: MIT
//
// Messages of one fixed size between two processes, over the ends of a SOCK_SEQPACKET pair.
#pragma once

#include <cerrno>
#include <sys/socket.h>
#include <sys/types.h>

namespace workerid::cli {

/// Sends one message. Fails silently if the other end is gone, which whoever reads this end notices, or
/// leaves so many unread that there is no room.
template <typename Message>
void send(int socket, const Message& message) noexcept {
  static_cast<void>(::send(socket, &message, sizeof message, MSG_NOSIGNAL));
}

enum class Received {
  message,  ///< The next one.
  nothing,  ///< None is there yet.
  closed,   ///< The other end is gone, and all that it had sent was read.
};

/// Takes the next message. Never blocks if the socket does not.
template <typename Message>
Received receive(int socket, Message& message) noexcept {
  // An end that goes with something unread resets the connection. That is told once, before the
  // messages that it had sent.
  ssize_t length = 0;
  do {
    length = ::recv(socket, &message, sizeof message, 0);
  } while (length < 0 && errno == ECONNRESET);
  if (length == static_cast<ssize_t>(sizeof message)) return Received::message;
  return length < 0 && (errno == EAGAIN || errno == EINTR) ? Received::nothing : Received::closed;
}

}  // namespace workerid::cli
