// SPDX-License-Identifier: MIT
//
// Snowflake: unique 64-bit IDs, made of a timestamp, a worker ID and a sequence number.
//
//     workerid::Generator generator{store, "mycluster", {.max_worker_id = 1000}};
//     workerid::Snowflake snowflake{generator.lease()};
//     std::int64_t order_id = snowflake.next();
#pragma once

#include <workerid/clock.hpp>
#include <workerid/lease.hpp>
#include <workerid/store.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace workerid {

namespace detail {
class SnowflakeCore;
}

/// What an ID consists of.
struct SnowflakeParts {
  WallTime time;  ///< When its tick began.
  WorkerId worker_id = 0;
  std::int64_t sequence = 0;  ///< Which ID of its tick it is, from 0.

  friend bool operator==(const SnowflakeParts&, const SnowflakeParts&) = default;
};

/// How the bits of an ID are used: from the top the timestamp, the worker ID, the sequence number.
/// An aggregate; everything that makes IDs for one purpose uses the same layout and epoch: IDs of two
/// layouts may be equal. All functions are pure and never block.
struct SnowflakeLayout {
  int timestamp_bits = 41;  ///< 1 and more.
  int worker_bits = 10;     ///< 0 to 31.
  /// 0 and more. A tick has 2^sequence_bits IDs for each worker ID. All bits together are 63 at the
  /// most, so that an ID is never negative.
  int sequence_bits = 12;
  /// The unit of timestamps, 1 ms to 1 min.
  std::chrono::milliseconds tick{1};
  /// The time of timestamp 0, not before 1970: the default is 2025-01-01 00:00 UTC.
  WallTime epoch = std::chrono::sys_days{std::chrono::year{2025} / 1 / 1};
  /// The worker ID stands below the sequence number instead of above, as Sonyflake has it.
  bool worker_id_last = false;

  friend bool operator==(const SnowflakeLayout&, const SnowflakeLayout&) = default;

  /// The default bits with Twitter's epoch, 2010-11-04: until 2080-07-10.
  static SnowflakeLayout twitter();
  /// Sonyflake's: 39 bits of 10 ms, 8 of sequence, 16 of worker ID in the lowest bits; from
  /// 2014-09-01 until 2188.
  static SnowflakeLayout sonyflake();
  /// 53 bits, which a number in JavaScript and a double hold exactly: 41 of milliseconds, 5 of worker
  /// ID, 7 of sequence.
  static SnowflakeLayout javascript();
  /// 31 bits of seconds, 10 of worker ID, 22 of sequence.
  static SnowflakeLayout seconds();

  /// Checks all values. The other functions may only be called for a layout that passes.
  /// Errors: `invalid_argument` with the value and the limit.
  void check() const;

  WorkerId max_worker_id() const noexcept;
  std::int64_t max_sequence() const noexcept;
  /// The largest ID.
  std::int64_t max_id() const noexcept;
  /// How many IDs one worker ID can have in a second, on average.
  std::int64_t ids_per_second() const noexcept;
  /// The first time for which there is no timestamp. By then everything uses another layout.
  WallTime runs_out() const noexcept;

  /// The ID of these parts; the time is rounded down to a tick.
  /// Errors: `invalid_argument` for a part that does not fit, with the value and the limit.
  std::int64_t compose(const SnowflakeParts& parts) const;

  /// The parts of an ID of this layout. What the ID cannot tell is whether it was made by it.
  /// Errors: `invalid_argument` for a number that is negative or above `max_id()`.
  SnowflakeParts decompose(std::int64_t id) const;
};

/// How IDs are written. The texts of one form are of the same length and sort as the IDs do, except
/// the decimal ones. Never blocks.
enum class SnowflakeText {
  decimal,
  base62,  ///< 11 characters, digits before capitals before small letters.
  base32,  ///< 13 characters, Crockford's alphabet: no I, L, O, U. Reads small letters, i, l and o.
};

/// Writes `id`, which is not negative. Errors: `invalid_argument` for one that is.
std::string to_text(std::int64_t id, SnowflakeText form);

/// Reads what `to_text` wrote, also without leading zeros.
/// Errors: `invalid_argument` for an empty text, a foreign character or a number above 2^63 - 1.
std::int64_t parse_snowflake(std::string_view text, SnowflakeText form);

/// Options of a Snowflake, an aggregate. All values are checked when it is made.
struct SnowflakeOptions {
  SnowflakeLayout layout{};

  /// How far timestamps may be ahead of this machine's clock because that was set back, or because
  /// the reserved timestamps begin above it: the holder before had a clock that is ahead of ours. The
  /// default goes on through what NTP leaves; beyond it `next` waits for the clock.
  std::chrono::milliseconds max_ahead = std::chrono::seconds{5};

  /// How far timestamps may be ahead of the clock because more IDs were asked for than ticks have.
  /// The default waits for the next tick instead: timestamps then say when an ID was made, and IDs of
  /// several machines sort by it as well as their clocks agree. More serves bursts without waiting.
  std::chrono::milliseconds max_borrowed{0};

  /// How long `next` waits at the most, for whatever it is.
  std::chrono::milliseconds max_wait = std::chrono::seconds{5};

  /// Looks at the kernel's coarse clock first, which is a tick of the kernel behind at the most (1 to 10
  /// ms, 4 on Debian), and at the exact one only where the other does not do. An ID then costs less
  /// than one exact clock read, and its timestamp may be as much too early.
  bool coarse_clock = false;

  /// Checks every value. Errors: `invalid_argument` with the value and the limit.
  void check() const;
};

/// Generates 64-bit IDs that nobody else generates, in strictly increasing order.
///
/// Made of a Lease it never uses a timestamp outside those that its lease has reserved in the store,
/// and a later holder's begin above them (G8): no two IDs of a cluster are equal, whatever clocks,
/// networks and pauses do, and two holders' clocks need not agree. It gives none when the lease is
/// lost, released, abandoned or, after fork(2), the parent's (G11). A clock that was set back costs
/// nothing up to `SnowflakeOptions::max_ahead`; one that was set forward beyond the reserved
/// timestamps costs one renewal.
///
/// All makers of IDs of a cluster use the same layout and epoch.
///
/// Movable, ended by `release()`, `abandon()` or the destructor; one that was moved from can only be
/// assigned to or destroyed. Thread-safe: `next` and its like
/// never lock where they need not wait.
class Snowflake {
 public:
  /// Makes IDs with the worker ID of `lease`, which is this object's from then on, and with its clock.
  /// The store is not touched.
  /// Errors: `invalid_argument` for wrong options, an empty lease, a lease time shorter than two
  /// ticks, a cluster whose largest worker ID does not fit the layout, with both numbers, or a layout
  /// that has run out. The lease is then released as by its destructor.
  explicit Snowflake(Lease lease, SnowflakeOptions options = {});

  /// Makes IDs with a worker ID that is known to be nobody else's: the caller's responsibility, as is
  /// that the clock is never behind the last timestamp which a former holder used. An empty clock is
  /// the machine's. Errors: `invalid_argument` as above.
  explicit Snowflake(WorkerId worker_id, SnowflakeOptions options = {},
                     std::shared_ptr<Clock> clock = nullptr);

  Snowflake(Snowflake&&) noexcept;
  /// Releases what this object had, like the destructor, and takes the other's.
  Snowflake& operator=(Snowflake&&) noexcept;
  /// Releases the lease, as `release` does, but never throws. Blocks as `Lease`'s destructor does.
  ~Snowflake();

  /// A new ID, greater than all before.
  /// Errors: `token_expired` while the lease is suspended and no renewal brings it back at once;
  /// `not_assigned` when it is lost, released, abandoned or forked; `unavailable` when the
  /// time to wait was over, with the reason and, where it is known, `Error::retry_after()`;
  /// `invalid_argument` when the layout has run out.
  /// Blocks where it has to wait (for the next tick when the sequence numbers of one are used up, for
  /// a renewal, for a clock that is behind), `SnowflakeOptions::max_wait` at the most.
  std::int64_t next();

  /// A new ID, or nothing where `next` would wait; a renewal is then asked for if it is what is
  /// missing. Errors: as `next`, except `unavailable`. Never blocks.
  std::optional<std::int64_t> try_next();

  /// Fills `ids` with new IDs in increasing order, at the cost of one for all of a tick.
  /// Errors: as `next`; those of `ids` that were filled by then may be used or not.
  /// Blocks as `next` does, as often as it has to.
  void next(std::span<std::int64_t> ids);

  WorkerId worker_id() const noexcept;
  const SnowflakeLayout& layout() const noexcept;

  /// The lease; an empty one for a worker ID without.
  const Lease& lease() const noexcept;

  /// Stops generating, then gives the lease back with the last timestamp used, so that the next
  /// holder begins right above it. What other threads ask for from then on is refused.
  /// Errors and blocking: as `Lease::release`. Never blocks without a lease.
  void release();

  /// Stops generating and leaves the lease to expire, as `Lease::abandon` does. Never blocks.
  void abandon();

 private:
  std::unique_ptr<detail::SnowflakeCore> core_;
};

}  // namespace workerid
