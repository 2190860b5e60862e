// SPDX-License-Identifier: MIT
//
// The lease machine as transcripts: time and answers in, actions and notices out.
#include "lease_machine.hpp"

#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace workerid::detail {
namespace {

using namespace std::chrono_literals;
using State = LeaseMachine::State;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds validity = 60s;
constexpr Grant granted{7, 100, {1'000, 61'000}, validity};
constexpr Grant resumed{7, 101, {61'001, 121'001}, validity};

// A machine and the two clocks it is shown, with the time counted from the start.
class Transcript {
 public:
  explicit Transcript(milliseconds wait = 2s, std::uint64_t seed = 1)
      : machine(validity, seed, now(), wait) {}

  Moment now() const {
    const auto wall = 1'000'000s + std::chrono::floor<milliseconds>(elapsed_) + step_;
    return {BootTime{1h + elapsed_}, WallTime{wall}};
  }
  nanoseconds elapsed() const { return elapsed_; }
  void pass(milliseconds time) { elapsed_ += time; }
  void step_wall(milliseconds step) { step_ += step; }

  // The next action, as text.
  std::string next() {
    const LeaseMachine::Action action = machine.next(now());
    if (const auto* wait = std::get_if<LeaseMachine::Wait>(&action)) {
      wait_ = wait->until - now().boot;
      return "wait";
    }
    if (std::holds_alternative<LeaseMachine::Acquire>(action)) return "acquire";
    if (std::holds_alternative<LeaseMachine::Release>(action)) return "release";
    if (std::holds_alternative<LeaseMachine::Restore>(action)) return "restore";
    if (const auto* renew = std::get_if<LeaseMachine::Renew>(&action)) {
      return renew->renewal == Renewal::resume ? "resume" : "renew";
    }
    return "done";
  }

  // How long the last "wait" was for.
  nanoseconds wait() const { return wait_; }

  // Passes the time that the machine waits for, until it does something else.
  std::string next_request() {
    for (;;) {
      const std::string action = next();
      if (action != "wait") return action;
      elapsed_ += std::chrono::ceil<milliseconds>(wait_);
    }
  }

  // Passes the time that the machine waits for until it says something.
  std::string next_notice() {
    for (;;) {
      EXPECT_EQ(next(), "wait");
      const std::string said = notices();
      if (!said.empty()) return said;
      elapsed_ += std::chrono::ceil<milliseconds>(wait_);
    }
  }

  void answer(const Grant& grant) { machine.answered(grant, now()); }
  void fail(ErrorCode code, std::optional<milliseconds> retry_after = std::nullopt) {
    machine.failed(Error(code, "as told", retry_after), now());
  }
  bool held() const { return machine.validity().covers(now()); }

  // What happened since the last look, separated by blanks.
  std::string notices() {
    std::string text;
    for (const auto& notice : machine.take_notices()) {
      text += (text.empty() ? "" : " ") + std::string{name(notice.kind)};
    }
    return text;
  }

 private:
  nanoseconds elapsed_{0};
  milliseconds step_{0};
  nanoseconds wait_{0};

 public:
  LeaseMachine machine;
};

Transcript held_lease() {
  Transcript lease;
  EXPECT_EQ(lease.next(), "acquire");
  lease.answer(granted);
  EXPECT_EQ(lease.notices(), "granted");
  EXPECT_EQ(lease.machine.state(), State::held);
  return lease;
}

Transcript suspended_lease() {
  Transcript lease = held_lease();
  lease.pass(validity);
  EXPECT_EQ(lease.next(), "resume");
  EXPECT_EQ(lease.notices(), "suspended");
  EXPECT_EQ(lease.machine.state(), State::suspended);
  return lease;  // with its request under way
}

TEST(LeaseMachine, AcquiresAtOnceAndIsHeld) {
  Transcript lease;
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.next(), "acquire");
  lease.answer(granted);
  EXPECT_TRUE(lease.held());
  EXPECT_EQ(lease.machine.grant(), granted);
  EXPECT_EQ(lease.next(), "wait");
}

TEST(LeaseMachine, ValidityCountsFromBeforeTheRequest) {  // G2
  Transcript lease;
  EXPECT_EQ(lease.next(), "acquire");
  lease.pass(9s);  // the answer takes its time
  lease.answer(granted);
  lease.pass(validity - 9s - 1ms);
  EXPECT_TRUE(lease.held());
  lease.pass(1ms);
  EXPECT_FALSE(lease.held());
}

TEST(LeaseMachine, CountsTheShorterOfItsOwnAndTheStoresLeaseTime) {
  Transcript lease;
  lease.next();
  Grant shorter = granted;
  shorter.lease_time = 10s;
  lease.answer(shorter);
  lease.pass(10s - 1ms);
  EXPECT_TRUE(lease.held());
  lease.pass(1ms);
  EXPECT_FALSE(lease.held());
}

TEST(LeaseMachine, AGrantThatIsOverOnArrivalWasNeverHeld) {  // F05
  Transcript lease(validity * 3);
  EXPECT_EQ(lease.next(), "acquire");
  lease.pass(validity);
  lease.answer(granted);
  EXPECT_EQ(lease.machine.state(), State::acquiring);
  EXPECT_EQ(lease.notices(), "");
  EXPECT_EQ(lease.next_request(), "acquire");
  lease.answer(granted);
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, AFullPoolFailsAtOnceIfNothingComesFreeInTime) {  // G9
  Transcript lease(2s);
  lease.next();
  lease.fail(ErrorCode::no_available_id, 2001ms);
  EXPECT_EQ(lease.machine.state(), State::failed);
  EXPECT_EQ(lease.machine.error()->error_code(), ErrorCode::no_available_id);
  EXPECT_EQ(lease.machine.error()->retry_after(), 2001ms);
  EXPECT_EQ(lease.next(), "done");
}

TEST(LeaseMachine, AFullPoolIsAskedAgainWhenTheNextIdComesFree) {
  Transcript lease(2s);
  lease.next();
  lease.fail(ErrorCode::no_available_id, 1s);
  EXPECT_EQ(lease.next_request(), "acquire");
  EXPECT_GE(lease.elapsed(), 1s);
  EXPECT_LE(lease.elapsed(), 1101ms);
  lease.answer(granted);
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, AWaiterPollsAtLeastEveryEighthOfTheLease) {  // the store's clock may be clamped
  Transcript lease(10min);
  lease.next();
  lease.fail(ErrorCode::no_available_id, 5min);
  EXPECT_EQ(lease.next_request(), "acquire");
  EXPECT_GE(lease.elapsed(), validity / 8);
  EXPECT_LE(lease.elapsed(), validity / 8 * 11 / 10 + 1ms);
}

TEST(LeaseMachine, AWaiterThatTriedToTheEndFails) {
  Transcript lease(2s);
  lease.next();
  int attempts = 1;
  while (lease.machine.state() == State::acquiring) {
    lease.fail(ErrorCode::no_available_id, 100ms);
    if (lease.next_request() == "acquire") ++attempts;
  }
  EXPECT_EQ(lease.machine.state(), State::failed);
  EXPECT_LE(lease.elapsed(), 2s);
  EXPECT_GT(attempts, 10);
}

TEST(LeaseMachine, AnUnavailableStoreIsAskedAgainWithinTheWait) {
  for (const ErrorCode code : {ErrorCode::unavailable, ErrorCode::outcome_unknown}) {
    Transcript lease(2s);
    lease.next();
    lease.fail(code);
    EXPECT_EQ(lease.next_request(), "acquire");
    lease.answer(granted);
    EXPECT_TRUE(lease.held());
  }
}

TEST(LeaseMachine, WithoutAWaitAnUnavailableStoreIsAskedOnce) {
  Transcript lease(0ms);
  lease.next();
  lease.fail(ErrorCode::unavailable);
  EXPECT_EQ(lease.next(), "done");
  EXPECT_EQ(lease.machine.error()->error_code(), ErrorCode::unavailable);
}

TEST(LeaseMachine, HoldingBackIsWaitedForWithinTheWait) {  // G7
  Transcript lease(30s);
  lease.next();
  lease.fail(ErrorCode::holding_back, 5s);
  EXPECT_EQ(lease.next_request(), "acquire");
  lease.fail(ErrorCode::holding_back, 31s);
  EXPECT_EQ(lease.machine.error()->error_code(), ErrorCode::holding_back);
}

TEST(LeaseMachine, OtherErrorsEndAcquiringAtOnce) {
  for (const ErrorCode code :
       {ErrorCode::configuration_mismatch, ErrorCode::denied, ErrorCode::corrupt_record,
        ErrorCode::unsupported_server, ErrorCode::invalid_argument, ErrorCode::invalid_token}) {
    Transcript lease(1h);
    lease.next();
    lease.fail(code);
    EXPECT_EQ(lease.machine.state(), State::failed);
    EXPECT_EQ(lease.machine.error()->error_code(), code);
  }
}

TEST(LeaseMachine, RenewsAtAThirdOfTheValidityGiveOrTakeATenth) {
  nanoseconds earliest = validity;
  nanoseconds latest{0};
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Transcript lease(2s, seed);
    lease.next();
    lease.answer(granted);
    EXPECT_EQ(lease.next_request(), "renew");
    earliest = std::min(earliest, lease.elapsed());
    latest = std::max(latest, lease.elapsed());
  }
  EXPECT_GE(earliest, 18s);
  EXPECT_LE(latest, 22s + 1ms);
  EXPECT_GT(latest - earliest, 3s);  // they are spread
}

TEST(LeaseMachine, ARenewalExtendsFromItsOwnRequest) {
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  const nanoseconds sent = lease.elapsed();
  lease.pass(3s);
  lease.answer(granted);
  EXPECT_EQ(lease.notices(), "renewed");
  lease.pass(std::chrono::floor<milliseconds>(sent + validity - lease.elapsed()) - 1ms);
  EXPECT_TRUE(lease.held());
  lease.pass(2ms);
  EXPECT_FALSE(lease.held());
}

TEST(LeaseMachine, AFailedRenewalIsRepeatedWithGrowingPausesUpToATwelfth) {
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  nanoseconds longest{0};
  int attempts = 0;
  while (lease.held()) {
    lease.fail(ErrorCode::unavailable);
    const nanoseconds before = lease.elapsed();
    const std::string action = lease.next_request();
    longest = std::max(longest, lease.elapsed() - before);
    if (action == "renew") ++attempts;
  }
  EXPECT_LE(longest, validity / 12 + 1ms);
  EXPECT_GE(attempts, 8);
}

TEST(LeaseMachine, WarnsWhenHalfOfTheValidityIsGoneWithoutAnAnswer) {
  Transcript lease = held_lease();
  std::string said;
  while (said.find("early_warning") == std::string::npos) {
    if (lease.next() == "wait") {
      lease.pass(std::chrono::ceil<milliseconds>(lease.wait()));
    } else {
      lease.fail(ErrorCode::unavailable);
    }
    said += lease.notices();
  }
  EXPECT_GE(lease.elapsed(), validity / 2);
  EXPECT_LE(lease.elapsed(), validity / 2 + validity / 12);
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, AnAnswerInTimeTakesTheWarningBack) {
  Transcript lease = held_lease();
  for (int renewals = 0; renewals < 20; ++renewals) {
    EXPECT_EQ(lease.next_request(), "renew");
    lease.answer(granted);
    EXPECT_EQ(lease.notices(), "renewed");
  }
}

TEST(LeaseMachine, TimeAloneSuspends) {  // G2
  Transcript lease = held_lease();
  lease.pass(validity);
  EXPECT_FALSE(lease.held()) << "no step of the machine is needed";
  EXPECT_EQ(lease.next(), "resume");
  EXPECT_EQ(lease.notices(), "suspended");
}

TEST(LeaseMachine, AForwardStepOfTheWallClockSuspendsUntilTheNextRenewal) {  // F19
  Transcript lease = held_lease();
  lease.step_wall(1h);
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.next(), "resume");
  lease.answer(resumed);
  EXPECT_TRUE(lease.held());
  EXPECT_EQ(lease.notices(), "suspended resumed");
}

TEST(LeaseMachine, RenewsBeforeItsTimeWhenItIsHurried) {
  Transcript lease = held_lease();
  lease.pass(1s);
  EXPECT_EQ(lease.next(), "wait");
  EXPECT_TRUE(lease.machine.hurry(lease.now()));
  EXPECT_EQ(lease.next(), "renew");
  EXPECT_TRUE(lease.machine.hurry(lease.now()));  // the answer is under way
  lease.answer(granted);
  // Not one after the other: the store has others to serve.
  EXPECT_TRUE(lease.machine.hurry(lease.now()));
  EXPECT_EQ(lease.next(), "wait");
  EXPECT_EQ(lease.wait(), 100ms);
  lease.pass(100ms);
  EXPECT_EQ(lease.next(), "renew");
}

TEST(LeaseMachine, CannotBeHurriedWhileTheStoreFailsNorWhenItEnded) {
  Transcript lease = suspended_lease();
  lease.fail(ErrorCode::unavailable);
  EXPECT_FALSE(lease.machine.hurry(lease.now()));
  EXPECT_EQ(lease.next(), "wait");
  lease.machine.abandon();
  EXPECT_FALSE(lease.machine.hurry(lease.now()));
  EXPECT_EQ(lease.next(), "done");
}

TEST(LeaseMachine, ABackwardStepOfTheWallClockChangesNothing) {  // F20
  Transcript lease = held_lease();
  lease.step_wall(-1h);
  EXPECT_TRUE(lease.held());
  lease.pass(validity - 1ms);
  EXPECT_TRUE(lease.held());
  lease.pass(1ms);
  EXPECT_FALSE(lease.held());
}

// Else the second witness says nothing for as long as the step was: a memory image that is restored then
// has its boot clock of before.
TEST(LeaseMachine, ARenewalAfterABackwardStepSetsTheWallDeadlineBack) {
  Transcript lease = held_lease();
  lease.step_wall(-1h);
  EXPECT_EQ(lease.next_request(), "renew");
  const Moment sent = lease.now();
  lease.answer(granted);
  EXPECT_EQ(lease.machine.validity().wall, sent.wall + validity);
  EXPECT_TRUE(lease.held());
  lease.step_wall(validity);
  EXPECT_FALSE(lease.held()) << "restored when it was over, by the wall clock alone";
}

TEST(LeaseMachine, ASteppedWallClockIsNoticedWithinATwelfthOfTheValidity) {
  Transcript lease = held_lease();
  for (nanoseconds at{0}; at < validity / 4; at = lease.elapsed()) {
    EXPECT_EQ(lease.next(), "wait");
    EXPECT_LE(lease.wait(), validity / 12);
    lease.pass(std::chrono::ceil<milliseconds>(lease.wait()));
  }
}

TEST(LeaseMachine, ResumesUnderANewEpoch) {
  Transcript lease = suspended_lease();
  lease.answer(resumed);
  EXPECT_EQ(lease.machine.state(), State::held);
  EXPECT_EQ(lease.machine.grant(), resumed);
  EXPECT_EQ(lease.notices(), "resumed");
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, ALateAnswerDoesNotReviveAnEndedValidity) {  // F35
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  lease.pass(validity - 15s);  // sent while valid, answered when not, though it would reach further
  EXPECT_FALSE(lease.held());
  lease.answer(granted);
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.next(), "resume") << "only a new grant brings it back";
  lease.answer(resumed);
  EXPECT_TRUE(lease.held());
  EXPECT_EQ(lease.notices(), "suspended resumed");
}

TEST(LeaseMachine, AnAnswerThatTookLongerThanTheValidityResumesNothing) {
  Transcript lease = suspended_lease();
  lease.pass(validity);
  lease.answer(resumed);
  EXPECT_EQ(lease.machine.state(), State::suspended);
  EXPECT_FALSE(lease.held());
  EXPECT_EQ(lease.next_request(), "resume");
}

TEST(LeaseMachine, ASuspendedLeaseIsNeverLostByTimeAlone) {
  Transcript lease = suspended_lease();
  for (int attempts = 0; attempts < 1000; ++attempts) {
    lease.fail(attempts % 2 == 0 ? ErrorCode::unavailable : ErrorCode::outcome_unknown);
    const nanoseconds before = lease.elapsed();
    ASSERT_EQ(lease.next_request(), "resume");
    EXPECT_LE(lease.elapsed() - before, validity / 6 + 1ms);
  }
  lease.answer(resumed);
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, TheStoresWordIsFinal) {  // G3
  for (const ErrorCode code : {ErrorCode::token_mismatch, ErrorCode::not_assigned,
                               ErrorCode::invalid_token, ErrorCode::invalid_worker_id}) {
    for (const bool suspended : {false, true}) {
      Transcript lease = suspended ? suspended_lease() : held_lease();
      EXPECT_EQ(lease.next_request(), suspended ? "resume" : "renew");
      lease.fail(code);
      if (!suspended) {  // A valid holder asks once more: the store may have forgotten it (G7).
        EXPECT_TRUE(lease.held());
        EXPECT_EQ(lease.notices(), "");
        EXPECT_EQ(lease.next(), "restore");
        lease.fail(code);
      }
      EXPECT_EQ(lease.machine.state(), State::lost);
      EXPECT_FALSE(lease.held());
      EXPECT_EQ(lease.machine.error()->error_code(), code);
      EXPECT_EQ(lease.notices(), "lost");
      EXPECT_EQ(lease.next(), "done");
      lease.answer(resumed);  // an answer that was under way
      EXPECT_EQ(lease.machine.state(), State::lost);
      EXPECT_FALSE(lease.held());
    }
  }
}

// It says nothing of the lease, which the store may know after all.
TEST(LeaseMachine, AfterARestorationThatCameTooLateItResumes) {
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  lease.fail(ErrorCode::token_mismatch);
  EXPECT_EQ(lease.next(), "restore");
  lease.pass(validity);
  lease.fail(ErrorCode::token_expired);
  EXPECT_EQ(lease.notices(), "renewal_failed");
  EXPECT_EQ(lease.next_request(), "resume");
  EXPECT_FALSE(lease.held());
  lease.answer(resumed);
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, AValidHolderIsRegisteredAnewByAStoreThatForgotIt) {  // G7
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  lease.fail(ErrorCode::not_assigned);
  EXPECT_EQ(lease.next(), "restore");
  const BootTime before = lease.now().boot;
  lease.pass(100ms);
  lease.answer(granted);
  EXPECT_EQ(lease.machine.validity().boot, before + validity);
  EXPECT_EQ(lease.notices(), "restored");
  EXPECT_EQ(lease.next_request(), "renew");
  lease.answer(granted);
  EXPECT_EQ(lease.notices(), "renewed");
}

TEST(LeaseMachine, ARestorationIsTriedUntilTheStoreAnswers) {  // G7
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  lease.fail(ErrorCode::token_mismatch);
  for (int attempts = 0; attempts < 5; ++attempts) {
    EXPECT_EQ(lease.next_request(), "restore");
    lease.fail(ErrorCode::unavailable);
    EXPECT_TRUE(lease.held());
  }
  EXPECT_EQ(lease.next_request(), "restore");
  lease.answer(granted);
  EXPECT_TRUE(lease.held());
}

TEST(LeaseMachine, ALapsedHolderRestoresNothing) {  // G7, R3
  Transcript lease = held_lease();
  EXPECT_EQ(lease.next_request(), "renew");
  lease.pass(validity);
  lease.fail(ErrorCode::not_assigned);
  EXPECT_EQ(lease.machine.state(), State::lost);

  // An answer that comes too late does not revive it: it resumes, under a new epoch.
  Transcript late = held_lease();
  EXPECT_EQ(late.next_request(), "renew");
  late.fail(ErrorCode::not_assigned);
  EXPECT_EQ(late.next(), "restore");
  late.pass(validity);
  late.answer(granted);
  EXPECT_FALSE(late.held());
  EXPECT_EQ(late.next_request(), "resume");
  late.fail(ErrorCode::holding_back, 10s);
  EXPECT_EQ(late.next_request(), "resume");
  late.answer(resumed);
  EXPECT_TRUE(late.held());
}

TEST(LeaseMachine, ErrorsOfConfigurationEndNothingBeforeTheDeadline) {
  for (const ErrorCode code : {ErrorCode::denied, ErrorCode::corrupt_record,
                               ErrorCode::unsupported_server, ErrorCode::holding_back}) {
    Transcript lease = held_lease();
    EXPECT_EQ(lease.next_request(), "renew");
    lease.fail(code);
    EXPECT_TRUE(lease.held());
    EXPECT_EQ(lease.notices(), "renewal_failed");
    EXPECT_EQ(lease.next_request(), "renew");
  }
}

TEST(LeaseMachine, StopsBeforeItReleases) {  // mutant: release sent before the local close
  for (const bool suspended : {false, true}) {
    Transcript lease = suspended ? suspended_lease() : held_lease();
    lease.machine.release(lease.now());
    EXPECT_FALSE(lease.held());
    EXPECT_EQ(lease.machine.state(), State::releasing);
    EXPECT_EQ(lease.next(), "release");
    lease.machine.answered_release(lease.now());
    EXPECT_EQ(lease.machine.state(), State::released);
    EXPECT_EQ(lease.notices(), "released");
    EXPECT_FALSE(lease.machine.error());
    EXPECT_EQ(lease.next(), "done");
  }
}

TEST(LeaseMachine, AReleaseIsTriedThreeTimesWithinItsBound) {  // G10
  Transcript lease = held_lease();
  lease.machine.release(lease.now());
  int attempts = 0;
  while (lease.next_request() == "release") {
    ++attempts;
    lease.fail(ErrorCode::unavailable);
  }
  EXPECT_EQ(attempts, 3);
  EXPECT_LE(lease.elapsed(), 2s);
  EXPECT_EQ(lease.machine.state(), State::released);
  EXPECT_EQ(lease.machine.error()->error_code(), ErrorCode::unavailable);
  EXPECT_FALSE(lease.held());
}

TEST(LeaseMachine, SlowReleasesEndWithTheBound) {  // G10
  Transcript lease = held_lease();
  lease.machine.release(lease.now());
  for (;;) {
    const LeaseMachine::Action action = lease.machine.next(lease.now());
    if (const auto* release = std::get_if<LeaseMachine::Release>(&action)) {
      lease.pass(release->timeout);
      lease.fail(ErrorCode::outcome_unknown);
    } else if (const auto* wait = std::get_if<LeaseMachine::Wait>(&action)) {
      lease.pass(std::chrono::ceil<milliseconds>(wait->until - lease.now().boot));
    } else {
      break;
    }
  }
  EXPECT_LE(lease.elapsed(), 2s + 10ms);
  EXPECT_EQ(lease.machine.state(), State::released);
}

TEST(LeaseMachine, ReleasingWhatIsGoneIsNoError) {  // G5
  for (const ErrorCode code :
       {ErrorCode::token_mismatch, ErrorCode::not_assigned, ErrorCode::token_expired}) {
    Transcript lease = held_lease();
    lease.machine.release(lease.now());
    lease.next();
    lease.fail(ErrorCode::outcome_unknown);
    EXPECT_EQ(lease.next_request(), "release");
    lease.fail(code);
    EXPECT_EQ(lease.machine.state(), State::released);
    EXPECT_FALSE(lease.machine.error());
  }
}

TEST(LeaseMachine, AbandonStopsAndSaysNothingToTheStore) {
  for (const bool suspended : {false, true}) {
    Transcript lease = suspended ? suspended_lease() : held_lease();
    lease.machine.abandon();
    EXPECT_FALSE(lease.held());
    EXPECT_EQ(lease.notices(), "abandoned");
    EXPECT_EQ(lease.next(), "done");
  }
}

// Every event in every state that is over changes nothing.
TEST(LeaseMachine, WhatIsOverStaysOver) {
  const std::vector<std::pair<State, std::function<Transcript()>>> ends = {
      {State::failed,
       [] {
         Transcript lease;
         lease.next();
         lease.fail(ErrorCode::denied);
         return lease;
       }},
      {State::lost,
       [] {
         Transcript lease = held_lease();
         lease.next_request();
         lease.fail(ErrorCode::token_mismatch);
         lease.next();
         lease.fail(ErrorCode::token_mismatch);
         return lease;
       }},
      {State::released,
       [] {
         Transcript lease = held_lease();
         lease.machine.release(lease.now());
         lease.next();
         lease.machine.answered_release(lease.now());
         return lease;
       }},
      {State::abandoned,
       [] {
         Transcript lease = held_lease();
         lease.machine.abandon();
         return lease;
       }},
  };
  const std::vector<std::function<void(Transcript&)>> events = {
      [](Transcript& lease) { lease.answer(resumed); },
      [](Transcript& lease) { lease.machine.answered_release(lease.now()); },
      [](Transcript& lease) { lease.fail(ErrorCode::token_mismatch); },
      [](Transcript& lease) { lease.fail(ErrorCode::unavailable); },
      [](Transcript& lease) { lease.machine.release(lease.now()); },
      [](Transcript& lease) { lease.machine.abandon(); },
      [](Transcript& lease) { lease.pass(1h); },
      [](Transcript& lease) { lease.step_wall(-24h); },
  };
  for (const auto& [state, make] : ends) {
    for (const auto& event : events) {
      Transcript lease = make();
      lease.notices();
      event(lease);
      EXPECT_EQ(lease.machine.state(), state);
      EXPECT_FALSE(lease.held());
      EXPECT_EQ(lease.next(), "done");
      EXPECT_EQ(lease.notices(), "");
    }
  }
}

TEST(LeaseMachine, AcquiringCannotBeReleasedOrAbandoned) {
  Transcript lease;
  lease.machine.release(lease.now());
  lease.machine.abandon();
  EXPECT_EQ(lease.machine.state(), State::acquiring);
  EXPECT_EQ(lease.next(), "acquire");
}

TEST(LeaseMachine, IsDeterministic) {
  const auto transcript = [](std::uint64_t seed) {
    Transcript lease(2s, seed);
    std::string text;
    for (int step = 0; step < 200; ++step) {
      const std::string action = lease.next_request();
      text += action + std::to_string(lease.elapsed().count()) + " ";
      if (step % 3 == 1) {
        lease.fail(ErrorCode::unavailable);
      } else {
        lease.answer(action == "resume" ? resumed : granted);
      }
    }
    return text;
  };
  EXPECT_EQ(transcript(5), transcript(5));
  EXPECT_NE(transcript(5), transcript(6));
}

}  // namespace
}  // namespace workerid::detail
