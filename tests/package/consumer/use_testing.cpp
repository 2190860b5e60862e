// SPDX-License-Identifier: MIT
//
// Uses the test kit from outside; returns 0 if it does what it should.
#include <workerid/generator.hpp>
#include <workerid/memory_store.hpp>
#include <workerid/testing/fault_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/testing/store_conformance.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <sstream>

using namespace std::chrono_literals;

int main() {
  const auto clock = std::make_shared<workerid::testing::ManualClock>();
  const auto memory = workerid::open_memory_store(clock);
  const auto faults = std::make_shared<workerid::testing::FaultStore>(memory);

  faults->always(workerid::testing::Fault::unavailable);
  workerid::Generator generator{faults, "package", {.clock = clock}};
  try {
    generator.get_id(0ms);
    return 1;
  } catch (const workerid::Error& error) {
    if (error.error_code() != workerid::ErrorCode::unavailable) return 1;
  }

  std::ostringstream report;
  const bool passed = workerid::testing::run_store_conformance(
      {.open = [&] { return memory; },
       .let_time_pass = [&](std::chrono::milliseconds time) { clock->advance(time); }},
      report);
  std::cout << report.str();
  return passed ? 0 : 1;
}
