// SPDX-License-Identifier: MIT
//
// TCP sockets of the loopback interface.
#pragma once

#include <cstdint>

namespace workerid::tests {

/// A socket that listens, and its port. Whoever gets it closes it.
struct Listener {
  int descriptor = -1;
  std::uint16_t port = 0;
};

/// Listens on a free port. Errors: std::system_error.
Listener listen_on_loopback();

/// A socket that is connected to a port, which the caller closes; -1 if nobody listens there.
int connect_to_loopback(std::uint16_t port);

}  // namespace workerid::tests
