// SPDX-License-Identifier: MIT
//
// The messages between `workerid run` and its guard.
#include "messages.hpp"

#include <array>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace workerid::tests {
namespace {

using cli::Received;

// The guard says how the command ended and goes, whether it read the last order or not.
TEST(Messages, WhatWasSentBeforeTheEndIsReceived) {
  for (const bool leaves_something_unread : {false, true}) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()),
              0);
    int message = 0;
    EXPECT_EQ(cli::receive(ends[0], message), Received::nothing);
    if (leaves_something_unread) cli::send(ends[0], 1);
    cli::send(ends[1], 7);
    cli::send(ends[1], 8);
    ::close(ends[1]);
    EXPECT_EQ(cli::receive(ends[0], message), Received::message);
    EXPECT_EQ(message, 7);
    EXPECT_EQ(cli::receive(ends[0], message), Received::message);
    EXPECT_EQ(message, 8);
    EXPECT_EQ(cli::receive(ends[0], message), Received::closed);
    cli::send(ends[0], 9);  // to nobody: no signal
    ::close(ends[0]);
  }
}

}  // namespace
}  // namespace workerid::tests
