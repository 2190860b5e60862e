// SPDX-License-Identifier: MIT
#include "support/redis_server.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace workerid::tests {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto longest_start = 30s;

bool can_bind(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound =
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return bound;
}

// Asks PING; true if the server gives any answer but that it still loads its data.
bool answers(const std::filesystem::path& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval longest_wait{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &longest_wait, sizeof longest_wait);
  std::string reply(64, '\0');
  ssize_t received = 0;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(descriptor, "PING\r\n", 6, MSG_NOSIGNAL) == 6) {
    received = ::recv(descriptor, reply.data(), reply.size(), 0);
  }
  ::close(descriptor);
  return received > 0 && reply.rfind("-LOADING", 0) != 0;
}

}  // namespace

std::uint16_t free_port() {
  std::random_device random;
  while (true) {
    const auto port = static_cast<std::uint16_t>(10'000 + random() % 20'000);
    if (can_bind(port)) return port;
  }
}

RedisServer::RedisServer(std::vector<std::string> arguments, Environment environment)
    : arguments_(std::move(arguments)), environment_(std::move(environment)) {
  // Another test may take the port between our look at it and the server's: then try another one.
  for (int attempt = 0; attempt < 5; ++attempt) {
    port_ = free_port();
    if (start()) return;
  }
  throw std::runtime_error("redis-server does not start: " + process_->output() +
                           process_->errors());
}

bool RedisServer::start() {
  std::vector<std::string> argv{"redis-server",
                                "--bind",
                                "127.0.0.1",
                                "--port",
                                std::to_string(port_),
                                "--unixsocket",
                                socket(),
                                "--dir",
                                directory_.path(),
                                "--save",
                                "",
                                "--enable-debug-command",
                                "local"};
  argv.insert(argv.end(), arguments_.begin(), arguments_.end());
  process_ = std::make_unique<Process>(std::move(argv), environment_);
  const auto deadline = steady_clock::now() + longest_start;
  while (!answers(socket())) {
    if (process_->wait_for(2ms) || steady_clock::now() > deadline) return false;
  }
  return true;
}

void RedisServer::stop() {
  process_->signal(SIGTERM);
  process_->wait();
}

void RedisServer::kill() {
  process_->signal(SIGKILL);
  process_->wait();
}

void RedisServer::restart() {
  kill();
  if (!start()) {
    throw std::runtime_error("redis-server does not start again: " + process_->output() +
                             process_->errors());
  }
}

std::string RedisServer::cli(std::vector<std::string> words) const {
  words.insert(words.begin(), {"redis-cli", "-s", socket(), "--raw"});
  Process process(std::move(words));
  process.wait();
  std::string output = process.output() + process.errors();
  if (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

}  // namespace workerid::tests
