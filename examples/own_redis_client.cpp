// SPDX-License-Identifier: MIT
//
// Your own Redis client instead of a URL. Usage: own_redis_client [HOST [PORT]]
#include "hiredis_connection.hpp"

#include <workerid/workerid.hpp>

#include <csignal>
#include <iostream>

int main(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);  // hiredis writes to closed sockets with write(2)
  auto connection = std::make_shared<HiredisConnection>(argc > 1 ? argv[1] : "localhost",
                                                        argc > 2 ? std::stoi(argv[2]) : 6379);
  workerid::Generator generator{workerid::open_redis_store(connection), "mycluster"};
  workerid::Lease lease = generator.lease();
  std::cout << "worker ID " << lease.worker_id() << " from " << connection->description() << '\n';
  lease.release();
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
