// SPDX-License-Identifier: MIT
#include "torture/relay.hpp"

#include "values.hpp"

#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/time.h>
#include <system_error>
#include <utility>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds look{5};  // how often what may have changed is looked at

}  // namespace

Address Address::loopback(std::uint16_t port) {
  Address address;
  address.size = sizeof(sockaddr_in);
  auto* const internet = reinterpret_cast<sockaddr_in*>(&address.value);
  internet->sin_family = AF_INET;
  internet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  internet->sin_port = htons(port);
  return address;
}

Address Address::resolved(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found)) {
    throw UsageError("--store: " + host + ": " + ::gai_strerror(error));
  }
  Address address;
  address.size = found->ai_addrlen;
  std::memcpy(&address.value, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return address;
}

std::uint16_t Address::port() const noexcept {
  return ntohs(reinterpret_cast<const sockaddr_in*>(&value)->sin_port);
}

Relay::Relay(const Address& server) : server_(server) {
  listen();
  thread_ = std::jthread([this](const std::stop_token& ending) { serve(ending); });
}

Relay::~Relay() {
  thread_.request_stop();
  thread_.join();
  cut();
}

void Relay::disturb(const Disturbance& disturbance) {
  const std::lock_guard lock(mutex_);
  disturbance_ = disturbance;
}

Disturbance Relay::disturbance() const {
  const std::lock_guard lock(mutex_);
  return disturbance_;
}

void Relay::cut() {
  const std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    connection.cut = true;
    for (const Descriptor& end : connection.ends) ::shutdown(end.number(), SHUT_RDWR);
  }
}

void Relay::lead_to(const Address& server) {
  const std::lock_guard lock(mutex_);
  server_ = server;
}

// On a port of the kernel's choice; later on the same one again.
void Relay::listen() {
  Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  ::setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  Address address = Address::loopback(port_);
  if (::bind(listener.number(), address.raw(), address.size) != 0 ||
      ::listen(listener.number(), 64) != 0) {
    if (port_ != 0) return;  // taken for a moment: tried again at the next look
    throw std::system_error(errno, std::generic_category(), "listen");
  }
  ::getsockname(listener.number(), address.raw(), &address.size);
  if (port_ == 0) port_ = address.port();  // unchanged from here on: others read it without a lock
  listener_.emplace(std::move(listener));
}

void Relay::serve(const std::stop_token& ending) {
  while (!ending.stop_requested()) {
    if (disturbance().refuses) {
      listener_.reset();
      cut();
    } else if (!listener_) {
      listen();
    }
    pollfd entry{.fd = listener_ ? listener_->number() : -1, .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, static_cast<int>(look.count())) == 1) accept();
    const std::lock_guard lock(mutex_);
    connections_.remove_if([](const Connection& connection) { return connection.open_ways == 0; });
  }
}

void Relay::accept() {
  const std::lock_guard lock(mutex_);
  const int client = ::accept4(listener_->number(), nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  Descriptor client_end(client, "accept4");
  Descriptor server_end(::socket(server_.value.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const timeval longest{.tv_sec = 1, .tv_usec = 0};  // of connecting, too
  ::setsockopt(server_end.number(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
  if (::connect(server_end.number(), server_.raw(), server_.size) != 0) return;
  Connection& connection =
      connections_.emplace_back(std::array{std::move(client_end), std::move(server_end)});
  for (const Way way : {requests, replies}) {
    connection.threads.at(way) =
        std::jthread([this, &connection, way] { pass_on(connection, way); });
  }
}

void Relay::pass_on(Connection& connection, Way way) {
  const int from = connection.ends.at(way).number();
  const int to = connection.ends.at(1 - way).number();
  std::array<char, 65536> buffer{};
  ssize_t count = 0;
  while ((count = ::recv(from, buffer.data(), buffer.size(), 0)) > 0) {
    std::this_thread::sleep_for(disturbance().delay);
    while (disturbance().stalls.at(way) && !connection.cut) std::this_thread::sleep_for(look);
    if (::send(to, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) != count) break;
  }
  ::shutdown(to, SHUT_WR);  // the other way may still deliver something
  --connection.open_ways;
}

}  // namespace workerid::cli
