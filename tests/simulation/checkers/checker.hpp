// SPDX-License-Identifier: MIT
//
// What a checker is: it sees the trace and nothing else, and says what must not be.
#pragma once

#include "trace.hpp"

#include <workerid/store.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace simulation {

// What the world that is judged keeps to, so what may be demanded.
struct Promise {
  workerid::Configuration configuration{};
  std::int64_t rho = 0;        // of all clocks, in millionths
  Time store_step{};           // how far the store's clock may step forward
  bool ordered_store = false;  // its wall clock never goes back: epochs and ranges outlive a loss
  bool calm = false;           // nothing goes wrong
};

class Checker {
 public:
  virtual ~Checker() = default;
  virtual void see(const Entry& entry) = 0;

  // What was wrong first.
  const std::optional<std::string>& violation() const noexcept { return violation_; }

 protected:
  void report(const Entry& entry, const std::string& what) {
    if (!violation_) violation_ = "at " + text(entry.time) + ": " + what;
  }

 private:
  std::optional<std::string> violation_;
};

}  // namespace simulation
