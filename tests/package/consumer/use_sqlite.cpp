// SPDX-License-Identifier: MIT
//
// Uses the SQLite store from outside; returns 0 if it does what it should.
#include <workerid/generator.hpp>
#include <workerid/sqlite_store.hpp>

#include <iostream>

int main(int argc, char* argv[]) {
  if (argc != 2) return 2;
  workerid::Generator generator{workerid::open_sqlite_store(argv[1]), "package"};
  const workerid::Lease lease = generator.lease();
  std::cout << "leased " << lease.worker_id() << " in " << argv[1] << '\n';
  return lease.held() ? 0 : 1;
}
