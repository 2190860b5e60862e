// SPDX-License-Identifier: MIT
//
// Unique 64-bit IDs: one by one, many at once, taken apart, and handed over to a successor.
#include <workerid/workerid.hpp>

#include <array>
#include <cstdint>
#include <iostream>

int main() try {
  // Any store does; this one is for the threads of one process.
  workerid::Generator generator{
      workerid::open_memory_store(), "orders", {.max_worker_id = 1, .cool_down = {}}};

  std::int64_t last = 0;
  {
    workerid::Snowflake snowflake{generator.lease()};
    std::int64_t order_id = snowflake.next();
    std::cout << "order " << order_id << '\n';

    std::array<std::int64_t, 1000> line_ids{};
    snowflake.next(line_ids);  // at the cost of one, as long as the millisecond has them

    const workerid::SnowflakeParts parts = snowflake.layout().decompose(order_id);
    std::cout << "made by worker " << parts.worker_id << " in millisecond "
              << parts.time.time_since_epoch().count() << '\n';
    std::cout << "in base62 " << to_text(order_id, workerid::SnowflakeText::base62) << '\n';
    last = line_ids.back();
  }  // gives the worker ID back, and says which timestamp was the last one

  workerid::Snowflake successor{generator.lease()};
  const std::int64_t first = successor.next();
  std::cout << "the successor has worker ID " << successor.worker_id() << " too; its first ID is "
            << (first > last ? "above" : "below") << " the last one\n";
} catch (const workerid::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
