// SPDX-License-Identifier: MIT
//
// Uses the core from outside, in both ways; returns 0 if it does what it should.
#include <workerid/workerid.hpp>

#include <iostream>

int main() {
  const auto store = workerid::open_memory_store();
  workerid::Generator generator{store, "package", {.max_worker_id = 2}};

  const auto [worker_id, token] = generator.get_id();
  generator.renew(worker_id, token);
  const workerid::Lease lease = generator.lease();
  if (!lease.held() || lease.worker_id() == worker_id) return 1;
  generator.release(worker_id, token);

  std::cout << "workerid " << WORKERID_VERSION << " leased " << lease.worker_id() << '\n';
}
