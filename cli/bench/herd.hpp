// SPDX-License-Identifier: MIT
//
// Many callers that start at once, and what became of each.
#pragma once

#include "bench/measure.hpp"
#include "bench/subject.hpp"

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace workerid::cli {

/// What became of one caller.
struct Outcome {
  std::optional<WorkerId> worker_id;  ///< What it was granted, if anything.
  std::string failure;                ///< The name of the error's code; empty for none.
  std::string message;                ///< Of the error, perhaps cut off.
  double latency_us = 0;              ///< From the caller's own start.
};

/// What became of all.
struct Start {
  std::vector<Outcome> outcomes;
  double seconds = 0;  ///< From before the first began until the last was done.
};

/// So many are not possible here; says what to raise.
class TooMany : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What each caller of a herd does.
enum class Deed {
  acquire,        ///< It opens a store of its own and acquires.
  first_contact,  ///< The least that it can do with this kind of store.
};

/// Starts `count` processes, each of which does its deed, and keeps what it got until all are done;
/// they are gone when this returns or throws. Nothing when the limit is reached before that.
/// Errors: TooMany; those of the store if it cannot be asked beforehand.
/// Precondition: this process has no other threads.
std::optional<Start> start_processes(Subject& subject, std::size_t count, Deed deed, Limit& limit);

/// The same for `count` threads of this process that acquire, each over a store of its own that it uses
/// for the first time. Blocks for as long as the stores do.
/// Errors: TooMany; those of the store if it cannot be asked beforehand.
Start start_threads(Subject& subject, std::size_t count);

/// {"granted", "duplicates", "failed" by code, "first_failure"}; a duplicate is one within a start.
Json summary(const std::vector<Start>& starts);

}  // namespace workerid::cli
