// SPDX-License-Identifier: MIT
#include "support/redis_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace workerid::tests {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto longest_start = 30s;
constexpr auto age = 24h * 100;
constexpr const char* clock_file = "clock-offset";

// For as long as this process runs: a name that the kernel gives to one socket at a time.
bool reserve(std::uint16_t port) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "workerid-tests-port-" + std::to_string(port);
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);  // abstract: no file
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size) == 0) return true;
  ::close(descriptor);
  return false;
}

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

// Sends one command; the beginning of the answer, empty if there is none.
std::string ask(const std::filesystem::path& socket_path, const std::string& command) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval longest_wait{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &longest_wait, sizeof longest_wait);
  const std::string line = command + "\r\n";
  std::string reply(4096, '\0');
  ssize_t received = 0;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(line.size())) {
    received = ::recv(descriptor, reply.data(), reply.size(), 0);
  }
  ::close(descriptor);
  reply.resize(static_cast<std::size_t>(std::max<ssize_t>(received, 0)));
  return reply;
}

// Any answer but that it still loads its data.
bool answers(const std::filesystem::path& socket_path) {
  const std::string reply = ask(socket_path, "PING");
  return !reply.empty() && reply.rfind("-LOADING", 0) != 0;
}

// By its own wall clock; also where it wants a password.
bool is_young(const std::filesystem::path& socket_path) {
  return ask(socket_path, "INFO server").find("uptime_in_days:0\r\n") != std::string::npos;
}

}  // namespace

std::uint16_t free_port() {
  std::random_device random;
  while (true) {
    const auto port = static_cast<std::uint16_t>(10'000 + random() % 20'000);
    if (can_bind(port) && reserve(port)) return port;
  }
}

RedisServer::RedisServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  offset_ = -age;
  // What is no test may take the port between our look at it and the server's: then try another one.
  for (int attempt = 0; attempt < 5; ++attempt) {
    port_ = free_port();
    if (!start()) continue;
    step_clock(age);
    while (is_young(socket())) std::this_thread::sleep_for(1ms);  // until it looks at its clock
    return;
  }
  throw std::runtime_error("redis-server does not start: " + process_->output() +
                           process_->errors());
}

bool RedisServer::start() {
  write_offset();
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
  process_ = std::make_unique<Process>(std::move(argv),
                                       Environment{{"LD_PRELOAD", WORKERID_STEP_CLOCK},
                                                   {"STEPCLOCK", directory_.path() / clock_file}});
  const auto deadline = steady_clock::now() + longest_start;
  while (!answers(socket())) {
    if (process_->wait_for(2ms) || steady_clock::now() > deadline) return false;
  }
  return true;
}

void RedisServer::step_clock(std::chrono::nanoseconds by) {
  offset_ += by;
  write_offset();
}

// Over what was there: the server has it mapped.
void RedisServer::write_offset() const {
  const std::int64_t offset_ns = offset_.count();
  std::fstream file(directory_.path() / clock_file, std::ios::in | std::ios::out | std::ios::app);
  file.close();
  file.open(directory_.path() / clock_file, std::ios::in | std::ios::out | std::ios::binary);
  file.write(reinterpret_cast<const char*>(&offset_ns), sizeof offset_ns);
}

bool RedisServer::runs() const {
  // PID (NAME) STATE …: none or Z once it ended, T while it is stopped.
  const std::string status = read_file("/proc/" + std::to_string(pid()) + "/stat");
  const std::size_t name_end = status.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= status.size()) return false;
  const char state = status[name_end + 2];
  return state != 'T' && state != 'Z';
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
