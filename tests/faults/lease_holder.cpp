// SPDX-License-Identifier: MIT
//
// A process that holds a lease and writes down every instant at which it believed so:
//
//     lease_holder STORE CLUSTER MAX_WORKER_ID LEASE_MS
//
//     held ID EPOCH BEFORE_NS AFTER_NS    held() was true at an instant between the two (boot clock)
//     not held STATE                      the first use that was refused after one that was not
#include <workerid/redis_store.hpp>
#include <workerid/sqlite_store.hpp>
#include <workerid/workerid.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <thread>

namespace {

using namespace std::chrono_literals;

std::shared_ptr<workerid::Store> open_store(std::string_view url) {
  constexpr std::string_view sqlite = "sqlite:";
  if (url.substr(0, sqlite.size()) == sqlite) {
    return workerid::open_sqlite_store(url.substr(sqlite.size()));
  }
  return workerid::open_redis_store(url);
}

void hold(workerid::Generator& generator) {
  const workerid::Lease lease = generator.lease(1h);
  bool believed = true;
  while (!lease.lost().stop_requested()) {
    const auto before = workerid::BootClock::now();
    const std::uint64_t epoch = lease.epoch();
    try {
      const workerid::WorkerId worker_id = lease.worker_id();
      const auto after = workerid::BootClock::now();
      std::cout << "held " << worker_id << ' ' << epoch << ' ' << before.time_since_epoch().count()
                << ' ' << after.time_since_epoch().count() << std::endl;
      believed = true;
    } catch (const workerid::Error&) {
      if (believed) std::cout << "not held " << name(lease.state()) << std::endl;
      believed = false;
    }
    std::this_thread::sleep_for(2ms);  // the pace of the work
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  workerid::Options options;
  options.max_worker_id = std::stoll(argv[3]);
  options.max_lease_time = std::chrono::milliseconds{std::stoll(argv[4])};
  workerid::Generator generator(open_store(argv[1]), argv[2], options);
  for (;;) {
    try {
      hold(generator);
    } catch (const workerid::Error& error) {
      std::cerr << error.what() << std::endl;
    }
  }
}
