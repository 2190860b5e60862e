// SPDX-License-Identifier: MIT
#include "torture/own_store.hpp"

#include "torture/relay.hpp"
#include "values.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <sys/time.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace workerid::cli {

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::array<const char*, 3> sqlite_files{"", "-wal", "-shm"};

// Looks again and again until `condition` holds, for 20 s at the most.
template <typename Condition>
bool comes_true(Condition condition) {
  const BootTime end = BootClock::now() + 20s;
  while (!condition()) {
    if (BootClock::now() >= end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

// Outside the range from which the kernel takes ports by itself: it must not give this one to somebody
// while the server is down.
std::uint16_t free_port() {
  std::random_device random;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(10'000 + random() % 20'000);
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const Address address = Address::loopback(port);
    if (::bind(socket.number(), address.raw(), address.size) == 0) return port;
  }
  throw std::runtime_error("no TCP port from 10000 to 29999 of 127.0.0.1 is free");
}

}  // namespace

OwnDirectory::OwnDirectory() {
  std::string name = fs::temp_directory_path() / "workerid-torture-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  }
  path_ = name;
}

OwnDirectory::~OwnDirectory() {
  std::error_code ignored;  // one that cannot be removed is left to whoever cleans that place
  fs::remove_all(path_, ignored);
}

RedisServer::RedisServer(fs::path directory, std::vector<std::string> command)
    : directory_(std::move(directory)), command_(std::move(command)), port_(free_port()) {
  fs::create_directory(directory_);
}

void RedisServer::start(const std::vector<std::string>& more_arguments) {
  const fs::path log = directory_ / "log";
  std::vector<std::string> words = command_;
  words.insert(words.end(), {"--port", std::to_string(port_), "--dir", directory_});
  words.insert(words.end(), more_arguments.begin(), more_arguments.end());
  const Descriptor output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
                          log.c_str());
  process_ = std::make_unique<Child>(words, output.number());
  const bool started =
      comes_true([this] { return process_->ended() || ask("PING").rfind("+PONG", 0) == 0; });
  if (started && !process_->ended()) return;
  std::ifstream file(log);
  throw std::runtime_error("redis-server does not start; is it installed and in PATH? It wrote: " +
                           std::string{std::istreambuf_iterator<char>(file), {}});
}

void RedisServer::kill() {
  process_->kill();
}

std::string RedisServer::ask(const std::string& command) const {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const timeval longest{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  const Address address = Address::loopback(port_);
  const std::string line = command + "\r\n";
  std::array<char, 16384> reply{};
  if (::connect(socket.number(), address.raw(), address.size) != 0 ||
      ::send(socket.number(), line.data(), line.size(), MSG_NOSIGNAL) < 0) {
    return {};
  }
  const ssize_t count = ::recv(socket.number(), reply.data(), reply.size(), 0);
  return {reply.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

OwnRedis::OwnRedis(ServerData data, const fs::path& step_clock) {
  std::vector<std::string> command{"redis-server"};
  if (!step_clock.empty()) {
    const std::string file = directory_.path() / "clock";
    clock_.emplace(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), file.c_str());
    this->step_clock(0s);
    command = {"env", "LD_PRELOAD=" + fs::absolute(step_clock).string(), "STEPCLOCK=" + file,
               "redis-server"};
  }
  const std::string appendonly = data == ServerData::appendonly ? "yes" : "no";
  command.insert(command.end(), {"--bind", "127.0.0.1", "--save", "", "--appendonly", appendonly,
                                 "--appendfsync", "always", "--repl-diskless-sync-delay", "0"});
  servers_.emplace_back(directory_.path() / "one", command).start();
  if (data == ServerData::replica) {
    servers_.emplace_back(directory_.path() / "two", command).start(replica_of_master());
    if (!comes_true([this] { return replicates(); })) {
      throw std::runtime_error("the replica of redis-server does not follow its master");
    }
  }
  if (!clock_) return;
  const auto time = [this] {
    return std::strtoll(master().ask("TIME").substr(9).c_str(), nullptr, 10);
  };
  const auto before = time();
  this->step_clock(1h);
  const auto after = time();
  this->step_clock(-1h);
  if (after < before + 3600) {
    throw UsageError("--step-clock: with " + step_clock.string() +
                     " preloaded, the server's clock does not step");
  }
}

bool OwnRedis::replicates() const {
  return servers_.size() == 2 &&
         servers_.back().ask("INFO replication").find("master_link_status:up") != std::string::npos;
}

void OwnRedis::part() const {
  servers_.back().ask("REPLICAOF NO ONE");
}

void OwnRedis::promote() {
  master().kill();
  std::swap(servers_.front(), servers_.back());
  servers_.back().start(replica_of_master());
}

std::vector<std::string> OwnRedis::replica_of_master() const {
  return {"--replicaof", "127.0.0.1", std::to_string(port())};
}

void OwnRedis::step_clock(std::chrono::seconds by) {
  clock_offset_ += by;
  const std::int64_t offset_ns = clock_offset_.count();
  if (::pwrite(clock_->number(), &offset_ns, sizeof offset_ns, 0) != sizeof offset_ns) {
    throw std::system_error(errno, std::generic_category(), "the server's clock");
  }
}

void OwnFile::erase() const {
  for (const char* const end : sqlite_files) fs::remove(path().string() + end);
}

void OwnFile::copy() const {
  // What is in memory between the processes is made anew from the log.
  for (const char* const end : {"", "-wal"}) {
    const std::string from = path().string() + end;
    fs::remove(from + ".copy");
    if (fs::exists(from)) fs::copy_file(from, from + ".copy");
  }
}

void OwnFile::put_copy_back() const {
  erase();
  for (const char* const end : {"", "-wal"}) {
    const std::string to = path().string() + end;
    if (fs::exists(to + ".copy")) fs::rename(to + ".copy", to);
  }
}

}  // namespace workerid::cli
