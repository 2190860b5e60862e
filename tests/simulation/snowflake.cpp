// SPDX-License-Identifier: MIT
#include "snowflake.hpp"

#include "snowflake_sequence.hpp"

#include <algorithm>
#include <chrono>

namespace simulation {

using workerid::SnowflakeLayout;
using workerid::TimestampRange;
using workerid::WallTime;
using workerid::detail::SnowflakeSequence;

namespace {

SnowflakeLayout layout_of(const SnowflakeUse& use) {
  const SnowflakeLayout layout{.timestamp_bits = use.tick < std::chrono::seconds{1} ? 41 : 31,
                               .worker_bits = 0,
                               .sequence_bits = use.sequence_bits,
                               .tick = use.tick};
  layout.check();
  return layout;
}

}  // namespace

struct SimulatedSnowflake::Sequence {
  explicit Sequence(const SnowflakeUse& use)
      : layout(layout_of(use)),
        positions(layout,
                  {.borrowed = use.max_borrowed / use.tick, .behind = use.max_ahead / use.tick}) {}

  SnowflakeLayout layout;
  SnowflakeSequence positions;
};

SimulatedSnowflake::SimulatedSnowflake(const SnowflakeUse& use)
    : use_(use), sequence_(std::make_unique<Sequence>(use)) {}

SimulatedSnowflake::~SimulatedSnowflake() = default;

// The child's sequence starts anew instead of where the parent's is: either would repeat the parent's.
std::shared_ptr<SimulatedSnowflake> SimulatedSnowflake::forked() const {
  auto child = std::make_shared<SimulatedSnowflake>(use_);
  child->forked_ = true;
  return child;
}

bool SimulatedSnowflake::usable(bool held) const noexcept {
  return held && !forked_;  // G11
}

SimulatedSnowflake::Taken SimulatedSnowflake::take(std::int64_t count,
                                                   const SnowflakeReading& reading, WallTime now) {
  using From = SnowflakeSequence::Outcome;
  const auto taken = sequence_->positions.take(
      count, reading.reserved, [&] { return reading.glance; }, [&] { return now; });
  const SnowflakeLayout& layout = sequence_->layout;
  switch (taken.outcome) {
    case From::taken: {
      const std::int64_t tick_ms = layout.tick.count();
      const std::int64_t start_ms = layout.epoch.time_since_epoch().count() + taken.tick * tick_ms;
      return {.outcome = Outcome::taken,
              .position = (taken.tick << layout.sequence_bits) + taken.sequence,
              .count = taken.count,
              .timestamps = {start_ms, start_ms + tick_ms - 1}};
    }
    case From::used_up:
    case From::clock_behind:
      return {.outcome = Outcome::later, .ready_at = taken.ready_at};
    case From::unreserved:
      return {.outcome = Outcome::unreserved, .ready_at = taken.ready_at};
    case From::run_out:
    case From::closed:
      break;
  }
  return {};
}

std::int64_t SimulatedSnowflake::close(const TimestampRange& reserved) {
  const std::int64_t none_ms = std::max<std::int64_t>(0, reserved.first_ms - 1);
  return sequence_->positions.close().value_or(none_ms);
}

}  // namespace simulation
