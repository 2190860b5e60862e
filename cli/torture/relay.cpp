// SPDX-License-Identifier: MIT
#include "torture/relay.hpp"

#include "values.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <sys/time.h>
#include <utility>
#include <vector>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds look{10};  // how late a delayed byte may be

bool readable(int number) {
  pollfd entry{.fd = number, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) == 1;
}

}  // namespace

Address Address::loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  Address result;
  result.size = sizeof address;
  std::memcpy(&result.value, &address, sizeof address);
  return result;
}

Address Address::resolved(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found)) {
    throw UsageError("--store: " + host + ": " + ::gai_strerror(error));
  }
  Address result;
  result.size = found->ai_addrlen;
  std::memcpy(&result.value, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return result;
}

Relay::Relay(const Address& server) {
  orders_.server = server;
  listen();
  thread_ = std::thread([this] { serve(); });
}

Relay::~Relay() {
  order([](Orders& orders) { orders.ending = true; });
  thread_.join();
}

template <typename Change>
void Relay::order(Change change) {
  {
    const std::lock_guard lock(mutex_);
    change(orders_);
  }
  bell_.raise();
}

void Relay::disturb(const Disturbance& disturbance) {
  order([&](Orders& orders) { orders.disturbance = disturbance; });
}

void Relay::cut() {
  order([](Orders& orders) { ++orders.cuts; });
}

void Relay::lead_to(const Address& server) {
  order([&](Orders& orders) {
    orders.server = server;
    ++orders.cuts;
  });
}

// On a port of the kernel's choice; later on the same one again.
void Relay::listen() {
  Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  ::setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  Address address = Address::loopback(port_);
  auto* const raw = reinterpret_cast<sockaddr*>(&address.value);
  if (::bind(listener.number(), raw, address.size) != 0 || ::listen(listener.number(), 64) != 0) {
    if (port_ != 0) return;  // taken for a moment: tried again at the next look
    throw std::system_error(errno, std::generic_category(), "listen");
  }
  ::getsockname(listener.number(), raw, &address.size);
  port_ = ntohs(reinterpret_cast<const sockaddr_in*>(raw)->sin_port);
  listener_.emplace(std::move(listener));
}

void Relay::serve() {
  int cuts = 0;
  for (;;) {
    const Orders orders = [this] {
      const std::lock_guard lock(mutex_);
      return orders_;
    }();
    if (orders.ending) return;
    if (orders.disturbance.refuses || orders.cuts != cuts) connections_.clear();
    cuts = orders.cuts;
    if (orders.disturbance.refuses) {
      listener_.reset();
    } else if (!listener_) {
      listen();
    }
    if (listener_ && readable(listener_->number())) accept(orders.server);
    pass_on(orders.disturbance);
    wait();
  }
}

void Relay::accept(const Address& server) {
  const int client = ::accept4(listener_->number(), nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  Connection connection{
      {client, "accept"},
      {::socket(server.value.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"}};
  const timeval longest{.tv_sec = 1, .tv_usec = 0};  // of connecting, too
  ::setsockopt(connection.server.number(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
  if (::connect(connection.server.number(), reinterpret_cast<const sockaddr*>(&server.value),
                server.size) == 0) {
    connections_.push_back(std::move(connection));
  }
}

void Relay::pass_on(const Disturbance& disturbance) {
  const BootTime now = BootClock::now();
  connections_.remove_if([&](Connection& connection) {
    const int client = connection.client.number();
    const int server = connection.server.number();
    connection.requests.receive(client, now + disturbance.delay);
    connection.replies.receive(server, now + disturbance.delay);
    return !connection.requests.deliver(server, disturbance.holds_requests, now) ||
           !connection.replies.deliver(client, disturbance.holds_replies, now);
  });
}

void Relay::Flow::receive(int from, BootTime due) {
  if (closed || !readable(from)) return;
  std::array<char, 65536> buffer{};
  const ssize_t count = ::recv(from, buffer.data(), buffer.size(), 0);
  closed = count <= 0;
  parts.push_back(
      {due, closed ? std::string{} : std::string(buffer.data(), static_cast<std::size_t>(count))});
}

bool Relay::Flow::deliver(int to, bool held, BootTime now) {
  for (; !held && !parts.empty() && parts.front().due <= now; parts.pop_front()) {
    const std::string& bytes = parts.front().bytes;
    if (bytes.empty()) return false;
    if (::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      return false;
    }
  }
  return true;
}

// Until there is something to do.
void Relay::wait() {
  std::vector<pollfd> entries{{.fd = bell_.number(), .events = POLLIN, .revents = 0}};
  if (listener_) entries.push_back({.fd = listener_->number(), .events = POLLIN, .revents = 0});
  bool waiting = !listener_;
  for (const Connection& connection : connections_) {
    for (const auto& [flow, number] :
         {std::pair{&connection.requests, connection.client.number()},
          std::pair{&connection.replies, connection.server.number()}}) {
      if (!flow->closed) entries.push_back({.fd = number, .events = POLLIN, .revents = 0});
      waiting = waiting || !flow->parts.empty();
    }
  }
  ::poll(entries.data(), entries.size(), waiting ? static_cast<int>(look.count()) : -1);
  bell_.clear();
}

}  // namespace workerid::cli
