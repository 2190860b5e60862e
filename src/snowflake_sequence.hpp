// SPDX-License-Identifier: MIT
//
// The timestamps and sequence numbers of one generator, pure: no clock, thread or lock.
#pragma once

#include <workerid/snowflake.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace workerid::detail {

// Hands out positions: a tick and a sequence number in it, as one number that only grows. One word
// has the next position and whether the sequence is closed, so whoever gets a position got it before
// the closing, and the closing knows the last one (G8). Lock-free.
class SnowflakeSequence {
 public:
  // How far a position may be ahead of the clock, in ticks.
  struct Ahead {
    std::int64_t borrowed = 0;  // because sequence numbers are used up
    std::int64_t behind = 0;    // because the clock is behind
  };

  enum class Outcome {
    taken,
    used_up,       // no sequence number is left that may be used before `ready_at`
    clock_behind,  // by `ahead`, which is more than is borne before `ready_at`
    unreserved,    // `ready_at` is not reserved yet
    run_out,       // the layout has no more timestamps
    closed,
  };

  struct Taken {
    Outcome outcome;
    std::int64_t tick = 0;  // of `count` sequence numbers from `sequence` on
    std::int64_t sequence = 0;
    std::int64_t count = 0;
    WallTime ready_at{};
    std::chrono::milliseconds ahead{};
  };

  // The layout was checked.
  SnowflakeSequence(const SnowflakeLayout& layout, Ahead ahead) noexcept
      : sequence_bits_(layout.sequence_bits),
        tick_ms_(layout.tick.count()),
        epoch_ms_(layout.epoch.time_since_epoch().count()),
        // The position after the last one has to fit into the word, too.
        ticks_((std::int64_t{1} << layout.timestamp_bits) -
               (layout.timestamp_bits + layout.sequence_bits == 63 ? 1 : 0)),
        ahead_(ahead) {}

  // Takes up to `count` positions of one tick, at least one: those after the last one, or after the
  // clock, whichever is later, unless they are not `reserved`. An outdated `reserved` gives fewer
  // positions, never wrong ones: what was reserved once stays so. `read_wall` reads the wall clock;
  // `glance` may show an earlier time and is asked first. Inline: a call and its answer in memory cost a
  // tenth of the whole.
  template <typename Glance, typename ReadWall>
  [[gnu::always_inline]] Taken take(std::int64_t count, const TimestampRange& reserved,
                                    Glance&& glance, ReadWall&& read_wall) noexcept {
    std::int64_t now = tick_of(glance());
    std::int64_t latest = now + ahead_.borrowed;
    std::uint64_t word = word_.load(std::memory_order_acquire);
    for (;;) {
      if ((word & closed_bit) != 0) return {.outcome = Outcome::closed};
      const std::uint64_t next = word >> 1U;
      const std::uint64_t by_clock = position_of(now);
      std::uint64_t position = by_clock;
      // A branch, which is foreseen: what follows does not wait for the clock.
      if (next > by_clock) [[likely]]
        position = next;
      if (start_ms(tick_at(position)) < reserved.first_ms) [[unlikely]] {
        position = position_of(tick_from(reserved.first_ms));
      }
      const std::int64_t tick = tick_at(position);
      if (tick > latest) {
        // The clock was read before the word, which others may have moved on since: look again, so
        // that who was held up, or only glanced, does not take their time for the future.
        now = tick_of(read_wall());
        latest = latest_tick(position, now);
        if (tick > latest) return too_early(position, now);
        word = word_.load(std::memory_order_acquire);
        continue;
      }
      if (tick >= ticks_) return {.outcome = Outcome::run_out};
      if (start_ms(tick + 1) - 1 > reserved.last_ms) {
        return {.outcome = Outcome::unreserved, .ready_at = start(tick)};
      }
      const std::int64_t sequence = sequence_at(position);
      const std::int64_t taken = std::min(count, (std::int64_t{1} << sequence_bits_) - sequence);
      const std::uint64_t after = position + static_cast<std::uint64_t>(taken);
      if (word_.compare_exchange_weak(word, after << 1U, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        if (next < by_clock && lead_.load(std::memory_order_relaxed) != 0) lead_ = 0;
        return {.outcome = Outcome::taken, .tick = tick, .sequence = sequence, .count = taken};
      }
    }
  }

  // No position is given from now on. The last timestamp used, in milliseconds: that of the last
  // tick's end, since nobody else may use the rest of it. Nothing if none was used. Repeating it says
  // the same.
  std::optional<std::int64_t> close() noexcept {
    const std::uint64_t next = word_.fetch_or(closed_bit, std::memory_order_acq_rel) >> 1U;
    if (next == 0) return std::nullopt;
    return start_ms(tick_at(next - 1) + 1) - 1;
  }

 private:
  static constexpr std::uint64_t closed_bit = 1;

  // The tick of a time: below 0 before the epoch, `ticks_` after the last one.
  std::int64_t tick_of(WallTime time) const noexcept {
    const std::int64_t since_ms = time.time_since_epoch().count() - epoch_ms_;
    if (tick_ms_ == 1) return std::min(since_ms, ticks_);
    const std::int64_t rounded = since_ms < 0 ? since_ms - (tick_ms_ - 1) : since_ms;
    return std::min(rounded / tick_ms_, ticks_);
  }

  // The first tick that begins at `time_ms` or after it.
  [[gnu::cold, gnu::noinline]] std::int64_t tick_from(std::int64_t time_ms) const noexcept {
    if (time_ms <= epoch_ms_) return 0;
    return std::min((time_ms - epoch_ms_ - 1) / tick_ms_ + 1, ticks_);
  }

  std::int64_t start_ms(std::int64_t tick) const noexcept { return epoch_ms_ + tick * tick_ms_; }
  WallTime start(std::int64_t tick) const noexcept {
    return WallTime{std::chrono::milliseconds{start_ms(tick)}};
  }

  std::uint64_t position_of(std::int64_t tick) const noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(tick, 0)) << sequence_bits_;
  }
  std::int64_t tick_at(std::uint64_t position) const noexcept {
    return static_cast<std::int64_t>(position >> sequence_bits_);
  }
  std::int64_t sequence_at(std::uint64_t position) const noexcept {
    return static_cast<std::int64_t>(position) & ((std::int64_t{1} << sequence_bits_) - 1);
  }

  // A tick that nobody has begun, right above those that the clock allows: the others are used up.
  bool used_up(std::uint64_t position, std::int64_t now) const noexcept {
    return sequence_at(position) == 0 &&
           tick_at(position) - now == ahead_.borrowed + lead_.load(std::memory_order_relaxed) + 1;
  }

  // The latest tick of those up to `position`'s that may be used, which is ahead of the clock.
  [[gnu::cold, gnu::noinline]] std::int64_t latest_tick(std::uint64_t position,
                                                        std::int64_t now) noexcept {
    const std::int64_t ahead = tick_at(position) - now;
    const std::int64_t lead = lead_.load(std::memory_order_relaxed);
    if (ahead <= ahead_.borrowed + lead) return now + ahead;
    if (used_up(position, now) || ahead > ahead_.behind) return now + ahead_.borrowed;
    // A clock that was ahead of this one has been here: go on from there, at this one's pace.
    lead_.store(ahead - ahead_.borrowed, std::memory_order_relaxed);
    return now + ahead;
  }

  [[gnu::cold, gnu::noinline]] Taken too_early(std::uint64_t position,
                                               std::int64_t now) const noexcept {
    const std::int64_t tick = tick_at(position);
    if (used_up(position, now)) return {.outcome = Outcome::used_up, .ready_at = start(now + 1)};
    return {.outcome = Outcome::clock_behind,
            .ready_at = start(tick - std::max(ahead_.behind, ahead_.borrowed)),
            .ahead = std::chrono::milliseconds{(tick - now) * tick_ms_}};
  }

  const int sequence_bits_;
  const std::int64_t tick_ms_;
  const std::int64_t epoch_ms_;
  const std::int64_t ticks_;
  const Ahead ahead_;
  // The next position, times two, plus the closed bit. 0: nothing was used yet.
  std::atomic<std::uint64_t> word_{0};
  // How many ticks the clock is behind the one that brought the sequence where it is; 0 once it
  // caught up. It sets the pace alone: nothing that must hold depends on it.
  std::atomic<std::int64_t> lead_{0};
};

}  // namespace workerid::detail
