// SPDX-License-Identifier: MIT
//
// Uses the Redis store from outside, where no server is; returns 0 if it says so.
#include <workerid/generator.hpp>
#include <workerid/redis_store.hpp>

#include <chrono>
#include <iostream>

int main(int argc, char* argv[]) {
  if (argc != 2) return 2;
  workerid::Generator generator{workerid::open_redis_store(argv[1]), "package"};
  try {
    generator.get_id(std::chrono::milliseconds{0});
  } catch (const workerid::Error& error) {
    std::cout << error.what() << '\n';
    return error.error_code() == workerid::ErrorCode::unavailable ? 0 : 1;
  }
  return 1;
}
