// SPDX-License-Identifier: MIT
//
// What bench does to a store, and what it notes of it.
#pragma once

#include "bench/subject.hpp"

#include <chrono>
#include <cstddef>
#include <vector>

namespace workerid::cli {

struct BenchOptions {
  std::vector<WorkerId> pools{512, 1024, 65'536};
  std::vector<int> fills{0, 50, 99, 100};
  int rounds = 5;
  std::size_t operations = 1000;
  std::size_t connections = 50;
  std::size_t herd = 1000;
  std::size_t crowd = 1000;
  std::chrono::seconds time{60};
};

/// When to stop: the time is over, or a signal came that ends the process. Such signals must be
/// blocked. Use from one thread at a time.
class Limit {
 public:
  explicit Limit(std::chrono::seconds time) : end_(std::chrono::steady_clock::now() + time) {}

  bool reached();

  /// The signal that came; 0 for none.
  int signal() const noexcept { return signal_; }

  /// Why something is left out.
  std::string reason() const;

 private:
  std::chrono::steady_clock::time_point end_;
  int signal_ = 0;
};

/// Blocks the signals that a Limit looks for.
void block_limit_signals();

/// Measures everything that is asked for, as far as the time allows. The result has "herd",
/// "crowd", "many_leases", "pools", "results" and "left_out".
/// Errors: those of the store; std::runtime_error for an outcome that is not the one expected.
/// Precondition: this process has no other threads.
Json measure(Subject& subject, const BenchOptions& options, Limit& limit);

}  // namespace workerid::cli
