// SPDX-License-Identifier: MIT
#include "world.hpp"

#include <algorithm>

namespace simulation {

using namespace workerid;  // NOLINT: the names of the library, all over
using std::chrono::milliseconds;

namespace {

// Of a loss, as the trace says it.
constexpr std::int64_t shown = 0;
constexpr std::int64_t silent = 1;
constexpr std::int64_t one_record = 2;

constexpr std::int64_t frozen = 0;

}  // namespace

World::World(const Schedule& schedule, Judge& judge)
    : schedule_(schedule),
      judge_(judge),
      messages_of_(schedule.seats.size()),
      identities_(schedule.seats.size()) {
  for (const HostClock::Line& line : schedule.hosts) {
    hosts_.emplace_back();
    hosts_.back().clock.follow(line);
  }
  nodes_.emplace_back(schedule.store, boot_clock_store() ? schedule.hosts.at(0) : schedule.server,
                      "i" + std::to_string(incarnations_++), schedule.store_was_just_started,
                      schedule.configuration.lease_time);
  in_seat_.assign(schedule.seats.size(), -1);
  for (const Happening& happening : schedule.happenings) {
    if (!about_a_message(happening.what)) continue;
    Fate& fate = fates_[{happening.target, static_cast<int>(happening.extra)}];
    if (happening.what == What::drop_request) fate.drop_request = true;
    if (happening.what == What::drop_reply) fate.drop_reply = true;
    if (happening.what == What::delay_request) fate.request_delay = happening.amount;
    if (happening.what == What::delay_reply) fate.reply_delay = happening.amount;
    if (happening.what == What::duplicate) fate.duplicate_after = happening.amount;
  }
}

bool World::boot_clock_store() const noexcept {
  return schedule_.store == StoreKind::sqlite || schedule_.store == StoreKind::memory;
}

Run World::run() {
  for (int host = 0; host < static_cast<int>(hosts_.size()); ++host) show_clock(host);
  for (int index = 0; index < static_cast<int>(schedule_.happenings.size()); ++index) {
    const Happening& happening = schedule_.happenings[static_cast<std::size_t>(index)];
    if (about_a_message(happening.what)) continue;
    push(happening.at, {.kind = Event::Kind::happening, .index = index});
  }
  push(schedule_.heal_at, {.kind = Event::Kind::heal});
  while (!heap_.empty() && heap_.top().at <= schedule_.end_at && judge_.wants_more()) {
    const Event event = heap_.top();
    heap_.pop();
    now_ = event.at;
    ++run_.events;
    dispatch(event);
  }
  now_ = std::max(now_, schedule_.end_at);
  for (const Life& one : lives_) {
    if (one.process) run_.process_time += now_ - one.began;
  }
  Entry finished;
  finished.kind = Entry::Kind::finished;
  see(finished);
  return std::move(run_);
}

void World::push(Time at, Event event) {
  if (at == never) return;
  event.at = std::max(at, now_);
  event.number = events_++;
  heap_.push(std::move(event));
}

void World::see(const Entry& entry) {
  Entry timed = entry;
  timed.time = now_;
  judge_.see(timed);
}

Entry World::entry_of(Entry::Kind kind, const Sent& request) {
  Entry entry;
  entry.kind = kind;
  entry.seat = request.seat;
  entry.process = request.message.process;
  entry.lease = request.message.lease;
  entry.message = request.number;
  entry.verb = request.message.verb;
  return entry;
}

void World::dispatch(const Event& event) {
  if (event.process >= 0) {
    Life& one = life(event.process);
    if (!one.process) return;
    if (now_ < one.paused_until) {  // It sees it when it runs again.
      one.held_up.push_back(event);
      return;
    }
  }
  switch (event.kind) {
    case Event::Kind::happening:
      happen(schedule_.happenings.at(static_cast<std::size_t>(event.index)));
      break;
    case Event::Kind::timer:
      life(event.process).process->timer(event.index, event.ticket);
      break;
    case Event::Kind::arrival:
      arrive(event.index);
      break;
    case Event::Kind::reply: {
      Sent& request = sent(event.index);
      if (!std::exchange(request.awaited, false)) return;
      Entry answered = entry_of(Entry::Kind::answered, request);
      if (const auto* error = std::get_if<Error>(event.outcome.get())) {
        answered.code = error->error_code();
      }
      see(answered);
      life(event.process).process->answer(event.index, *event.outcome);
      break;
    }
    case Event::Kind::time_out:
      time_out(event.index);
      break;
    case Event::Kind::act:
      see(works_.at(static_cast<std::size_t>(event.index)));
      break;
    case Event::Kind::wake:
      wake_up(event.index);
      break;
    case Event::Kind::mend:
      mend(event.index);
      break;
    case Event::Kind::heal:
      heal();
      break;
  }
}

// ---- messages

World::Fate World::fate_of(int seat, int number) {
  const std::uint64_t bits = hash(
      {schedule_.seed, static_cast<std::uint64_t>(seat), static_cast<std::uint64_t>(number), 4});
  Random random(bits);
  Fate fate;
  fate.request_delay = random.between(std::chrono::microseconds{50}, milliseconds{3});
  fate.reply_delay = random.between(std::chrono::microseconds{50}, milliseconds{3});
  if (healed_) return fate;
  const auto chosen = fates_.find({seat, number});
  if (chosen != fates_.end()) {
    const Time request_delay = chosen->second.request_delay;
    const Time reply_delay = chosen->second.reply_delay;
    Fate other = chosen->second;
    other.request_delay = request_delay != Time{} ? request_delay : fate.request_delay;
    other.reply_delay = reply_delay != Time{} ? reply_delay : fate.reply_delay;
    return other;
  }
  if (!schedule_.random_network()) return fate;

  const Time lease = schedule_.configuration.lease_time;
  const Time kept = lease + schedule_.configuration.reuse_delay;
  const auto delay = [&] {
    const Time little = random.between(Time{1}, lease / 100);
    const Time chosen_delay = random.pick(
        {random.between(milliseconds{1}, milliseconds{100}), random.between(Time{1}, lease / 6),
         lease - little, lease + little, kept - little, kept + little,
         random.between(Time{1}, lease), random.between(Time{1}, 2 * kept)});
    return chosen_delay;
  };
  const auto noted = [&](What what, Time amount) {
    run_.message_faults.push_back({now_, what, seat, amount, number});
  };
  if (random.chance(schedule_.drops)) {
    const bool before = random.chance(500);
    (before ? fate.drop_request : fate.drop_reply) = true;
    noted(before ? What::drop_request : What::drop_reply, {});
  }
  if (random.chance(schedule_.delays)) {
    fate.request_delay = delay();
    noted(What::delay_request, fate.request_delay);
  }
  if (random.chance(schedule_.delays)) {
    fate.reply_delay = delay();
    noted(What::delay_reply, fate.reply_delay);
  }
  if (random.chance(schedule_.duplicates)) {
    fate.duplicate_after = delay();
    noted(What::duplicate, fate.duplicate_after);
  }
  return fate;
}

int World::send(Message message) {
  const int index = static_cast<int>(sent_.size());
  const Process& process = *life(message.process).process;
  Sent request{std::move(message), process.host(), process.seat(), 0, {}, {}, true};
  request.number = ++messages_of_.at(static_cast<std::size_t>(request.seat));
  request.fate = fate_of(request.seat, request.number);
  Host& host = at(request.host);
  request.deadline = BootTime{host.clock.boot(now_)} + request.message.timeout;

  see(entry_of(Entry::Kind::sent, request));

  push(host.clock.when(request.deadline, now_),
       {.kind = Event::Kind::time_out, .process = request.message.process, .index = index});
  Time arrival = now_ + request.fate.request_delay;
  bool dropped = request.fate.drop_request;
  if (arrival < host.cut_requests_until) {
    // Some networks drop what they cannot pass on, others keep it.
    dropped = dropped || mixed(static_cast<std::uint64_t>(request.number)) % 2 == 0;
    arrival = host.cut_requests_until + request.fate.request_delay;
  }
  if (!dropped) push(arrival, {.kind = Event::Kind::arrival, .index = index});
  if (request.fate.duplicate_after > Time{}) {
    push(arrival + request.fate.duplicate_after, {.kind = Event::Kind::arrival, .index = index});
  }
  sent_.push_back(std::move(request));
  return index;
}

void World::wake(int process, int slot, std::uint64_t ticket, BootTime until) {
  const HostClock& clock = at(life(process).process->host()).clock;
  push(clock.when(until, now_),
       {.kind = Event::Kind::timer, .process = process, .index = slot, .ticket = ticket});
}

void World::arrive(int message) {
  Sent& request = sent(message);
  Host& host = at(request.host);
  if (now_ < down_until_) {
    reply(message, Error(ErrorCode::unavailable, "the server is down"));
    return;
  }
  if (now_ < store_paused_until_) {
    push(store_paused_until_, {.kind = Event::Kind::arrival, .index = message});
    return;
  }
  if (now_ < denies_until_) {
    reply(message, Error(ErrorCode::denied, "denied"));
    return;
  }
  StoreNode& node = nodes_.at(host.node);
  Request executed = request.message.request;
  auto* const acquire = std::get_if<AcquireRequest>(&executed);
  // What an operator says is true.
  if (acquire != nullptr)
    acquire->fresh = acquire->fresh && (node.knows_records() || !granted_ever_);
  const milliseconds held_back_until = node.hold_back_until();
  const Outcome outcome = node.execute(executed, now_);
  if (request.message.verb == Verb::look) {  // Nothing happened.
    reply(message, outcome);
    return;
  }

  Entry entry = entry_of(Entry::Kind::executed, request);
  entry.store_now = node.now_ms().count();
  entry.noticed = node.hold_back_until() > std::max(held_back_until, node.now_ms());
  entry.amount = static_cast<std::int64_t>(host.node);
  if (acquire != nullptr) {
    entry.takeover = !acquire->takeover.empty();
    entry.seen_epoch = acquire->seen_epoch;
  }
  if (const auto* release = std::get_if<ReleaseRequest>(&executed)) {
    entry.worker_id = release->worker_id;
    entry.reserved.last_ms = release->last_timestamp_ms.value_or(entry.reserved.last_ms);
  }
  if (const auto* error = std::get_if<Error>(&outcome)) {
    entry.code = error->error_code();
  } else if (request.message.verb != Verb::release) {
    const Grant& grant = std::get<Grant>(outcome);
    entry.worker_id = grant.worker_id;
    entry.epoch = grant.epoch;
    entry.reserved = grant.reserved;
    granted_ever_ = true;
  }
  see(entry);
  reply(message, outcome);
}

void World::reply(int message, Outcome outcome) {
  const Sent& request = sent(message);
  Time delay = request.fate.reply_delay;
  if (now_ < slow_until_) delay += slow_by_;
  const Host& host = at(request.host);
  if (request.fate.drop_reply || now_ + delay < host.cut_replies_until) return;
  push(now_ + delay, {.kind = Event::Kind::reply,
                      .process = request.message.process,
                      .index = message,
                      .outcome = std::make_shared<const Outcome>(std::move(outcome))});
}

void World::time_out(int message) {
  Sent& request = sent(message);
  if (!request.awaited) return;
  const HostClock& clock = at(request.host).clock;
  if (BootTime{clock.boot(now_)} < request.deadline) {  // The clock was bent.
    push(clock.when(request.deadline, now_),
         {.kind = Event::Kind::time_out, .process = request.message.process, .index = message});
    return;
  }
  request.awaited = false;
  Entry answered = entry_of(Entry::Kind::answered, request);
  answered.code = ErrorCode::outcome_unknown;
  see(answered);
  life(request.message.process)
      .process->answer(message, Error(ErrorCode::outcome_unknown, "no answer in time"));
}

// ---- what happens to the world

void World::note(const Happening& happening) {
  Entry fault;
  fault.kind = Entry::Kind::fault;
  fault.text = name(happening.what);
  if (happening.what < What::wall_step) {
    fault.seat = happening.target;
  } else if (happening.what < What::restart) {
    fault.host = happening.target;
  }
  fault.limit = happening.amount;
  fault.amount = happening.extra;
  see(fault);
}

void World::happen(const Happening& happening) {
  if (healed_ && happening.what != What::start) return;
  if (happening.what < What::wall_step) {
    happen_to_seat(happening);
    return;
  }
  note(happening);
  if (happening.what < What::restart) {
    happen_to_host(happening);
  } else {
    happen_to_store(happening);
  }
}

void World::start(int seat) {
  int& process = in_seat_.at(static_cast<std::size_t>(seat));
  if (process >= 0) return;
  const int host = schedule_.seats.at(static_cast<std::size_t>(seat)).host;
  if (now_ < at(host).stopped_until) return;
  // It must not be the first to say what the cluster is.
  const bool stranger = schedule_.seats.at(static_cast<std::size_t>(seat)).other_configuration;
  if (stranger && !nodes_.back().knows_records()) return;
  process = static_cast<int>(lives_.size());
  lives_.emplace_back();
  lives_.back().began = now_;
  lives_.back().process =
      std::make_unique<Process>(static_cast<Surroundings&>(*this), schedule_, seat, process);
  Entry started;
  started.kind = Entry::Kind::started;
  started.host = host;
  started.seat = seat;
  started.process = process;
  started.amount = schedule_.seats.at(static_cast<std::size_t>(seat)).leases;
  see(started);
  lives_.back().process->begin();
}

void World::crash(int process) {
  Life& one = life(process);
  run_.process_time += now_ - one.began;
  in_seat_.at(static_cast<std::size_t>(one.process->seat())) = -1;
  Entry crashed;
  crashed.kind = Entry::Kind::crashed;
  crashed.seat = one.process->seat();
  crashed.process = process;
  see(crashed);
  one.process.reset();
  one.held_up.clear();
}

void World::pause(int process, Time time) {
  Life& one = life(process);
  one.paused_until = std::max(one.paused_until, now_ + time);
  Entry paused;
  paused.kind = Entry::Kind::paused;
  paused.seat = one.process->seat();
  paused.process = process;
  paused.limit = one.paused_until;
  see(paused);
  push(one.paused_until, {.kind = Event::Kind::wake, .index = process});
}

// What came meanwhile is there at once: in the order in which it came, or the answers first.
void World::wake_up(int process) {
  Life& one = life(process);
  if (!one.process || now_ < one.paused_until) return;
  Entry woke;
  woke.kind = Entry::Kind::woke;
  woke.seat = one.process->seat();
  woke.process = process;
  see(woke);
  std::vector<Event> held_up = std::exchange(one.held_up, {});
  const std::uint64_t bits = hash({schedule_.seed, static_cast<std::uint64_t>(process),
                                   static_cast<std::uint64_t>(++one.wakes), 5});
  if (bits % 2 == 0) {
    std::stable_partition(held_up.begin(), held_up.end(),
                          [](const Event& event) { return event.kind == Event::Kind::reply; });
  }
  for (const Event& event : held_up) push(now_, event);
}

void World::happen_to_seat(const Happening& happening) {
  if (happening.target >= static_cast<int>(in_seat_.size())) return;
  if (happening.what == What::start) {
    start(happening.target);
    return;
  }
  const int process = in_seat_.at(static_cast<std::size_t>(happening.target));
  if (process < 0) return;
  const int slot = static_cast<int>(happening.extra);
  Life& one = life(process);
  if (happening.what == What::crash) {
    crash(process);
    return;
  }
  if (happening.what == What::pause) {
    pause(process, happening.amount);
    return;
  }
  if (now_ < one.paused_until) return;  // Its user does not run, either.
  note(happening);
  if (happening.what == What::release) one.process->release(slot);
  if (happening.what == What::abandon) one.process->abandon(slot);
  if (happening.what == What::fork) one.process->fork(slot);
  if (happening.what == What::work) {
    const std::optional<Entry> checked = one.process->check(slot);
    if (!checked) return;
    see(*checked);
    works_.push_back(*checked);
    works_.back().kind = Entry::Kind::acted;
    push(now_ + happening.amount, {.kind = Event::Kind::act,
                                   .process = process,
                                   .index = static_cast<int>(works_.size()) - 1});
  }
}

void World::show_clock(int host) {
  Entry entry;
  entry.kind = Entry::Kind::clock;
  entry.host = host;
  entry.line = at(host).clock.line();
  see(entry);
  if (host == 0 && boot_clock_store()) nodes_.front().clock.follow(at(host).clock.line());
}

// No process of the host runs for `time`; meanwhile its clocks run at these rates.
void World::stop_host(int host, Time time, std::int64_t boot_rate, std::int64_t wall_rate) {
  Host& stopped = at(host);
  if (now_ < stopped.stopped_until) return;
  stopped.stopped_until = now_ + time;
  stopped.rate = stopped.clock.line().wall_rate;
  stopped.clock.bend(now_, boot_rate, wall_rate);
  show_clock(host);
  for (int process = 0; process < static_cast<int>(lives_.size()); ++process) {
    Life& one = life(process);
    if (one.process && one.process->host() == host) pause(process, time);
  }
  // Before the processes wake.
  push(stopped.stopped_until - Time{1}, {.kind = Event::Kind::mend, .index = host});
}

void World::mend(int index) {
  if (index < 0) {
    for (Host& host : hosts_) host.node = nodes_.size() - 1;
    return;
  }
  Host& host = at(index);
  if (now_ + Time{1} < host.stopped_until || host.stopped_until == Time{}) return;
  host.stopped_until = {};
  host.clock.bend(now_, host.rate, host.rate);
  show_clock(index);
}

void World::happen_to_host(const Happening& happening) {
  if (happening.target >= static_cast<int>(hosts_.size())) return;
  Host& host = at(happening.target);
  const HostClock::Line line = host.clock.line();
  const Time until = now_ + happening.amount;
  switch (happening.what) {
    case What::wall_step:
      host.clock.bend(now_, line.boot_rate, line.wall_rate, happening.amount);
      show_clock(happening.target);
      break;
    case What::rate:
      if (now_ < host.stopped_until) return;
      host.clock.bend(now_, happening.amount.count(), happening.amount.count());
      show_clock(happening.target);
      break;
    case What::suspend:
      stop_host(happening.target, happening.amount, line.boot_rate, line.wall_rate);
      break;
    case What::stopped_boot:
    case What::checkpoint:
      stop_host(happening.target, happening.amount, frozen, line.wall_rate);
      break;
    case What::hidden_pause:
      stop_host(happening.target, happening.amount, frozen, frozen);
      break;
    case What::cut:
      host.cut_requests_until = std::max(host.cut_requests_until, until);
      host.cut_replies_until = std::max(host.cut_replies_until, until);
      break;
    case What::cut_requests:
      host.cut_requests_until = std::max(host.cut_requests_until, until);
      break;
    case What::cut_replies:
      host.cut_replies_until = std::max(host.cut_replies_until, until);
      break;
    default:
      break;
  }
}

void World::lose(Entry loss, const StoreNode& node, std::int64_t kind) {
  loss.epoch = node.last_epoch();
  loss.amount = kind;
  // Whatever was lost, nothing up to here is reserved again.
  const Time covered = node.clock.wall(now_) + rules::largest_clock_lead;
  loss.reserved.last_ms = std::chrono::floor<milliseconds>(covered).count() +
                          schedule_.configuration.lease_time.count();
  see(loss);
}

void World::happen_to_store(const Happening& happening) {
  StoreNode& node = nodes_.back();
  const Time until = now_ + happening.amount;
  const auto another = [&] { return "i" + std::to_string(incarnations_++); };
  const HostClock::Line line = node.clock.line();
  Entry loss;
  loss.kind = Entry::Kind::loss;
  loss.text = name(happening.what);
  switch (happening.what) {
    case What::restart:
      node.lose_last(happening.extra);
      node.begin(another(), now_);
      down_until_ = std::max(down_until_, until);
      lose(loss, node, shown);
      break;
    case What::fail_over:
      node.lose_last(happening.extra);
      node.clock.bend(now_, line.boot_rate, line.wall_rate, happening.amount);
      node.begin(another(), now_);
      lose(loss, node, shown);
      break;
    case What::split: {
      StoreNode promoted = node;
      promoted.lose_last(happening.extra);
      promoted.begin(another(), now_);
      nodes_.push_back(std::move(promoted));
      for (std::size_t host = 0; host < hosts_.size(); host += 2) {
        hosts_[host].node = nodes_.size() - 1;
      }
      push(until, {.kind = Event::Kind::mend, .index = -1});
      lose(loss, nodes_.back(), shown);
      break;
    }
    case What::wipe:
      node.lose_all();
      lose(loss, node, shown);
      break;
    case What::file_deleted:
      node.lose_all();
      node.begin(another(), now_);
      lose(loss, node, shown);
      break;
    case What::silent_return: {
      const milliseconds held_back_until = node.hold_back_until();
      node.lose_last(happening.extra);
      loss.noticed = node.hold_back_until() == held_back_until;
      lose(loss, node, silent);
      break;
    }
    case What::lose_record:
      node.lose_record(happening.extra);
      loss.worker_id = happening.extra;
      lose(loss, node, one_record);
      break;
    case What::store_step:
      node.clock.bend(now_, line.boot_rate, line.wall_rate, happening.amount);
      break;
    case What::store_rate:
      node.clock.bend(now_, happening.amount.count(), happening.amount.count());
      break;
    case What::store_pause:
      store_paused_until_ = std::max(store_paused_until_, until);
      break;
    case What::store_slow:
      slow_until_ = now_ + Time{happening.extra};
      slow_by_ = happening.amount;
      break;
    case What::store_denies:
      denies_until_ = std::max(denies_until_, until);
      break;
    case What::store_stepping:
      node.step_at_each_operation = happening.amount;
      break;
    default:
      break;
  }
}

void World::heal() {
  healed_ = true;
  Entry healed;
  healed.kind = Entry::Kind::healed;
  see(healed);
  down_until_ = store_paused_until_ = slow_until_ = denies_until_ = {};
  for (Host& host : hosts_) {
    host.cut_requests_until = host.cut_replies_until = {};
    host.node = nodes_.size() - 1;
  }
  for (int host = 0; host < static_cast<int>(hosts_.size()); ++host) {
    if (now_ < at(host).stopped_until) at(host).stopped_until = now_;
    mend(host);
  }
  nodes_.back().step_at_each_operation = {};
  // What was delayed on its way to the store never comes there.
  const Time usual = now_ + milliseconds{3};
  std::vector<Event> rest;
  for (; !heap_.empty(); heap_.pop()) {
    const Event& event = heap_.top();
    if (event.kind != Event::Kind::arrival || event.at <= usual) rest.push_back(event);
  }
  for (Event& event : rest) heap_.push(std::move(event));
  for (int process = 0; process < static_cast<int>(lives_.size()); ++process) {
    Life& one = life(process);
    if (!one.process || now_ >= one.paused_until) continue;
    one.paused_until = now_;
    push(one.paused_until, {.kind = Event::Kind::wake, .index = process});
  }
  for (int seat = 0; seat < static_cast<int>(schedule_.seats.size()); ++seat) start(seat);
}

}  // namespace simulation
