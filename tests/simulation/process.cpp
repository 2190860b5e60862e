// SPDX-License-Identifier: MIT
#include "process.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace simulation {

using namespace workerid;          // NOLINT: the names of the library, all over
using namespace workerid::detail;  // NOLINT
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

// A token that only this seed's lease has.
Token token_of(std::uint64_t seed, int lease) {
  static constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint64_t bits = hash({seed, static_cast<std::uint64_t>(lease), 1});
  for (std::size_t index = 0; index < Token::text_length - 1; ++index) {
    if (index == 10) bits = mixed(bits);
    text += alphabet[bits & 63U];
    bits >>= 6U;
  }
  return Token::parse(text + 'A');
}

Verb verb_of(Renewal renewal) {
  switch (renewal) {
    case Renewal::strict:
      return Verb::renew_strict;
    case Renewal::held:
      return Verb::renew_held;
    case Renewal::resume:
      return Verb::renew_resume;
  }
  return Verb::none;
}

bool lives(const LeaseMachine& machine) {
  return machine.state() == LeaseMachine::State::held ||
         machine.state() == LeaseMachine::State::suspended;
}

}  // namespace

Process::Process(Surroundings& surroundings, const Schedule& schedule, int seat, int number)
    : surroundings_(surroundings),
      schedule_(schedule),
      seat_(seat),
      host_(schedule.seats.at(static_cast<std::size_t>(seat)).host),
      number_(number),
      configuration_(schedule.configuration),
      timing_(configuration_.lease_time) {
  const Seat& place = schedule.seats.at(static_cast<std::size_t>(seat));
  if (place.other_configuration) ++configuration_.max_worker_id;
  slots_.resize(static_cast<std::size_t>(place.leases));
  if (schedule.snowflakes) threads_.resize(slots_.size() * threads_of_lease);
}

Moment Process::moment() const {
  return surroundings_.clock(host_).moment(surroundings_.now());
}

ClientTime Process::client_time(const Moment& now) const {
  return {now, "host" + std::to_string(host_)};
}

Entry Process::entry(Entry::Kind kind, int slot) {
  Entry entry;
  entry.kind = kind;
  entry.host = host_;
  entry.seat = seat_;
  entry.process = number_;
  entry.lease = at(slot).lease;
  return entry;
}

int Process::send(int slot, Verb verb, Request request, milliseconds timeout) {
  return surroundings_.send({number_, slot, at(slot).lease, verb, std::move(request), timeout});
}

void Process::wait(int slot, BootTime until) {
  at(slot).ticket = ++tickets_;
  surroundings_.wake(number_, slot, tickets_, until);
}

// A user wants another lease soon after it lost one.
void Process::rest(int slot) {
  Slot& place = at(slot);
  place.stage = Stage::resting;
  place.claims_name = false;
  place.known.reset();
  place.snowflake.reset();
  place.message = -1;
  place.wake_at.reset();
  const Time longest = configuration_.lease_time / 8;
  const auto part = static_cast<std::int64_t>(
      hash({schedule_.seed, static_cast<std::uint64_t>(place.lease), 2}) % 1000);
  wait(slot, moment().boot + milliseconds{1} + longest / 1000 * part);
}

// A machine that is always due would keep its thread, and this world, for ever.
void Process::check_progress() {
  if (last_step_ != surroundings_.now()) steps_at_once_ = 0;
  last_step_ = surroundings_.now();
  if (++steps_at_once_ > 1000) throw std::logic_error("a process spins");
}

void Process::begin() {
  for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) acquire(slot);
  for (int thread = 0; thread < static_cast<int>(threads_.size()); ++thread) {
    generate_later(thread, milliseconds{1});
  }
}

void Process::timer(int slot, std::uint64_t ticket) {
  if (slot == keeper) {
    if (ticket == keeper_ticket_) run_keeper();
    return;
  }
  const int thread = slot - static_cast<int>(slots_.size());
  if (thread >= 0) {
    if (ticket == threads_.at(static_cast<std::size_t>(thread)).ticket) generate(thread);
    return;
  }
  Slot& place = at(slot);
  if (ticket != place.ticket) return;
  place.ticket = 0;
  switch (place.stage) {
    case Stage::resting:
      acquire(slot);
      break;
    case Stage::acquiring:
      acquire_step(slot);
      break;
    case Stage::releasing:
      release_step(slot);
      break;
    case Stage::explicitly_held:
      renew_explicitly(slot);
      break;
    case Stage::kept:
      break;
  }
}

void Process::answer(int message, const Outcome& outcome) {
  if (message == keeper_message_) {
    keeper_answered(outcome);
    return;
  }
  for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) {
    Slot& place = at(slot);
    if (place.message != message) continue;
    place.message = -1;
    const Stage stage = place.stage;
    if (stage == Stage::acquiring) acquire_answered(slot, outcome);
    if (stage == Stage::releasing) release_answered(slot, outcome);
    if (stage == Stage::explicitly_held) explicitly_answered(slot, outcome);
    return;
  }
}

// ---- what GeneratorCore::acquire does

// One lease at a time has the name; one that its user renews, while it is remembered.
bool Process::claim_name() {
  const Seat& seat = schedule_.seats.at(static_cast<std::size_t>(seat_));
  if (seat.instance.empty()) return false;
  const Moment now = moment();
  for (const Slot& other : slots_) {
    if (!other.claims_name) continue;
    if (other.stage != Stage::explicitly_held) return false;
    if (other.known && now.boot < other.known->validity.boot) return false;
  }
  return true;
}

void Process::acquire(int slot) {
  const Seat& seat = schedule_.seats.at(static_cast<std::size_t>(seat_));
  Slot& place = at(slot);
  place.lease = surroundings_.new_lease();
  place.stage = Stage::acquiring;
  place.claims_name = false;
  place.claims_name = claim_name();
  place.origin = {.cluster = "c",
                  .configuration = configuration_,
                  .token = token_of(schedule_.seed, place.lease),
                  .instance = place.claims_name ? seat.instance : "",
                  .takeover = {},
                  .owner = {},
                  .fresh = seat.fresh,
                  .seen_epoch = seen_epoch_,
                  .client = {}};
  if (place.claims_name && seat.identity) {
    place.origin.takeover.tokens = surroundings_.identity(seat_).add(place.origin.token);
  }
  place.looks = place.claims_name && seat.takeover;
  const Moment now = moment();
  place.machine.emplace(configuration_.lease_time,
                        hash({schedule_.seed, static_cast<std::uint64_t>(place.lease), 3}), now,
                        seat.wait);
  place.told = {};
  place.told_epoch = 0;
  place.alive = false;
  Entry calling = entry(Entry::Kind::calling, slot);
  calling.verb = Verb::acquire;
  calling.limit = (now.boot + seat.wait + timing_.attempt).time_since_epoch();
  surroundings_.see(calling);
  acquire_step(slot);
}

void Process::acquire_step(int slot) {
  check_progress();
  Slot& place = at(slot);
  const Moment now = moment();
  const LeaseMachine::Action action = place.machine->next(now);
  if (const auto* waiting = std::get_if<LeaseMachine::Wait>(&action)) {
    wait(slot, waiting->until);
    return;
  }
  const milliseconds timeout = std::get<LeaseMachine::Acquire>(action).timeout;
  place.origin.client = client_time(now);
  place.give_up = now.boot + timeout;
  if (place.looks) {
    place.message = send(slot, Verb::look, LookRequest{place.origin.instance}, timeout);
  } else {
    place.message = send(slot, Verb::acquire, place.origin, timeout);
  }
}

// The request says when it was begun, before it was looked for what it takes over.
void Process::looked(int slot, const Grant& former) {
  Slot& place = at(slot);
  place.looks = false;
  place.origin.takeover.epoch = former.epoch;
  const auto left = std::chrono::floor<milliseconds>(place.give_up - moment().boot);
  place.message = send(slot, Verb::acquire, place.origin, std::max(milliseconds{1}, left));
}

void Process::acquire_answered(int slot, const Outcome& outcome) {
  Slot& place = at(slot);
  LeaseMachine& machine = *place.machine;
  const auto* grant = std::get_if<Grant>(&outcome);
  if (grant != nullptr && place.looks) {
    looked(slot, *grant);
    return;
  }
  if (grant != nullptr) {
    machine.answered(*grant, moment());
  } else {
    machine.failed(std::get<Error>(outcome), moment());
  }
  if (machine.state() == LeaseMachine::State::acquiring) {
    acquire_step(slot);
    return;
  }
  Entry over = entry(Entry::Kind::over, slot);
  over.verb = Verb::acquire;
  if (machine.state() == LeaseMachine::State::failed) {
    over.code = machine.error()->error_code();
    surroundings_.see(over);
    rest(slot);
    return;
  }
  surroundings_.see(over);
  seen_epoch_ = std::max(seen_epoch_, machine.grant().epoch);
  if (schedule_.seats.at(static_cast<std::size_t>(seat_)).explicit_calls) {
    machine.take_notices();
    place.stage = Stage::explicitly_held;
    place.known = Known{machine.grant(), machine.validity()};
    believe(slot, machine.grant(), machine.validity());
    wait(slot, moment().boot + timing_.renew_after);
    return;
  }
  place.stage = Stage::kept;
  place.last_timestamp_ms.reset();
  if (schedule_.snowflakes) {
    place.snowflake = std::make_shared<SimulatedSnowflake>(*schedule_.snowflakes);
  }
  tell(slot);
  place.wake_at = moment().boot;
  run_keeper();
}

// ---- what Keeper does

void Process::believe(int slot, const Grant& grant, const LeaseMachine::Validity& validity) {
  Slot& place = at(slot);
  place.alive = true;
  place.told = validity;
  place.told_epoch = grant.epoch;
  place.grant = grant;
  Entry belief = entry(Entry::Kind::belief, slot);
  belief.worker_id = grant.worker_id;
  belief.epoch = grant.epoch;
  belief.reserved = grant.reserved;
  belief.boot_validity = validity.boot.time_since_epoch();
  // The user of an explicit lease counts the lease time, and knows of no second witness.
  belief.wall_validity = place.stage == Stage::explicitly_held
                             ? std::numeric_limits<std::int64_t>::max()
                             : validity.wall.time_since_epoch().count();
  surroundings_.see(belief);
}

void Process::end(int slot) {
  Slot& place = at(slot);
  if (!place.alive) return;
  place.alive = false;
  Entry ended = entry(Entry::Kind::ended, slot);
  ended.worker_id = place.grant.worker_id;
  surroundings_.see(ended);
}

// What the machine did becomes visible first, then it is told.
void Process::tell(int slot) {
  Slot& place = at(slot);
  LeaseMachine& machine = *place.machine;
  const LeaseMachine::Validity& validity = machine.validity();
  place.published = {machine.grant().reserved, machine.grant().epoch, {}};
  place.held_as_told = machine.state() == LeaseMachine::State::held;
  if (lives(machine)) {
    if (validity.boot != place.told.boot || validity.wall != place.told.wall ||
        machine.grant().epoch != place.told_epoch) {
      believe(slot, machine.grant(), validity);
    }
  } else if (validity.boot != BootTime::min()) {
    believe(slot, machine.grant(), validity);  // A machine that ended without closing.
  } else {
    end(slot);
  }
  for (const LeaseMachine::Notice& happened : machine.take_notices()) {
    Entry notice = entry(Entry::Kind::notice, slot);
    notice.event = happened.kind;
    notice.worker_id = machine.grant().worker_id;
    notice.epoch = machine.grant().epoch;
    if (happened.error) notice.code = happened.error->error_code();
    surroundings_.see(notice);
  }
}

void Process::run_keeper() {
  while (keeper_message_ < 0) {
    int next = -1;
    for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) {
      if (at(slot).wake_at && (next < 0 || *at(slot).wake_at < *at(next).wake_at)) next = slot;
    }
    if (next < 0) return;
    if (*at(next).wake_at > moment().boot) {
      keeper_ticket_ = ++tickets_;
      surroundings_.wake(number_, keeper, keeper_ticket_, *at(next).wake_at);
      return;
    }
    keeper_step(next);
  }
}

void Process::keeper_step(int slot) {
  check_progress();
  Slot& place = at(slot);
  const Moment now = moment();
  const LeaseMachine::Action action = place.machine->next(now);
  tell(slot);
  if (const auto* waiting = std::get_if<LeaseMachine::Wait>(&action)) {
    place.wake_at = waiting->until;
    return;
  }
  place.wake_at.reset();
  if (const auto* renew = std::get_if<LeaseMachine::Renew>(&action)) {
    keeper_message_ = send(slot, verb_of(renew->renewal),
                           RenewRequest{"c", place.machine->grant().worker_id, place.origin.token,
                                        renew->renewal, client_time(now)},
                           renew->timeout);
  } else if (const auto* restore = std::get_if<LeaseMachine::Restore>(&action)) {
    keeper_message_ =
        send(slot, Verb::restore,
             RestoreRequest{"c", place.origin.configuration, place.origin.token,
                            place.machine->grant(), place.origin.instance, place.origin.owner,
                            client_time(now), place.machine->validity().boot},
             restore->timeout);
  }
  keeper_slot_ = slot;
  keeper_lease_ = place.lease;
}

void Process::keeper_answered(const Outcome& outcome) {
  keeper_message_ = -1;
  Slot& place = at(keeper_slot_);
  // The holder may have ended the lease meanwhile: the answer means nothing any more.
  if (place.lease == keeper_lease_ && place.stage == Stage::kept && lives(*place.machine)) {
    LeaseMachine& machine = *place.machine;
    if (const auto* grant = std::get_if<Grant>(&outcome)) {
      machine.answered(*grant, moment());
    } else {
      machine.failed(std::get<Error>(outcome), moment());
    }
    tell(keeper_slot_);
    if (lives(machine)) {
      place.wake_at = moment().boot;
    } else {
      rest(keeper_slot_);
    }
  }
  run_keeper();
}

void Process::release(int slot) {
  Slot& place = at(slot);
  if (place.stage == Stage::explicitly_held) {
    release_explicitly(slot);
    return;
  }
  if (place.stage != Stage::kept || !lives(*place.machine)) return;
  const Moment now = moment();
  if (place.snowflake) {
    place.last_timestamp_ms = place.snowflake->close(place.published.reserved);
  }
  place.machine->release(now);
  tell(slot);
  place.wake_at.reset();
  place.stage = Stage::releasing;
  Entry calling = entry(Entry::Kind::calling, slot);
  calling.verb = Verb::release;
  calling.limit = (now.boot + timing_.release).time_since_epoch();
  surroundings_.see(calling);
  release_step(slot);
}

void Process::release_step(int slot) {
  check_progress();
  Slot& place = at(slot);
  const Moment now = moment();
  const LeaseMachine::Action action = place.machine->next(now);
  if (const auto* waiting = std::get_if<LeaseMachine::Wait>(&action)) {
    wait(slot, waiting->until);
  } else if (const auto* release = std::get_if<LeaseMachine::Release>(&action)) {
    place.message = send(slot, Verb::release,
                         ReleaseRequest{.cluster = "c",
                                        .worker_id = place.machine->grant().worker_id,
                                        .token = place.origin.token,
                                        .strict = false,
                                        .last_timestamp_ms = place.last_timestamp_ms,
                                        .client = client_time(now)},
                         release->timeout);
  } else {
    Entry over = entry(Entry::Kind::over, slot);
    over.verb = Verb::release;
    if (place.machine->error()) over.code = place.machine->error()->error_code();
    surroundings_.see(over);
    tell(slot);
    end(slot);
    rest(slot);
  }
}

void Process::release_answered(int slot, const Outcome& outcome) {
  LeaseMachine& machine = *at(slot).machine;
  if (const auto* error = std::get_if<Error>(&outcome)) {
    machine.failed(*error, moment());
  } else {
    machine.answered_release(moment());
  }
  release_step(slot);
}

void Process::abandon(int slot) {
  Slot& place = at(slot);
  if (place.stage == Stage::explicitly_held) {
    end(slot);
    rest(slot);
  } else if (place.stage == Stage::kept && lives(*place.machine)) {
    if (place.snowflake) place.snowflake->close(place.published.reserved);
    place.machine->abandon();
    tell(slot);
    rest(slot);
  }
}

std::optional<Entry> Process::check(int slot) {
  Slot& place = at(slot);
  const Moment now = moment();
  const bool witnessed = place.stage == Stage::explicitly_held || now.wall < place.told.wall;
  if (!place.alive || now.boot >= place.told.boot || !witnessed) return std::nullopt;
  Entry checked = entry(Entry::Kind::checked, slot);
  checked.worker_id = place.grant.worker_id;
  checked.epoch = place.grant.epoch;
  checked.reserved = place.grant.reserved;
  return checked;
}

// ---- what SnowflakeCore does, called by threads that are held up anywhere

void Process::generate_later(int thread, nanoseconds time) {
  threads_.at(static_cast<std::size_t>(thread)).ticket = ++tickets_;
  surroundings_.wake(number_, static_cast<int>(slots_.size()) + thread, tickets_,
                     moment().boot + std::max<nanoseconds>(time, std::chrono::microseconds{1}));
}

std::int64_t Process::draw_count(Random& random) const {
  const std::int64_t tick = std::int64_t{1} << schedule_.snowflakes->sequence_bits;
  return random.pick({std::int64_t{1}, random.between(1, tick), tick, tick});
}

Time Process::draw_pause(Random& random) const {
  const Time lease = configuration_.lease_time;
  return random.pick({Time{milliseconds{1}}, Time{milliseconds{1}},
                      Time{schedule_.snowflakes->tick}, random.between(Time{1}, lease / 20),
                      random.between(Time{1}, lease / 8), random.between(Time{1}, lease / 4)});
}

void Process::generate(int thread) {
  check_progress();
  Thread& own = threads_.at(static_cast<std::size_t>(thread));
  Random random(hash({schedule_.seed, static_cast<std::uint64_t>(number_),
                      static_cast<std::uint64_t>(thread), ++own.calls, 8}));
  const int slot = thread / threads_of_lease;
  if (std::exchange(own.held_up, false)) {
    // LeaseControl reads the end of the reserved timestamps, then the beginning.
    if (random.chance(500) && own.snowflake == at(slot).snowflake) {
      own.reading.reserved.first_ms = at(slot).published.reserved.first_ms;
    }
    take(thread);
    return;
  }
  const Slot& place = at(slot);
  if (place.stage != Stage::kept || !place.snowflake) {
    generate_later(thread, configuration_.lease_time / 16);
    return;
  }
  if (!place.snowflake->usable(place.held_as_told)) {
    generate_later(thread, configuration_.lease_time / 16);
    renew_soon(slot);
    return;
  }
  own.snowflake = place.snowflake;
  own.reading = place.published;
  own.reading.glance =
      moment().wall - milliseconds{random.between(0, schedule_.snowflakes->coarse.count())};
  own.count = draw_count(random);
  own.issued = entry(Entry::Kind::issued, slot);
  own.issued.worker_id = place.grant.worker_id;
  own.issued.epoch = own.reading.epoch;
  if (random.chance(100)) {
    const Time lease = configuration_.lease_time;
    own.held_up = true;
    generate_later(
        thread, random.pick({random.between(Time{1}, Time{milliseconds{5}}),
                             random.between(Time{1}, lease), random.between(Time{1}, 3 * lease)}));
    return;
  }
  take(thread);
}

void Process::take(int thread) {
  Thread& own = threads_.at(static_cast<std::size_t>(thread));
  Random random(hash({schedule_.seed, static_cast<std::uint64_t>(number_),
                      static_cast<std::uint64_t>(thread), own.calls, 9}));
  const int slot = thread / threads_of_lease;
  const WallTime now = moment().wall;
  const SimulatedSnowflake::Taken taken = own.snowflake->take(own.count, own.reading, now);
  const Time pause = draw_pause(random);
  switch (taken.outcome) {
    case SimulatedSnowflake::Outcome::taken:
      own.issued.position = taken.position;
      own.issued.amount = taken.count;
      own.issued.reserved = taken.timestamps;
      surroundings_.see(own.issued);
      generate_later(thread, pause);
      return;
    case SimulatedSnowflake::Outcome::later:
      generate_later(thread, std::min<nanoseconds>(taken.ready_at - now, pause));
      return;
    case SimulatedSnowflake::Outcome::unreserved:
      generate_later(thread, configuration_.lease_time / 16);
      if (own.snowflake == at(slot).snowflake) renew_soon(slot);
      return;
    case SimulatedSnowflake::Outcome::ended:
      generate_later(thread, pause);
      return;
  }
}

void Process::renew_soon(int slot) {
  Slot& place = at(slot);
  if (place.stage != Stage::kept || !place.machine->hurry(moment()) || !place.wake_at) return;
  place.wake_at = moment().boot;
  run_keeper();
}

// The child has the snowflake and believes what was published, but not the threads that renew.
void Process::fork(int slot) {
  const Slot& place = at(slot);
  if (place.stage != Stage::kept || !place.snowflake) return;
  const std::shared_ptr<SimulatedSnowflake> child = place.snowflake->forked();
  if (!child->usable(place.held_as_told)) return;
  SnowflakeReading reading = place.published;
  reading.glance = moment().wall;
  const auto taken =
      child->take(std::int64_t{1} << schedule_.snowflakes->sequence_bits, reading, reading.glance);
  if (taken.outcome != SimulatedSnowflake::Outcome::taken) return;
  Entry issued = entry(Entry::Kind::issued, slot);
  issued.process = -1;
  issued.worker_id = place.grant.worker_id;
  issued.epoch = reading.epoch;
  issued.position = taken.position;
  issued.amount = taken.count;
  issued.reserved = taken.timestamps;
  surroundings_.see(issued);
}

// ---- what Generator::renew and release do; their user counts a lease time from before each call

void Process::renew_explicitly(int slot) {
  check_progress();
  Slot& place = at(slot);
  place.anchor = moment();
  place.restoring = false;
  if (place.known && place.anchor.boot >= place.known->validity.boot) {
    place.known.reset();
    if (!schedule_.seats.at(static_cast<std::size_t>(seat_)).script) {  // It asks nobody.
      explicit_call_failed(slot, ErrorCode::token_expired);
      return;
    }
  }
  place.was_valid = place.known && place.known->validity.covers(place.anchor);
  const Renewal renewal = place.was_valid ? Renewal::held : Renewal::strict;
  place.message = send(slot, verb_of(renewal),
                       RenewRequest{"c", place.grant.worker_id, place.origin.token, renewal,
                                    client_time(place.anchor)},
                       timing_.attempt);
}

void Process::explicitly_answered(int slot, const Outcome& outcome) {
  Slot& place = at(slot);
  const Moment now = moment();
  if (const auto* grant = std::get_if<Grant>(&outcome)) {
    const bool forgotten =
        place.was_valid && !place.restoring && grant->epoch < place.known->grant.epoch;
    if (!forgotten || !place.known->validity.covers(now)) {
      accept_explicitly(slot, *grant);
      return;
    }
  } else {
    const ErrorCode code = std::get<Error>(outcome).error_code();
    if (!place.was_valid || place.restoring || !ends_ownership(code) ||
        !place.known->validity.covers(now)) {
      explicit_call_failed(slot, code);
      return;
    }
  }
  place.anchor = now;
  place.restoring = true;
  place.message = send(slot, Verb::restore,
                       RestoreRequest{"c", place.origin.configuration, place.origin.token,
                                      place.known->grant, place.origin.instance, place.origin.owner,
                                      client_time(now), place.known->validity.boot},
                       timing_.attempt);
}

void Process::accept_explicitly(int slot, const Grant& grant) {
  Slot& place = at(slot);
  const LeaseMachine::Validity validity{place.anchor.boot + grant.lease_time,
                                        place.anchor.wall + grant.lease_time};
  if (place.was_valid) {
    if (!place.known->validity.covers(moment())) {
      explicit_call_failed(slot, ErrorCode::token_expired);
      return;
    }
  }
  if (place.known) {
    if (moment().boot >= place.known->validity.boot) {
      explicit_call_failed(slot, ErrorCode::token_expired);
      return;
    }
    place.known = Known{grant, validity};
  }
  believe(slot, grant, validity);
  wait(slot, place.anchor.boot + timing_.renew_after);
}

void Process::explicit_call_failed(int slot, ErrorCode code) {
  Slot& place = at(slot);
  if (!ends_ownership(code)) {
    wait(slot, moment().boot + timing_.longest_retry);
    return;
  }
  Entry lost = entry(Entry::Kind::notice, slot);
  lost.event = Event::Kind::lost;
  lost.worker_id = place.grant.worker_id;
  lost.code = code;
  end(slot);
  surroundings_.see(lost);
  rest(slot);
}

void Process::release_explicitly(int slot) {
  Slot& place = at(slot);
  end(slot);
  send(slot, Verb::release,
       ReleaseRequest{.cluster = "c",
                      .worker_id = place.grant.worker_id,
                      .token = place.origin.token,
                      .strict = true,
                      .last_timestamp_ms = std::nullopt,
                      .client = client_time(moment())},
       timing_.attempt);
  rest(slot);
}

}  // namespace simulation
