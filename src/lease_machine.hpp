// SPDX-License-Identifier: MIT
//
// The life of one lease, pure: time and answers come in, actions and notices come out. No thread,
// clock, socket or lock; the shell in keeper.cpp and generator.cpp performs the actions, a
// simulator may as well.
//
//                 .-- failed
//     acquiring --+-> held <-> suspended --> lost
//                       \________|___________> releasing -> released, or abandoned
#pragma once

#include <workerid/clock.hpp>
#include <workerid/error.hpp>
#include <workerid/options.hpp>
#include <workerid/store.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace workerid::detail {

// The store says that the token owns nothing any more: final (G3), unless the store forgot (G7).
bool ends_ownership(ErrorCode code);

// The times of a lease's life, as parts of its validity V.
struct Timing {
  explicit Timing(std::chrono::nanoseconds validity_time);

  std::chrono::nanoseconds validity;
  std::chrono::nanoseconds renew_after;      // V/3, give or take a tenth
  std::chrono::nanoseconds warn_after;       // V/2
  std::chrono::milliseconds attempt;         // V/6, 5 s at the most: the bound of one call
  std::chrono::nanoseconds longest_retry;    // V/12
  std::chrono::nanoseconds suspended_retry;  // V/6
  std::chrono::nanoseconds poll;     // V/8: half of what a store's clock may advance at once
  std::chrono::nanoseconds look;     // V/12: how often a stepped wall clock is noticed
  std::chrono::nanoseconds release;  // V/6, 2 s at the most, in all
};

class LeaseMachine {
 public:
  enum class State { acquiring, failed, held, suspended, lost, releasing, released, abandoned };

  // Send the request now; what the answer extends counts from the moment that was passed to next().
  struct Acquire {
    std::chrono::milliseconds timeout;
  };
  struct Renew {
    Renewal renewal;
    std::chrono::milliseconds timeout;
  };
  // The store does not know the lease, though its validity runs.
  struct Restore {
    std::chrono::milliseconds timeout;
  };
  struct Release {
    std::chrono::milliseconds timeout;
  };
  // Nothing to do before `until`.
  struct Wait {
    BootTime until;
  };
  // Nothing to do ever.
  struct Done {};
  using Action = std::variant<Acquire, Renew, Restore, Release, Wait, Done>;

  struct Notice {
    Event::Kind kind;
    std::chrono::nanoseconds latency;
    std::optional<Error> error;
  };

  // The validity: held while both clocks are before these.
  struct Validity {
    BootTime boot = BootTime::min();
    WallTime wall = WallTime::min();

    bool covers(const Moment& now) const noexcept { return now.boot < boot && now.wall < wall; }
  };

  // A lease to be acquired from `now` on, for `wait` at the most. `seed` draws the jitter.
  LeaseMachine(std::chrono::milliseconds lease_time, std::uint64_t seed, const Moment& now,
               std::chrono::milliseconds wait);

  // What to do at `now`. A request in its answer is under way until answered() or failed().
  Action next(const Moment& now);

  // The request under way was answered: an acquisition, a renewal or a restoration with a grant, a
  // release without.
  void answered(const Grant& grant, const Moment& now);
  void answered_release(const Moment& now);
  void failed(const Error& error, const Moment& now);

  // The holder gives the ID back, or leaves it. At once not held. No effect on a lease that ended.
  void release(const Moment& now);
  void abandon();

  // The holder needs an answer before the next renewal is due. It becomes due at once, or shortly after
  // the last one. False if the last one failed: the next attempt comes in its time.
  bool hurry(const Moment& now);

  State state() const noexcept { return state_; }
  const Validity& validity() const noexcept { return validity_; }
  const Grant& grant() const noexcept { return grant_; }
  // Why the lease is failed or lost, or why its release was not heard.
  const std::optional<Error>& error() const noexcept { return error_; }
  // What happened since the last call, in order.
  std::vector<Notice> take_notices();

 private:
  void acquire_failed(const Error& error, const Moment& now);
  void renew_failed(const Error& error, const Moment& now);
  void release_failed(const Error& error, const Moment& now);
  void extend(const Grant& grant, const Moment& now);
  void end(State state);
  void notice(Event::Kind kind, std::chrono::nanoseconds latency = {},
              const std::optional<Error>& error = std::nullopt);
  std::chrono::nanoseconds back_off(std::chrono::nanoseconds longest);
  std::chrono::nanoseconds random_between(std::chrono::nanoseconds low,
                                          std::chrono::nanoseconds high);

  State state_ = State::acquiring;
  Timing timing_;
  std::uint64_t random_;
  Grant grant_;
  Validity validity_;
  std::optional<Error> error_;
  std::vector<Notice> notices_;

  std::optional<Moment> anchor_;     // of the request under way
  Renewal renewal_ = Renewal::held;  // the last one that was sent
  bool unknown_ = false;             // the store said so, though the validity runs
  BootTime next_attempt_;            // when the next request is due
  BootTime give_up_;                 // when acquiring or releasing is over
  std::optional<BootTime> warn_at_;  // until the early warning was given
  int attempts_ = 0;                 // since the last answer
};

}  // namespace workerid::detail
