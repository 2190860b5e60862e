// SPDX-License-Identifier: MIT
//
// The ways in which calls are made and their cost is counted.
#pragma once

#include "bench/subject.hpp"

#include <cstddef>
#include <memory>
#include <random>
#include <vector>

namespace workerid::cli {

/// What calls of one kind cost.
struct Tally {
  std::size_t operations = 0;
  double cost_us = 0;  ///< Of time, or of the server's processor.
  std::vector<double> latencies_us;
};

class Way {
 public:
  Way() = default;
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;
  virtual ~Way() = default;

  /// Makes `count` calls.
  virtual void make(std::size_t count, const Call& call, Tally& tally) = 0;

  /// Makes `count` writes of the floor, to members below `members`; none if there is no floor.
  virtual void write_floor(std::size_t count, std::size_t members, Tally& tally) = 0;

  /// The fewest calls at once that say something.
  virtual std::size_t fewest() const noexcept { return 1; }
};

/// One after the other, on one connection: what each takes.
std::unique_ptr<Way> one_by_one(Subject& subject);

/// By threads with a connection each, all at once: what they take together.
std::unique_ptr<Way> by_a_crowd(Subject& subject, std::size_t connections);

/// In a pipeline: the server's processor time.
std::unique_ptr<Way> pipelined(Server& server);

}  // namespace workerid::cli
