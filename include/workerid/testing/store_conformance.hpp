// SPDX-License-Identifier: MIT
//
// The suite that a store passes to be called one. It needs no test framework:
//
//     workerid::testing::StoreSubject subject{.open = [] { return open_my_store(); }};
//     bool passed = workerid::testing::run_store_conformance(subject, std::cout);
#pragma once

#include <workerid/store.hpp>

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace workerid::testing {

/// The store under test.
struct StoreSubject {
  /// Opens another handle to the same data, as another process would; a store that lives in one
  /// process returns the same object each time. Called from several threads at once.
  std::function<std::shared_ptr<Store>()> open;

  /// Lets at least this much time pass on the store's clock. Default: really waits. With a manual
  /// clock, advance it.
  std::function<void(std::chrono::milliseconds)> let_time_pass = {};

  /// The lease time that the checks use. Every operation of the store has to be much shorter, and
  /// the suite waits for a few of them.
  std::chrono::milliseconds lease_time{400};

  /// How many threads acquire at once.
  int threads = 64;
};

/// Thrown by a check that fails; says what was expected and what was seen.
class ConformanceFailure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One demand on a store.
struct ConformanceCheck {
  std::string name;       ///< lower_case, stable: "release_twice_is_no_error"
  std::string guarantee;  ///< What it shows: "G3"
  std::function<void(const StoreSubject&)> run;  ///< Throws on failure. Uses a cluster of its own.
};

/// All checks, in the order in which they are best read.
const std::vector<ConformanceCheck>& store_conformance();

/// Runs all checks, prints a line for each, and returns whether all passed.
bool run_store_conformance(const StoreSubject& subject, std::ostream& output);

}  // namespace workerid::testing
