// SPDX-License-Identifier: MIT
//
// The explicit way on the memory store: get, renew, release, and what the errors look like.
#include <workerid/workerid.hpp>

#include <iostream>

using namespace std::chrono_literals;

int main() try {
  workerid::Generator generator{
      workerid::open_memory_store(), "demo", {.max_worker_id = 10, .max_lease_time = 1min}};

  std::cout << "Getting several worker IDs:\n";
  for (int i = 1; i <= 5; ++i) {
    std::cout << "  worker " << i << ": ID " << generator.get_id().worker_id << '\n';
  }

  const auto [worker_id, token] = generator.get_id();
  std::cout << "Got worker ID " << worker_id << ", token " << token.text() << '\n';

  generator.renew(worker_id, token);
  std::cout << "Renewed worker ID " << worker_id << '\n';

  try {
    generator.renew(worker_id, workerid::Token::random());
    std::cerr << "A stranger's token renewed the lease\n";
    return 1;
  } catch (const workerid::Error& error) {
    if (error.error_code() != workerid::ErrorCode::token_mismatch) throw;
    std::cout << "A stranger's token is refused: " << error.what() << '\n';
  }

  generator.release(worker_id, token);
  std::cout << "Released worker ID " << worker_id << '\n';

  // IDs never used come first, so the one just released is not the next one out.
  const workerid::Assignment next = generator.get_id();
  std::cout << "Got worker ID " << next.worker_id << '\n';
  generator.release(next.worker_id, next.token);
} catch (const workerid::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
