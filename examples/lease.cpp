// SPDX-License-Identifier: MIT
//
// A worker ID that renews itself, from Redis. Usage: lease [URL]
#include <workerid/redis_store.hpp>
#include <workerid/workerid.hpp>

#include <iostream>

int main(int argc, char** argv) try {
  auto store = workerid::open_redis_store(argc > 1 ? argv[1] : "redis://localhost:6379");
  workerid::Generator generator{store, "mycluster", {.max_worker_id = 32}};
  workerid::Lease lease = generator.lease();  // renews itself, releases at the end of its scope

  for (int order = 1; order <= 3 && !lease.lost().stop_requested(); ++order) {
    // worker_id() throws unless the ID is held at this instant.
    std::cout << "order " << order << " taken by worker " << lease.worker_id() << '\n';
  }
} catch (const workerid::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
