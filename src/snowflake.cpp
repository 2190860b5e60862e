// SPDX-License-Identifier: MIT
#include "cancellation.hpp"
#include "checks.hpp"
#include "keeper.hpp"
#include "snowflake_sequence.hpp"

#include <workerid/snowflake.hpp>

#include <algorithm>
#include <ctime>
#include <limits>
#include <string>
#include <utility>

namespace workerid {

namespace detail {

namespace {

using std::chrono::milliseconds;
using Outcome = SnowflakeSequence::Outcome;
using Taken = SnowflakeSequence::Taken;

// A worker ID without a lease: its user answers for all timestamps.
constexpr TimestampRange all_timestamps{std::numeric_limits<std::int64_t>::min(),
                                        std::numeric_limits<std::int64_t>::max()};

// The one that may be under way was perhaps sent before the clock was set; the next one was not.
constexpr int most_renewals = 2;

std::string text(milliseconds time) {
  return std::to_string(time.count()) + " ms";
}

std::string day(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char date[16] = {};
  std::strftime(date, sizeof date, "%Y-%m-%d", &utc);
  return date;
}

SnowflakeOptions checked(SnowflakeOptions options) {
  options.check();
  return options;
}

}  // namespace

class SnowflakeCore {
 public:
  SnowflakeCore(Lease lease, SnowflakeOptions options)
      : SnowflakeCore(control_of(lease).worker_id(), options, control_of(lease).clock()) {
    lease_ = std::move(lease);
    control_ = lease_.control_.get();
    check_cluster();
  }

  SnowflakeCore(WorkerId worker_id, SnowflakeOptions options, std::shared_ptr<Clock> clock)
      : options_(checked(options)),
        worker_id_(worker_id),
        sequence_shift_(layout().worker_id_last ? layout().worker_bits : 0),
        time_shift_(layout().worker_bits + layout().sequence_bits),
        shifted_worker_id_(worker_id << (layout().worker_id_last ? 0 : layout().sequence_bits)),
        clock_(clock ? std::move(clock) : boottime_clock()),
        sequence_(layout(), {.borrowed = options.max_borrowed / layout().tick,
                             .behind = options.max_ahead / layout().tick}) {
    check_fits(worker_id, "the worker ID");
    if (clock_->wall() >= layout().runs_out()) refuse(run_out());
  }

  std::int64_t next() {
    if (usable()) [[likely]] {
      const Taken taken = take(1);
      if (taken.outcome == Outcome::taken) [[likely]]
        return id(taken);
    }
    return id(await(1));
  }

  std::optional<std::int64_t> try_next();

  void next(std::span<std::int64_t> ids) {
    while (!ids.empty()) {
      const auto wanted = static_cast<std::int64_t>(ids.size());
      Taken taken = usable() ? take(wanted) : await(wanted);
      if (taken.outcome != Outcome::taken) taken = await(wanted);
      const std::int64_t step = std::int64_t{1} << sequence_shift_;
      std::int64_t each = id(taken) - step;
      const auto count = static_cast<std::size_t>(taken.count);
      std::generate_n(ids.begin(), count, [&] { return each += step; });
      ids = ids.subspan(count);
    }
  }

  const SnowflakeLayout& layout() const noexcept { return options_.layout; }
  WorkerId worker_id() const noexcept { return worker_id_; }
  const Lease& lease() const noexcept { return lease_; }

  void release() {
    if (control_ == nullptr) {
      sequence_.close();
    } else if (!control_->forked()) {
      // Closed before the store is told: the last timestamp stays the last one (G8).
      const auto error = control_->keeper().release(*control_, sequence_.close());
      if (error) throw Error(*error);
    }
  }

  void abandon() {
    sequence_.close();
    lease_.abandon();
  }

 private:
  static const LeaseControl& control_of(const Lease& lease) {
    if (!lease.control_) refuse("the lease is empty");
    return *lease.control_;
  }

  void check_fits(WorkerId worker_id, const std::string& what) const {
    if (worker_id >= 0 && worker_id <= layout().max_worker_id()) return;
    refuse(what + " is " + std::to_string(worker_id) + "; the layout's " +
           std::to_string(layout().worker_bits) + " worker bits hold 0 to " +
           std::to_string(layout().max_worker_id()));
  }

  void check_cluster() const {
    const Configuration& configuration = control_->configuration();
    check_fits(configuration.max_worker_id,
               "the largest worker ID of cluster \"" + control_->cluster() + "\"");
    if (configuration.lease_time < 2 * layout().tick) {
      refuse("the lease time is " + text(configuration.lease_time) +
             "; timestamps of a lease are whole ticks, so it must not be below two, " +
             text(2 * layout().tick));
    }
  }

  // The wall clock ends it as well: by the reserved timestamps.
  bool usable() const noexcept {
    return control_ != nullptr ? control_->held_as_told() : !fork_guard_.forked();
  }

  [[gnu::always_inline]] Taken take(std::int64_t count) noexcept {
    return sequence_.take(
        count, control_ != nullptr ? control_->reserved() : all_timestamps,
        [this] { return options_.coarse_clock ? clock_->coarse_wall() : clock_->wall(); },
        [this] { return clock_->wall(); });
  }

  std::int64_t id(const Taken& taken) const noexcept {
    return taken.tick << time_shift_ | taken.sequence << sequence_shift_ | shifted_worker_id_;
  }

  Taken await(std::int64_t count);
  bool renews() const noexcept { return control_ != nullptr && !control_->forked(); }
  std::uint64_t outcomes() const { return renews() ? control_->keeper().outcomes(*control_) : 0; }
  bool renew_soon(std::uint64_t seen, BootTime deadline) {
    return renews() && control_->keeper().renew_soon(*control_, seen, deadline);
  }

  Error not_usable() const;
  Error ended(const Taken& taken) const;
  Error unreserved(const Taken& taken) const;
  Error too_long(const Taken& taken, milliseconds wait) const;
  std::string who() const { return "worker ID " + std::to_string(worker_id_); }
  std::string run_out() const {
    return "the layout has no timestamps from " + day(layout().runs_out()) +
           " on; use one with more bits or a later epoch for other IDs";
  }

  const SnowflakeOptions options_;
  const WorkerId worker_id_;
  const int sequence_shift_;
  const int time_shift_;
  const std::int64_t shifted_worker_id_;
  const ForkGuard fork_guard_;
  const std::shared_ptr<Clock> clock_;
  Lease lease_{nullptr};
  LeaseControl* control_ = nullptr;  // the lease's, if there is one
  SnowflakeSequence sequence_;
};

std::optional<std::int64_t> SnowflakeCore::try_next() {
  if (!usable()) {
    if (renew_soon(outcomes(), BootTime::min())) return std::nullopt;
    throw not_usable();
  }
  const Taken taken = take(1);
  switch (taken.outcome) {
    case Outcome::taken:
      return id(taken);
    case Outcome::used_up:
    case Outcome::clock_behind:
      return std::nullopt;
    case Outcome::unreserved:
      if (renew_soon(outcomes(), BootTime::min()) || control_->held()) return std::nullopt;
      throw not_usable();
    case Outcome::run_out:
    case Outcome::closed:
      break;
  }
  throw ended(taken);
}

// Where a position is not to be had at once.
[[gnu::cold, gnu::noinline]] Taken SnowflakeCore::await(std::int64_t count) {
  const BootTime deadline = clock_->now().boot + options_.max_wait;
  int renewals = 0;
  Wakeup nobody;
  for (;;) {
    const std::uint64_t seen = outcomes();
    if (!usable()) {
      if (renewals++ == most_renewals || !renew_soon(seen, deadline)) throw not_usable();
      continue;
    }
    const Taken taken = take(count);
    switch (taken.outcome) {
      case Outcome::taken:
        return taken;
      case Outcome::unreserved:
        if (renewals++ == most_renewals || !renew_soon(seen, deadline)) throw unreserved(taken);
        break;
      case Outcome::used_up:
      case Outcome::clock_behind: {
        const Moment now = clock_->now();
        const milliseconds wait = taken.ready_at - now.wall;
        if (now.boot + wait > deadline) throw too_long(taken, wait);
        clock_->wait_until_wall(nobody, taken.ready_at);
        break;
      }
      case Outcome::run_out:
      case Outcome::closed:
        throw ended(taken);
    }
  }
}

Error SnowflakeCore::not_usable() const {
  if (control_ != nullptr) return not_held(control_);
  return {ErrorCode::not_assigned, who() +
                                       ": its generator was made before fork(), so only the "
                                       "parent generates; make another one, with another "
                                       "worker ID, in the child"};
}

Error SnowflakeCore::ended(const Taken& taken) const {
  if (taken.outcome == Outcome::run_out) return {ErrorCode::invalid_argument, run_out()};
  return {ErrorCode::not_assigned, who() + ": its generator was released or abandoned"};
}

Error SnowflakeCore::unreserved(const Taken& taken) const {
  if (!control_->held()) return not_held(control_);
  const std::int64_t ready_ms = taken.ready_at.time_since_epoch().count();
  const TimestampRange reserved = control_->reserved();
  return {ErrorCode::unavailable,
          who() + " of cluster \"" + control_->cluster() + "\": the next timestamp is " +
              std::to_string(ready_ms) + ", but the store has reserved them up to " +
              std::to_string(reserved.last_ms) +
              " and no renewal reserved it in time: this machine's clock is ahead of the store's, "
              "or was "
              "set back, and the IDs are about to run further ahead of it than renewals reserve"};
}

Error SnowflakeCore::too_long(const Taken& taken, milliseconds wait) const {
  const std::string why =
      taken.outcome == Outcome::used_up
          ? "the sequence numbers of this tick are used up"
          : "this machine's clock is " + text(taken.ahead) +
                " behind the timestamps that may be used, more than max_ahead, " +
                text(options_.max_ahead);
  return {ErrorCode::unavailable,
          who() + ": " + why + "; the next ID is to be had in " + text(wait) +
              ", which is more than what is left of max_wait, " + text(options_.max_wait),
          std::max(wait, milliseconds{0})};
}

}  // namespace detail

namespace {

void check_time(const std::string& what, std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds longest = std::chrono::hours{24};
  if (time >= std::chrono::milliseconds::zero() && time <= longest) return;
  detail::refuse(what + " is " + detail::text(time) + "; it must be 0 to " + detail::text(longest));
}

}  // namespace

void SnowflakeOptions::check() const {
  layout.check();
  check_time("max_ahead", max_ahead);
  check_time("max_borrowed", max_borrowed);
  check_time("max_wait", max_wait);
}

Snowflake::Snowflake(Lease lease, SnowflakeOptions options)
    : core_(std::make_unique<detail::SnowflakeCore>(std::move(lease), options)) {}

Snowflake::Snowflake(WorkerId worker_id, SnowflakeOptions options, std::shared_ptr<Clock> clock)
    : core_(std::make_unique<detail::SnowflakeCore>(worker_id, options, std::move(clock))) {}

Snowflake::Snowflake(Snowflake&&) noexcept = default;

Snowflake& Snowflake::operator=(Snowflake&& other) noexcept {
  if (this != &other) {
    const Snowflake former(std::move(*this));
    core_ = std::move(other.core_);
  }
  return *this;
}

Snowflake::~Snowflake() {
  if (!core_) return;
  const detail::CancellationHeldOff held_off;
  try {
    core_->release();
  } catch (...) {  // the store did not hear of it: the ID comes free by expiring
  }
  core_.reset();
}

std::int64_t Snowflake::next() {
  return core_->next();
}

std::optional<std::int64_t> Snowflake::try_next() {
  return core_->try_next();
}

void Snowflake::next(std::span<std::int64_t> ids) {
  core_->next(ids);
}

WorkerId Snowflake::worker_id() const noexcept {
  return core_->worker_id();
}

const SnowflakeLayout& Snowflake::layout() const noexcept {
  return core_->layout();
}

const Lease& Snowflake::lease() const noexcept {
  return core_->lease();
}

void Snowflake::release() {
  core_->release();
}

void Snowflake::abandon() {
  core_->abandon();
}

}  // namespace workerid
