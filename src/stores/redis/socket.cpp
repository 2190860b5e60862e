// SPDX-License-Identifier: MIT
#include "stores/redis/socket.hpp"

#include "cancellation.hpp"
#include "owned_thread.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace workerid::detail::redis {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

[[noreturn]] void fail(int error) {
  throw ConnectionFailure(std::generic_category().message(error));
}

Address address_from(const void* address, std::size_t length) {
  Address copy;
  std::memcpy(&copy.storage, address, length);
  copy.length = static_cast<socklen_t>(length);
  return copy;
}

Address local_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address_from(&address, sizeof address);
}

struct Lookup {
  std::vector<Address> addresses;
  int error = 0;  // of getaddrinfo(3)
};

// Blocks for as long as the system's resolver does.
Lookup look_up(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return {{}, error};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{found, &::freeaddrinfo};
  Lookup lookup;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    lookup.addresses.push_back(address_from(entry->ai_addr, entry->ai_addrlen));
  }
  return lookup;
}

// getaddrinfo(3) knows no deadline (G10): it runs on a thread of its own, which is left behind when
// it takes too long.
Lookup look_up_until(Deadline deadline, const std::string& host, const std::string& port) {
  const auto task =
      std::make_shared<std::packaged_task<Lookup()>>([host, port] { return look_up(host, port); });
  auto lookup = task->get_future();
  try {
    start_detached_thread([task] { (*task)(); });
  } catch (const Error& error) {
    throw ConnectionFailure("the host's name cannot be resolved: " + std::string{error.what()});
  }
  if (lookup.wait_until(deadline) != std::future_status::ready) {
    throw ConnectionFailure("the host's name was not resolved in time");
  }
  return lookup.get();
}

std::vector<Address> resolve(const RedisUrl& url, Deadline deadline) {
  const std::string port = std::to_string(url.port);
  Lookup lookup =
      is_address(url.host) ? look_up(url.host, port) : look_up_until(deadline, url.host, port);
  if (lookup.error != 0) {
    throw ConnectionFailure("the host's name cannot be resolved: " +
                            std::string{::gai_strerror(lookup.error)});
  }
  return std::move(lookup.addresses);
}

// Errors: `ConnectionFailure` when the deadline has passed.
void wait_for(int descriptor, short events, Deadline deadline) {
  constexpr milliseconds longest = std::chrono::hours{1};
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds::zero()) throw ConnectionFailure("no answer in time");
    pollfd entry{.fd = descriptor, .events = events, .revents = 0};
    const int count = ::poll(&entry, 1, static_cast<int>(std::min(left, longest).count()));
    if (count > 0) return;
    if (count < 0 && errno != EINTR) fail(errno);
  }
}

void finish_connecting(int descriptor, Deadline deadline) {
  wait_for(descriptor, POLLOUT, deadline);
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) fail(errno);
  if (error != 0) fail(error);
}

void connect_over_network(int descriptor, const Address& address, Deadline deadline) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(descriptor, generic, address.length) == 0) return;
  if (errno != EINPROGRESS && errno != EINTR) fail(errno);
  finish_connecting(descriptor, deadline);
}

// When more want to connect than the server's backlog has room for, a local socket that does not block
// is refused at once, and there is nothing to poll for: so it blocks until it is connected.
void connect_locally(int descriptor, const Address& address, Deadline deadline) {
  const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds::zero()) throw ConnectionFailure("no answer in time");
    const timeval time{.tv_sec = left.count() / 1000, .tv_usec = left.count() % 1000 * 1000};
    if (::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) != 0) fail(errno);
    if (::connect(descriptor, generic, address.length) == 0) break;
    if (errno != EINTR && errno != EAGAIN) fail(errno);
  }
  if (::fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0) fail(errno);
}

int connect_to(const Address& address, Deadline deadline) {
  const bool local = address.storage.ss_family == AF_UNIX;
  const int descriptor = ::socket(address.storage.ss_family,
                                  SOCK_STREAM | SOCK_CLOEXEC | (local ? 0 : SOCK_NONBLOCK), 0);
  if (descriptor < 0) fail(errno);
  try {
    if (local) {
      connect_locally(descriptor, address, deadline);
    } else {
      connect_over_network(descriptor, address, deadline);
    }
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  return descriptor;
}

// Tries each address; one that does not answer leaves time for those after it.
int connect_to_any(const std::vector<Address>& addresses, Deadline deadline) {
  for (std::size_t index = 0; index + 1 < addresses.size(); ++index) {
    const auto now = steady_clock::now();
    const auto share = (deadline - now) / static_cast<long>(addresses.size() - index);
    try {
      return connect_to(addresses[index], now + share);
    } catch (const ConnectionFailure&) {
      continue;
    }
  }
  return connect_to(addresses.back(), deadline);
}

bool is_not_ready(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Deadline deadline_after(milliseconds timeout) {
  constexpr milliseconds longest = std::chrono::hours{24};
  return steady_clock::now() + std::min(timeout, longest);
}

milliseconds time_left(Deadline deadline) {
  return std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
}

Socket::Socket(const RedisUrl& url, Deadline deadline)
    : descriptor_(url.socket_path.empty() ? connect_to_any(resolve(url, deadline), deadline)
                                          : connect_to(local_address(url.socket_path), deadline)) {}

Socket::~Socket() {
  const CancellationHeldOff held_off;
  ::close(descriptor_);
}

Step Socket::send(std::string_view bytes) {
  if (steady_clock::now() >= deadline_) return {Step::Outcome::wants_write};
  const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0) {
    if (is_not_ready(errno)) return {Step::Outcome::wants_write};
    fail(errno);
  }
  bytes_sent_ += static_cast<std::uint64_t>(count);
  return {Step::Outcome::done, static_cast<std::size_t>(count)};
}

Step Socket::receive(char* buffer, std::size_t size) const {
  if (steady_clock::now() >= deadline_) return {Step::Outcome::wants_read};
  const ssize_t count = ::recv(descriptor_, buffer, size, 0);
  if (count < 0) {
    if (is_not_ready(errno)) return {Step::Outcome::wants_read};
    fail(errno);
  }
  if (count == 0) return {Step::Outcome::closed};
  return {Step::Outcome::done, static_cast<std::size_t>(count)};
}

bool Socket::silent() const noexcept {
  char byte = 0;
  return ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && is_not_ready(errno);
}

void Socket::wait(Step::Outcome outcome, Deadline deadline) const {
  wait_for(descriptor_, outcome == Step::Outcome::wants_read ? POLLIN : POLLOUT, deadline);
}

}  // namespace workerid::detail::redis
