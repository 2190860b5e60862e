// SPDX-License-Identifier: MIT
//
// How many instructions and allocations a call takes. Both are counted, not timed: a machine that is
// busy changes nothing about them.
#include "support/process.hpp"

#include <gtest/gtest.h>
#include <string>

namespace workerid::tests {

namespace {

constexpr long calls = 50'000;

struct Counted {
  long instructions = 0;
  std::string allocations;
};

// Counts a whole run of the probe.
Counted count(const std::string& call, long times) {
  Process valgrind({"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                    WORKERID_COST_PROBE, call, std::to_string(times)});
  const ExitStatus status = valgrind.wait();
  EXPECT_EQ(status, ExitStatus{}) << valgrind.errors();
  const std::string errors = valgrind.errors();
  const std::string mark = "Collected : ";
  const std::size_t found = errors.find(mark);
  if (found == std::string::npos) {
    ADD_FAILURE() << "valgrind counted nothing; is it installed? " << errors;
    return {};
  }
  return {std::stol(errors.substr(found + mark.size())), valgrind.output()};
}

struct Bound {
  long instructions = 0;
  long allocations = 0;
};

// What starting and ending takes is in both runs, and drops out of the difference.
void expect_at_most(const Bound& bound, const std::string& call) {
  const Counted once = count(call, calls);
  const Counted twice = count(call, 2 * calls);
  const double each = static_cast<double>(twice.instructions - once.instructions) / calls;
  EXPECT_LE(each, static_cast<double>(bound.instructions)) << call;
  EXPECT_GT(each, 1.0) << call;
  const std::string allocations = std::to_string(bound.allocations * calls) + " allocations\n";
  EXPECT_EQ(once.allocations, allocations) << call;
}

}  // namespace

// The bounds are what g++ 12 needs (84, 104 and 2,453 instructions, stack protectors among them) and a
// seventh for other compilers.
// Under valgrind the kernel reads the clocks, so these instructions are the library's own.

TEST(Cost, held) {
  expect_at_most({.instructions = 96}, "held");
}

TEST(Cost, worker_id) {
  expect_at_most({.instructions = 118}, "worker_id");
}

// It allocates for the entries of two indexes, which are made anew.
TEST(Cost, memory_store_renew) {
  expect_at_most({.instructions = 2803, .allocations = 2}, "renew");
}

}  // namespace workerid::tests
