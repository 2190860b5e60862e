// SPDX-License-Identifier: MIT
#include "checks.hpp"

#include <workerid/snowflake.hpp>

#include <string>

namespace workerid {

namespace {

using detail::refuse;
using std::chrono::milliseconds;

// So that the arithmetic of times stays far from the end of its type.
constexpr WallTime latest_end = std::chrono::sys_days{std::chrono::year{10000} / 1 / 1};
constexpr milliseconds longest_tick = std::chrono::minutes{1};

void check_between(const std::string& what, std::int64_t value, std::int64_t least,
                   std::int64_t most) {
  if (value >= least && value <= most) return;
  refuse(what + " is " + std::to_string(value) + "; it must be " + std::to_string(least) + " to " +
         std::to_string(most));
}

std::int64_t ones(int bits) {
  return static_cast<std::int64_t>((std::uint64_t{1} << bits) - 1);
}

}  // namespace

SnowflakeLayout SnowflakeLayout::twitter() {
  SnowflakeLayout layout;
  layout.epoch = WallTime{milliseconds{1'288'834'974'657}};
  return layout;
}

SnowflakeLayout SnowflakeLayout::sonyflake() {
  return {.timestamp_bits = 39,
          .worker_bits = 16,
          .sequence_bits = 8,
          .tick = milliseconds{10},
          .epoch = std::chrono::sys_days{std::chrono::year{2014} / 9 / 1},
          .worker_id_last = true};
}

SnowflakeLayout SnowflakeLayout::javascript() {
  SnowflakeLayout layout;
  layout.worker_bits = 5;
  layout.sequence_bits = 7;
  return layout;
}

SnowflakeLayout SnowflakeLayout::seconds() {
  SnowflakeLayout layout;
  layout.timestamp_bits = 31;
  layout.sequence_bits = 22;
  layout.tick = std::chrono::seconds{1};
  return layout;
}

void SnowflakeLayout::check() const {
  check_between("timestamp_bits", timestamp_bits, 1, 63);
  check_between("worker_bits", worker_bits, 0, 31);
  check_between("sequence_bits", sequence_bits, 0, 62);
  check_between("the sum of timestamp_bits, worker_bits and sequence_bits",
                timestamp_bits + worker_bits + sequence_bits, 1, 63);
  check_between("the layout's tick in ms", tick.count(), 1, longest_tick.count());
  const std::int64_t epoch_ms = epoch.time_since_epoch().count();
  const std::int64_t end_ms = latest_end.time_since_epoch().count();
  check_between("the layout's epoch in ms since 1970", epoch_ms, 0, end_ms);
  if ((end_ms - epoch_ms) / tick.count() <= ones(timestamp_bits)) {
    refuse("timestamp_bits is " + std::to_string(timestamp_bits) + "; with a tick of " +
           std::to_string(tick.count()) + " ms the timestamps would reach beyond the year 9999");
  }
}

WorkerId SnowflakeLayout::max_worker_id() const noexcept {
  return ones(worker_bits);
}

std::int64_t SnowflakeLayout::max_sequence() const noexcept {
  return ones(sequence_bits);
}

std::int64_t SnowflakeLayout::max_id() const noexcept {
  return ones(timestamp_bits + worker_bits + sequence_bits);
}

std::int64_t SnowflakeLayout::ids_per_second() const noexcept {
  constexpr std::int64_t second_ms = 1000;
  const std::int64_t per_tick = max_sequence() + 1;
  const std::int64_t whole = per_tick / tick.count();
  return whole * second_ms + per_tick % tick.count() * second_ms / tick.count();
}

WallTime SnowflakeLayout::runs_out() const noexcept {
  return epoch + (ones(timestamp_bits) + 1) * tick;
}

std::int64_t SnowflakeLayout::compose(const SnowflakeParts& parts) const {
  if (parts.time < epoch || parts.time >= runs_out()) {
    refuse("the time is " + std::to_string(parts.time.time_since_epoch().count()) +
           " ms since 1970; the layout has timestamps from " +
           std::to_string(epoch.time_since_epoch().count()) + " to " +
           std::to_string(runs_out().time_since_epoch().count() - 1));
  }
  check_between("the worker ID", parts.worker_id, 0, max_worker_id());
  check_between("the sequence number", parts.sequence, 0, max_sequence());
  const std::int64_t timestamp = (parts.time - epoch) / tick;
  const std::int64_t id = timestamp << (worker_bits + sequence_bits);
  return worker_id_last ? id | parts.sequence << worker_bits | parts.worker_id
                        : id | parts.worker_id << sequence_bits | parts.sequence;
}

SnowflakeParts SnowflakeLayout::decompose(std::int64_t id) const {
  check_between("the ID", id, 0, max_id());
  const std::int64_t timestamp = id >> (worker_bits + sequence_bits);
  const int worker_shift = worker_id_last ? 0 : sequence_bits;
  const int sequence_shift = worker_id_last ? worker_bits : 0;
  return {.time = epoch + timestamp * tick,
          .worker_id = id >> worker_shift & max_worker_id(),
          .sequence = id >> sequence_shift & max_sequence()};
}

}  // namespace workerid
