// SPDX-License-Identifier: MIT
#include "redis_proxy.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace workerid::tests {

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

// Moves what has come from one end to the other; false when the connection is over or cut.
bool move_bytes(int from, int to, std::atomic<std::int64_t>& left,
                const std::function<bool(const std::string&)>& passes) {
  std::array<char, 4096> buffer{};
  const ssize_t received = ::recv(from, buffer.data(), buffer.size(), 0);
  if (received <= 0 || !passes({buffer.data(), static_cast<std::size_t>(received)})) return false;
  const std::int64_t passing = std::min<std::int64_t>(received, left);
  if (left != never) left -= passing;
  if (::send(to, buffer.data(), static_cast<std::size_t>(passing), MSG_NOSIGNAL) != passing) {
    return false;
  }
  return passing == received;
}

}  // namespace

CuttingProxy::CuttingProxy(std::uint16_t server_port)
    : server_port_(server_port),
      listener_(listen_on_loopback()),
      request_bytes_left_(never),
      reply_bytes_left_(never),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { serve(); });
}

CuttingProxy::~CuttingProxy() {
  ::eventfd_write(stop_, 1);
  thread_.join();
  ::close(listener_.descriptor);
  ::close(stop_);
}

void CuttingProxy::heal() {
  request_bytes_left_ = reply_bytes_left_ = never;
}

void CuttingProxy::cut_at(const std::string& word) {
  const std::lock_guard lock(mutex_);
  unknown_word_ = "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
}

bool CuttingProxy::knows(const std::string& request) const {
  const std::lock_guard lock(mutex_);
  return unknown_word_.empty() || request.find(unknown_word_) == std::string::npos;
}

void CuttingProxy::serve() {
  while (true) {
    std::array<pollfd, 2> entries{pollfd{listener_.descriptor, POLLIN, 0},
                                  pollfd{stop_, POLLIN, 0}};
    ::poll(entries.data(), entries.size(), -1);
    if (entries[1].revents != 0) return;
    const int client = ::accept4(listener_.descriptor, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = connect_to_loopback(server_port_);
    if (server >= 0) {
      pass_on(client, server);
      ::close(server);
    }
    ::close(client);
  }
}

void CuttingProxy::pass_on(int client, int server) {
  while (true) {
    std::array<pollfd, 3> entries{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0},
                                  pollfd{stop_, POLLIN, 0}};
    ::poll(entries.data(), entries.size(), -1);
    if (entries[2].revents != 0) return;
    if (entries[1].revents != 0 && delay_ms_ > 0) {
      // Unless the proxy ends meanwhile.
      if (::poll(&entries[2], 1, static_cast<int>(delay_ms_)) != 0) return;
    }
    if (entries[0].revents != 0 &&
        !move_bytes(client, server, request_bytes_left_,
                    [this](const std::string& request) { return knows(request); })) {
      return;
    }
    if (entries[1].revents != 0 &&
        !move_bytes(server, client, reply_bytes_left_, [](const std::string&) { return true; })) {
      return;
    }
  }
}

}  // namespace workerid::tests
