// SPDX-License-Identifier: MIT
#include "lease_machine.hpp"

#include <algorithm>
#include <utility>

namespace workerid::detail {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds first_retry = milliseconds{100};
constexpr int release_attempts = 3;

milliseconds at_least_one_ms(nanoseconds time) {
  return std::max(milliseconds{1}, std::chrono::duration_cast<milliseconds>(time));
}

}  // namespace

bool ends_ownership(ErrorCode code) {
  return code == ErrorCode::token_mismatch || code == ErrorCode::not_assigned ||
         code == ErrorCode::token_expired || code == ErrorCode::invalid_worker_id ||
         code == ErrorCode::invalid_token;
}

Timing::Timing(nanoseconds validity_time)
    : validity(validity_time),
      renew_after(validity / 3),
      warn_after(validity / 2),
      attempt(at_least_one_ms(std::min<nanoseconds>(validity / 6, std::chrono::seconds{5}))),
      longest_retry(validity / 12),
      suspended_retry(validity / 6),
      poll(validity / 8),
      look(validity / 12),
      release(std::min<nanoseconds>(validity / 6, std::chrono::seconds{2})) {}

LeaseMachine::LeaseMachine(milliseconds lease_time, std::uint64_t seed, const Moment& now,
                           milliseconds wait)
    : timing_(lease_time), random_(seed), next_attempt_(now.boot), give_up_(now.boot + wait) {}

LeaseMachine::Action LeaseMachine::next(const Moment& now) {
  if (state_ == State::held && !validity_.covers(now)) {
    state_ = State::suspended;
    unknown_ = false;
    notice(Event::Kind::suspended);
    next_attempt_ = std::min(next_attempt_, now.boot);
  }
  if (warn_at_ && now.boot >= *warn_at_) {
    warn_at_.reset();
    if (state_ == State::held) notice(Event::Kind::early_warning);
  }

  const bool due = now.boot >= next_attempt_;
  switch (state_) {
    case State::acquiring:
      if (!due) return Wait{next_attempt_};
      anchor_ = now;
      return Acquire{timing_.attempt};
    case State::held:
    case State::suspended: {
      if (due) {
        anchor_ = now;
        renewal_ = state_ == State::held ? Renewal::held : Renewal::resume;
        if (unknown_) return Restore{timing_.attempt};
        return Renew{renewal_, timing_.attempt};
      }
      BootTime until = std::min(next_attempt_, now.boot + timing_.look);
      if (state_ == State::held) until = std::min(until, validity_.boot);
      if (warn_at_) until = std::min(until, *warn_at_);
      return Wait{until};
    }
    case State::releasing: {
      if (!due) return Wait{next_attempt_};
      anchor_ = now;
      return Release{at_least_one_ms((give_up_ - now.boot) / (release_attempts - attempts_))};
    }
    case State::failed:
    case State::lost:
    case State::released:
    case State::abandoned:
      break;
  }
  return Done{};
}

void LeaseMachine::answered(const Grant& grant, const Moment& now) {
  const State before = state_;
  if (before == State::acquiring) {
    // A grant whose validity is over on arrival was never held: ask again with the same token.
    if (now.boot >= anchor_->boot + std::min<nanoseconds>(timing_.validity, grant.lease_time)) {
      failed(Error(ErrorCode::outcome_unknown, "the answer came when the lease it gave was over"),
             now);
      return;
    }
    extend(grant, now);
    notice(Event::Kind::granted, now.boot - anchor_->boot);
  } else if (before == State::held || before == State::suspended) {
    // A validity that is over comes back under a new epoch only.
    if (renewal_ == Renewal::held && !validity_.covers(now)) {
      attempts_ = 0;
      next_attempt_ = now.boot;
    } else if (renewal_ == Renewal::held && grant.epoch < grant_.epoch) {
      // G4: the store went back to an earlier grant of this lease, whose epoch and timestamps are not
      // the holder's any more.
      unknown_ = true;
      attempts_ = 0;
      next_attempt_ = now.boot;
    } else {
      const nanoseconds latency = now.boot - anchor_->boot;
      const bool restored = unknown_;
      extend(grant, now);
      if (before == State::held) {
        notice(restored ? Event::Kind::restored : Event::Kind::renewed, latency);
      } else if (state_ == State::held) {
        notice(Event::Kind::resumed, latency);
      }
    }
  }
  anchor_.reset();
}

void LeaseMachine::answered_release(const Moment& now) {
  if (state_ != State::releasing) return;
  const nanoseconds latency = now.boot - anchor_->boot;
  anchor_.reset();
  error_.reset();
  end(State::released);
  notice(Event::Kind::released, latency);
}

void LeaseMachine::failed(const Error& error, const Moment& now) {
  ++attempts_;
  switch (state_) {
    case State::acquiring:
      acquire_failed(error, now);
      break;
    case State::held:
    case State::suspended:
      renew_failed(error, now);
      break;
    case State::releasing:
      release_failed(error, now);
      break;
    case State::failed:
    case State::lost:
    case State::released:
    case State::abandoned:
      break;
  }
  anchor_.reset();
}

void LeaseMachine::acquire_failed(const Error& error, const Moment& now) {
  const ErrorCode code = error.error_code();
  const bool transient = code == ErrorCode::unavailable || code == ErrorCode::outcome_unknown;
  if (!transient && !error.retry_after()) {
    error_ = error;
    end(State::failed);
    return;
  }
  // G9: no waiting where nothing can come of it.
  const nanoseconds least = transient ? back_off(timing_.longest_retry) : *error.retry_after();
  if (now.boot + least > give_up_) {
    error_ = error;
    end(State::failed);
    return;
  }
  const nanoseconds wait = transient ? least : std::min(least, timing_.poll);
  next_attempt_ = std::min(give_up_, now.boot + std::max<nanoseconds>(wait, milliseconds{1}) +
                                         random_between(nanoseconds{0}, wait / 10));
}

void LeaseMachine::renew_failed(const Error& error, const Moment& now) {
  // A restoration that came too late says nothing of the lease: it may be resumed.
  const bool too_late = unknown_ && error.error_code() == ErrorCode::token_expired;
  if (ends_ownership(error.error_code()) && !too_late) {
    // Who is valid owns the ID; a store that does not know it may have forgotten (G7).
    if (!unknown_ && renewal_ == Renewal::held && validity_.covers(now)) {
      unknown_ = true;
      next_attempt_ = now.boot;
      return;
    }
    error_ = error;
    end(State::lost);
    notice(Event::Kind::lost, {}, error);
    return;
  }
  notice(Event::Kind::renewal_failed, now.boot - anchor_->boot, error);
  next_attempt_ = now.boot + (validity_.covers(now) ? back_off(timing_.longest_retry)
                                                    : random_between(timing_.suspended_retry / 2,
                                                                     timing_.suspended_retry));
}

void LeaseMachine::release_failed(const Error& error, const Moment& now) {
  if (ends_ownership(error.error_code())) {
    answered_release(now);
    return;
  }
  error_ = error;
  const nanoseconds wait = back_off(timing_.release / release_attempts);
  next_attempt_ = now.boot + wait;
  if (attempts_ >= release_attempts || next_attempt_ >= give_up_) end(State::released);
}

void LeaseMachine::release(const Moment& now) {
  if (state_ != State::held && state_ != State::suspended) return;
  end(State::releasing);  // stopped before the request is sent
  attempts_ = 0;
  next_attempt_ = now.boot;
  give_up_ = now.boot + timing_.release;
}

void LeaseMachine::abandon() {
  if (state_ != State::held && state_ != State::suspended) return;
  end(State::abandoned);
  notice(Event::Kind::abandoned);
}

bool LeaseMachine::hurry(const Moment& now) {
  if (state_ != State::held && state_ != State::suspended) return false;
  if (anchor_) return true;  // an answer is under way
  if (attempts_ != 0) return false;
  const BootTime last = validity_.boot - timing_.validity;
  next_attempt_ = std::min(next_attempt_, std::max(now.boot, last + first_retry));
  return true;
}

std::vector<LeaseMachine::Notice> LeaseMachine::take_notices() {
  return std::exchange(notices_, {});
}

void LeaseMachine::extend(const Grant& grant, const Moment& now) {
  grant_ = grant;
  timing_ = Timing(std::min<nanoseconds>(timing_.validity, grant.lease_time));
  // G2: validity counts from before the request, and only moves forward.
  validity_.boot = std::max(validity_.boot, anchor_->boot + timing_.validity);
  validity_.wall = anchor_->wall + std::chrono::floor<milliseconds>(timing_.validity);
  state_ = validity_.covers(now) ? State::held : State::suspended;
  unknown_ = false;
  attempts_ = 0;
  warn_at_ = anchor_->boot + timing_.warn_after;
  const nanoseconds jitter = timing_.renew_after / 10;
  next_attempt_ = anchor_->boot + timing_.renew_after + random_between(-jitter, jitter);
}

void LeaseMachine::end(State state) {
  state_ = state;
  validity_ = {};
  warn_at_.reset();
}

void LeaseMachine::notice(Event::Kind kind, nanoseconds latency,
                          const std::optional<Error>& error) {
  notices_.push_back({kind, latency, error});
}

// Full jitter: many holders that lost the same store do not come back at once.
nanoseconds LeaseMachine::back_off(nanoseconds longest) {
  const int doublings = std::min(attempts_ - 1, 20);
  const nanoseconds highest = std::min(longest, first_retry * (std::int64_t{1} << doublings));
  return random_between(std::min<nanoseconds>(milliseconds{1}, highest), highest);
}

// splitmix64: the machine's only randomness, so that a seed replays it.
nanoseconds LeaseMachine::random_between(nanoseconds low, nanoseconds high) {
  random_ += 0x9e3779b97f4a7c15U;
  std::uint64_t bits = random_;
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  bits ^= bits >> 31U;
  const auto width = static_cast<std::uint64_t>((high - low).count()) + 1;
  return low + nanoseconds{static_cast<std::int64_t>(bits % width)};
}

}  // namespace workerid::detail
