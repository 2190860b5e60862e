// SPDX-License-Identifier: MIT
//
// What src/snowflake.cpp does around the production sequence, for a lease of a simulated process. The
// only part of the simulator that knows the sequence: a mutant of it compiles this part anew.
#pragma once

#include "schedule.hpp"

#include <workerid/clock.hpp>
#include <workerid/store.hpp>

#include <cstdint>
#include <memory>

namespace simulation {

// What a thread read before it takes IDs; it may be held up in between.
struct SnowflakeReading {
  workerid::TimestampRange reserved{};
  std::uint64_t epoch = 0;
  workerid::WallTime glance{};  // the first look at the clock
};

class SimulatedSnowflake {
 public:
  enum class Outcome { taken, later, unreserved, ended };

  struct Taken {
    Outcome outcome = Outcome::ended;
    std::int64_t position = 0;  // of the first one: its tick, then its sequence number
    std::int64_t count = 0;
    workerid::TimestampRange timestamps{};  // the tick, in ms
    workerid::WallTime ready_at{};
  };

  explicit SimulatedSnowflake(const SnowflakeUse& use);
  ~SimulatedSnowflake();
  SimulatedSnowflake(const SimulatedSnowflake&) = delete;
  SimulatedSnowflake& operator=(const SimulatedSnowflake&) = delete;

  // The memory that a forked child has of it.
  std::shared_ptr<SimulatedSnowflake> forked() const;

  // Whether a thread may go on to take IDs; `held` is what the keeper told.
  bool usable(bool held) const noexcept;

  // Up to `count` IDs of one tick.
  Taken take(std::int64_t count, const SnowflakeReading& reading, workerid::WallTime now);

  // Nothing is taken from now on. The last timestamp used, as the store is told.
  std::int64_t close(const workerid::TimestampRange& reserved);

 private:
  struct Sequence;
  SnowflakeUse use_;
  bool forked_ = false;
  std::unique_ptr<Sequence> sequence_;
};

}  // namespace simulation
