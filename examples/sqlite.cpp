// SPDX-License-Identifier: MIT
//
// Processes of one machine share a SQLite file: three children hold three different IDs.
// Usage: sqlite FILE
#include <workerid/sqlite_store.hpp>
#include <workerid/workerid.hpp>

#include <array>
#include <iostream>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Holds an ID until the parent closes its end of `until`. A store is opened after fork(2): one that
// the parent opened serves the parent only (G11).
int work(const char* file, int report, int until) try {
  workerid::Generator generator{workerid::open_sqlite_store(file), "workers", {.max_worker_id = 8}};
  const workerid::Lease lease = generator.lease();
  const workerid::WorkerId worker_id = lease.worker_id();
  char nothing = 0;
  return write(report, &worker_id, sizeof worker_id) == sizeof worker_id &&
                 read(until, &nothing, 1) == 0
             ? 0
             : 1;
} catch (const workerid::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int processes = 3;
  std::array<int, 2> report{};
  std::array<int, 2> until{};
  if (argc != 2 || pipe(report.data()) != 0 || pipe(until.data()) != 0) {
    std::cerr << "usage: sqlite FILE\n";
    return 2;
  }
  for (int i = 0; i < processes; ++i) {
    if (fork() != 0) continue;
    close(until[1]);
    return work(argv[1], report[1], until[0]);
  }
  close(report[1]);  // so that reading ends when no child is left to write

  std::set<workerid::WorkerId> worker_ids;
  workerid::WorkerId worker_id = 0;
  while (static_cast<int>(worker_ids.size()) < processes &&
         read(report[0], &worker_id, sizeof worker_id) == sizeof worker_id) {
    std::cout << "a process holds worker ID " << worker_id << '\n';
    worker_ids.insert(worker_id);
  }
  close(until[1]);  // all children end and release

  bool all_ended_well = true;
  for (int status = 0; wait(&status) > 0;) all_ended_well = all_ended_well && status == 0;
  return all_ended_well && worker_ids.size() == processes ? 0 : 1;
}
