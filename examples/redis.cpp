// SPDX-License-Identifier: MIT
//
// The explicit way on Redis: get an ID, renew it in time, release it on SIGINT or SIGTERM.
// Usage: redis [URL [LEASE_SECONDS]]
#include <workerid/redis_store.hpp>
#include <workerid/workerid.hpp>

#include <csignal>
#include <ctime>
#include <iostream>
#include <string>

namespace {

// Waits for one of `signals`; false if none came within `time`.
bool wait_for_signal(const sigset_t& signals, std::chrono::milliseconds time) {
  const timespec limit{time.count() / 1000, (time.count() % 1000) * 1'000'000};
  return sigtimedwait(&signals, nullptr, &limit) > 0;
}

// True if a failed renewal may be repeated; all other failures mean that the ID is no longer ours.
bool worth_repeating(workerid::ErrorCode code) {
  return code == workerid::ErrorCode::unavailable || code == workerid::ErrorCode::outcome_unknown;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::chrono::milliseconds lease_time =
      std::chrono::seconds{argc > 2 ? std::stoi(argv[2]) : 120};

  // Blocked before any thread starts, so that all threads inherit it and only we receive them.
  sigset_t shutdown;
  sigemptyset(&shutdown);
  sigaddset(&shutdown, SIGINT);
  sigaddset(&shutdown, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &shutdown, nullptr);

  workerid::Generator generator{
      workerid::open_redis_store(argc > 1 ? argv[1] : "redis://localhost:6379"),
      "my-app-cluster",
      {.max_worker_id = 50, .max_lease_time = lease_time}};

  // G2: validity counts from before the request, on a clock that runs on while we are suspended.
  workerid::BootTime valid_until = workerid::BootClock::now() + lease_time;
  const auto [worker_id, token] = generator.get_id();
  std::cout << "got worker ID " << worker_id << std::endl;

  while (!wait_for_signal(shutdown, lease_time / 4)) {
    const workerid::BootTime asked = workerid::BootClock::now();
    if (asked >= valid_until) {
      std::cerr << "worker ID " << worker_id << " expired\n";
      return 1;
    }
    try {
      generator.renew(worker_id, token);
      valid_until = asked + lease_time;
      std::cout << "renewed worker ID " << worker_id << std::endl;
    } catch (const workerid::Error& error) {
      std::cerr << error.what() << '\n';
      if (!worth_repeating(error.error_code())) return 1;
    }
  }

  generator.release(worker_id, token);
  std::cout << "released worker ID " << worker_id << std::endl;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
