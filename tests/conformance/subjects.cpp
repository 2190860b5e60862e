// SPDX-License-Identifier: MIT
#include "conformance/subjects.hpp"

#include "stores/redis/permissions.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/redis_store.hpp>
#include <workerid/sqlite_store.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace workerid::tests {

namespace {

using testing::ManualClock;
using testing::StoreSubject;

constexpr int many_threads = 300;

StoreSubject on_memory(const std::shared_ptr<Clock>& clock) {
  return {.open = [store = open_memory_store(clock)] { return store; }, .threads = many_threads};
}

StoreSubject on_sqlite(const std::shared_ptr<Clock>& clock) {
  const auto directory = std::make_shared<TemporaryDirectory>();
  return {.open = [=] { return open_sqlite_store(directory->path() / "leases.db", clock); }};
}

// As a user who may do what docs/stores.md lists, and no more.
StoreSubject on_redis() {
  static const RedisServer server;
  static const std::string url = [] {
    std::vector<std::string> words{"ACL",  "SETUSER", "worker",
                                   "on",   ">secret", std::string{detail::redis::needed_keys},
                                   "+scan"};
    for (const auto& command : detail::redis::needed_commands) {
      words.push_back("+" + std::string{command.name});
    }
    if (server.cli(words) != "OK") throw std::runtime_error("the user cannot be made");
    return "redis://worker:secret@127.0.0.1:" + std::to_string(server.port());
  }();
  return {.open = [] { return open_redis_store(url); }, .threads = many_threads};
}

StoreSubject on_manual_clock(StoreSubject (*make)(const std::shared_ptr<Clock>&)) {
  const auto clock = std::make_shared<ManualClock>();
  StoreSubject subject = make(clock);
  subject.let_time_pass = [=](std::chrono::milliseconds time) { clock->advance(time); };
  return subject;
}

}  // namespace

std::string name(Backend backend) {
  switch (backend) {
    case Backend::memory:
      return "memory";
    case Backend::memory_clock:
      return "memory_clock";
    case Backend::sqlite:
      return "sqlite";
    case Backend::sqlite_clock:
      return "sqlite_clock";
    case Backend::redis:
      return "redis";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& output, Backend backend) {
  return output << name(backend);
}

StoreSubject make_subject(Backend backend) {
  switch (backend) {
    case Backend::memory:
      return on_manual_clock(on_memory);
    case Backend::memory_clock:
      return on_memory(boottime_clock());
    case Backend::sqlite:
      return on_manual_clock(on_sqlite);
    case Backend::sqlite_clock:
      return on_sqlite(boottime_clock());
    case Backend::redis:
      return on_redis();
  }
  throw std::invalid_argument("no such backend");
}

}  // namespace workerid::tests
