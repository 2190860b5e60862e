// SPDX-License-Identifier: MIT
//
// workerid_exhaustive: a tiny world, every way it can go. Two processes with production lease
// machines want the one worker ID of a store with production rules. At each tick each process runs
// or does not, in either order, and up to a number of faults happen anywhere: a request or its reply
// is lost, or the request comes later; the store falls back to an earlier state or forgets
// everything, and its clock steps; a process is killed. No two may hold the ID at once.
#include "lease_machine.hpp"
#include "random.hpp"
#include "store_node.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace workerid;          // NOLINT: the names of the library, all over
using namespace workerid::detail;  // NOLINT
using simulation::hash;
using simulation::HostClock;
using simulation::mixed;
using simulation::Outcome;
using simulation::Request;
using simulation::scaled;
using std::chrono::milliseconds;

constexpr Configuration configuration{.min_worker_id = 1,
                                      .max_worker_id = 1,
                                      .lease_time = milliseconds{2000},
                                      .reuse_delay = milliseconds{1010},
                                      .cool_down = milliseconds{0}};
constexpr simulation::Time tick = std::chrono::seconds{1};
constexpr milliseconds store_step = configuration.lease_time / 4;

struct Limits {
  int ticks = 7;
  int faults = 2;
  std::int64_t slow = 1'000'000 - 111'000;
  std::int64_t fast = 1'000'000 + 111'000;
};

struct Records {
  MemoryCluster cluster;
  std::uint64_t content = 0;  // its hash
};

struct Actor {
  LeaseMachine machine;
  Token token;
  int generation = 0;
  std::uint64_t seen_epoch = 0;
  // What cannot be seen of the machine. Its timers do not matter: each is shorter than a tick.
  bool forgotten = false;  // it is about to restore
  int told_at = -1;        // in which tick it was told something last
};

struct World {
  int ticks = 0;
  int faults = 0;
  int incarnation = 0;
  milliseconds stepped{};
  Records store;
  // What the store can fall back to: its states before the last writes, the latest first.
  std::array<std::shared_ptr<const Records>, 3> earlier;
  std::array<Actor, 2> actors;
  std::shared_ptr<const Request> stray;  // still on its way; nobody waits for it
  std::uint64_t stray_key = 0;
};

class Exploration {
 public:
  Exploration(const Limits& limits, std::array<std::int64_t, 3> rates)
      : limits_(limits), rates_(rates) {}

  // False if two held the ID at once; says how it came to that.
  bool run() {
    const Actor one{machine(0, 0, 0), token(0, 0), 0, 0, false, -1};
    World world{.store = {}, .earlier = {}, .actors = {one, one}, .stray = nullptr};
    world.actors[1].machine = machine(1, 0, 0);
    world.actors[1].token = token(1, 0);
    return explore(world);
  }

  std::uint64_t states() const noexcept { return visited_.size(); }
  const std::vector<std::string>& path() const noexcept { return path_; }

 private:
  Moment moment(int actor, int ticks) const {
    const simulation::Time passed =
        scaled(tick * ticks, rates_.at(static_cast<std::size_t>(actor)));
    return {
        BootTime{std::chrono::seconds{100} + passed},
        WallTime{std::chrono::seconds{1'780'000'000}} + std::chrono::floor<milliseconds>(passed)};
  }

  LeaseMachine machine(int actor, int generation, int ticks) const {
    return {configuration.lease_time,
            hash({static_cast<std::uint64_t>(actor), static_cast<std::uint64_t>(generation)}),
            moment(actor, ticks), std::chrono::hours{1}};
  }

  static Token token(int actor, int generation) {
    std::string text(Token::text_length, 'A');
    text[0] = static_cast<char>('B' + actor);
    text[1] = static_cast<char>('A' + generation);
    return Token::parse(text);
  }

  static Actor& at(World& world, int actor) {
    return world.actors.at(static_cast<std::size_t>(actor));
  }

  static std::uint64_t key(const Actor& actor, int ticks) {
    const auto number = [](auto value) { return static_cast<std::uint64_t>(value); };
    const LeaseMachine& machine = actor.machine;
    return hash({number(actor.generation), actor.seen_epoch, number(actor.forgotten),
                 number(actor.told_at == ticks), number(machine.state()),
                 number(machine.validity().boot.time_since_epoch().count()),
                 number(machine.validity().wall.time_since_epoch().count()), machine.grant().epoch,
                 number(machine.grant().reserved.first_ms),
                 number(machine.grant().reserved.last_ms)});
  }

  static std::uint64_t key(const MemoryCluster& records) {
    const auto number = [](auto value) { return static_cast<std::uint64_t>(value); };
    if (!records.cluster) return 0;
    const rules::Cluster& cluster = *records.cluster;
    std::uint64_t sum =
        hash({cluster.last_epoch, number(cluster.next_fresh), number(cluster.granted),
              cluster.incarnation_began, number(cluster.hold_back_until.count()),
              number(cluster.lost_timestamps_ms), number(cluster.proven)});
    for (const char letter : cluster.incarnation) sum = hash({sum, number(letter)});
    for (const auto& [worker_id, record] : records.all()) {
      for (const char letter : record.token.text()) sum = hash({sum, number(letter)});
      sum =
          hash({sum, record.epoch, number(record.lease_end.count()), number(record.free_at.count()),
                number(record.floor.count()), number(record.reserved.first_ms),
                number(record.reserved.last_ms), number(record.released)});
    }
    return sum;
  }

  std::uint64_t key(const World& world) const {
    std::uint64_t sum = hash(
        {static_cast<std::uint64_t>(world.ticks), static_cast<std::uint64_t>(world.faults),
         static_cast<std::uint64_t>(world.incarnation),
         static_cast<std::uint64_t>(world.stepped.count()), world.store.content, world.stray_key});
    for (const auto& earlier : world.earlier) sum = hash({sum, earlier ? earlier->content : 0});
    for (const Actor& actor : world.actors) sum = hash({sum, key(actor, world.ticks)});
    return sum;
  }

  bool explore(const World& world) {
    if (!visited_.insert(key(world)).second) return true;
    if (holds(world, 0) && holds(world, 1)) return false;
    return run_actor(world, 0) && run_actor(world, 1) && pass_time(world) && hurt(world);
  }

  bool follow(const World& world, std::string step) {
    path_.push_back(std::move(step));
    if (!explore(world)) return false;
    path_.pop_back();
    return true;
  }

  bool holds(const World& world, int actor) const {
    return world.actors.at(static_cast<std::size_t>(actor))
        .machine.validity()
        .covers(moment(actor, world.ticks));
  }

  std::string who(int actor) const { return actor == 0 ? "A " : "B "; }

  bool pass_time(const World& world) {
    if (world.ticks == limits_.ticks) return true;
    World next = world;
    ++next.ticks;
    return follow(next, "time passes: " + std::to_string(next.ticks));
  }

  // The process runs, if there is something to do: it asks the store, or begins anew.
  bool run_actor(const World& world, int actor) {
    World next = world;
    Actor& one = at(next, actor);
    const Moment now = moment(actor, next.ticks);
    const auto before = one.machine.state();
    const LeaseMachine::Action action = one.machine.next(now);
    one.machine.take_notices();
    if (std::holds_alternative<LeaseMachine::Wait>(action)) {
      if (before == one.machine.state()) return true;
      return follow(next, who(actor) + "notices the time");
    }
    if (std::holds_alternative<LeaseMachine::Done>(action)) {
      begin_anew(next, actor);
      return follow(next, who(actor) + "begins anew");
    }
    const ClientTime client{now, {}};
    Request request;
    std::string verb;
    if (std::holds_alternative<LeaseMachine::Acquire>(action)) {
      request = AcquireRequest{.cluster = "c",
                               .configuration = configuration,
                               .token = one.token,
                               .seen_epoch = one.seen_epoch,
                               .client = client};
      verb = "acquire";
    } else if (const auto* renew = std::get_if<LeaseMachine::Renew>(&action)) {
      request = RenewRequest{"c", 1, one.token, renew->renewal, client};
      verb = renew->renewal == Renewal::held ? "renew" : "resume";
    } else {
      request = RestoreRequest{"c",       configuration,
                               one.token, one.machine.grant(),
                               {},        {},
                               client,    one.machine.validity().boot};
      verb = "restore";
    }
    return ask(next, actor, request, who(actor) + verb);
  }

  // The request is answered at once, or it or its answer is lost, or it comes later.
  bool ask(const World& asking, int actor, const Request& request, const std::string& what) {
    World executed = asking;
    const Outcome outcome = execute(executed, request);
    World answered = executed;
    tell(answered, actor, outcome);
    if (!follow(answered, what + shown(outcome))) return false;
    if (asking.faults == limits_.faults) return true;

    const Error none(ErrorCode::outcome_unknown, "no answer");
    ++executed.faults;
    tell(executed, actor, none);
    if (!follow(executed, what + shown(outcome) + ", but the reply is lost")) return false;
    World lost = asking;
    ++lost.faults;
    tell(lost, actor, none);
    if (!follow(lost, what + ", but the request is lost")) return false;
    if (asking.stray) return true;
    lost.stray = std::make_shared<const Request>(request);
    const Actor& sender = asking.actors.at(static_cast<std::size_t>(actor));
    lost.stray_key = hash({key(sender, -1), static_cast<std::uint64_t>(lost.ticks),
                           static_cast<std::uint64_t>(actor), request.index()});
    return follow(lost, what + ", but the request comes later");
  }

  void begin_anew(World& world, int actor) {
    Actor& one = at(world, actor);
    ++one.generation;
    one.machine = machine(actor, one.generation, world.ticks);
    one.token = token(actor, one.generation);
    one.seen_epoch = 0;
    one.forgotten = false;
    one.told_at = world.ticks;
  }

  Outcome execute(World& world, const Request& request) {
    const milliseconds passed =
        std::chrono::floor<milliseconds>(scaled(tick * world.ticks, rates_[2])) + world.stepped;
    const rules::StoreTime time{std::chrono::seconds{1000} + passed,
                                WallTime{std::chrono::seconds{1'780'000'000}} + passed};
    const rules::History history{"i" + std::to_string(world.incarnation), milliseconds{0}};
    const Records before = world.store;
    MemoryCluster& records = world.store.cluster;
    const Outcome outcome = decide(records, request, time, history, world.incarnation);
    world.store.content = key(records);
    if (world.faults == limits_.faults) {
      world.earlier = {};  // It falls back no more.
    } else if (world.store.content != before.content) {
      world.earlier = {std::make_shared<const Records>(before), world.earlier[0], world.earlier[1]};
    }
    return outcome;
  }

  static Outcome decide(MemoryCluster& records, const Request& request,
                        const rules::StoreTime& time, const rules::History& history,
                        int incarnation) {
    // Nothing is lost before something was granted.
    const rules::History known = incarnation == 0 ? rules::History{"i0", {}} : history;
    try {
      if (const auto* acquire = std::get_if<AcquireRequest>(&request)) {
        return records.write(
            rules::acquire(records.cluster, *acquire, records.candidates(*acquire), time, known));
      }
      if (const auto* renew = std::get_if<RenewRequest>(&request)) {
        return records.write(
            rules::renew(records.cluster, *renew, records.find(renew->worker_id), time, known));
      }
      const auto& restore = std::get<RestoreRequest>(request);
      return records.write(rules::restore(records.cluster, restore,
                                          records.find(restore.grant.worker_id), time, known));
    } catch (const Error& error) {
      return error;
    }
  }

  static std::string shown(const Outcome& outcome) {
    const auto* error = std::get_if<Error>(&outcome);
    return error == nullptr ? ": done" : ": " + std::string{name(error->error_code())};
  }

  void tell(World& world, int actor, const Outcome& outcome) {
    Actor& one = at(world, actor);
    const Moment now = moment(actor, world.ticks);
    one.told_at = world.ticks;
    if (const auto* grant = std::get_if<Grant>(&outcome)) {
      one.seen_epoch = std::max(one.seen_epoch, grant->epoch);
      const BootTime before = one.machine.validity().boot;
      const std::uint64_t epoch = one.machine.grant().epoch;
      one.machine.answered(*grant, now);
      one.forgotten = one.machine.validity().boot == before && grant->epoch < epoch;
    } else {
      const Error& error = std::get<Error>(outcome);
      one.machine.failed(error, now);
      one.forgotten = one.forgotten || ends_ownership(error.error_code());
    }
    one.forgotten = one.forgotten && one.machine.state() == LeaseMachine::State::held;
    one.machine.take_notices();
  }

  bool hurt(const World& world) {
    if (world.stray) {
      World next = world;
      execute(next, *world.stray);
      next.stray.reset();
      next.stray_key = 0;
      if (!follow(next, "the late request arrives")) return false;
    }
    if (world.faults == limits_.faults) return true;
    for (std::size_t writes = 0; writes < world.earlier.size(); ++writes) {
      if (!world.earlier[writes]) continue;
      World back = world;
      ++back.faults;
      ++back.incarnation;
      back.store = *world.earlier[writes];
      back.earlier = {};
      if (!follow(back,
                  "the store restarts without its last writes: " + std::to_string(writes + 1))) {
        return false;
      }
    }
    if (world.store.content != 0) {
      World wiped = world;
      ++wiped.faults;
      ++wiped.incarnation;
      wiped.store = {};
      wiped.earlier = {};
      if (!follow(wiped, "the store forgets everything")) return false;
    }
    if (world.stepped == milliseconds{0}) {
      World stepped = world;
      ++stepped.faults;
      stepped.stepped = store_step;
      if (!follow(stepped, "the store's clock steps")) return false;
    }
    for (int actor = 0; actor < 2; ++actor) {
      World killed = world;
      ++killed.faults;
      begin_anew(killed, actor);
      if (!follow(killed, who(actor) + "is killed, and begins anew")) return false;
    }
    return true;
  }

  Limits limits_;
  std::array<std::int64_t, 3> rates_;
  std::unordered_set<std::uint64_t> visited_;
  std::vector<std::string> path_;
};

}  // namespace

// workerid_exhaustive [--ticks N] [--faults N] [--broken-clocks]: the last one breaks A2, and must
// be noticed.
int main(int count, char** arguments) {
  Limits limits;
  bool broken = false;
  for (int index = 1; index < count; ++index) {
    const std::string word = arguments[index];
    if (word == "--broken-clocks") broken = true;
    if (word == "--ticks" && index + 1 < count) limits.ticks = std::stoi(arguments[++index]);
    if (word == "--faults" && index + 1 < count) limits.faults = std::stoi(arguments[++index]);
  }
  if (broken) limits.slow = 500'000;
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t states = 0;
  bool exclusive = true;
  for (int choice = 0; choice < 8 && exclusive; ++choice) {
    const auto rate = [&](int bit) { return (choice >> bit) % 2 == 0 ? limits.slow : limits.fast; };
    Exploration exploration(limits, {rate(0), rate(1), std::min(rate(2), limits.fast)});
    exclusive = exploration.run();
    states += exploration.states();
    if (exclusive) continue;
    std::cout << "Two processes hold the ID (G1):\n";
    for (const std::string& step : exploration.path()) std::cout << "  " << step << '\n';
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  std::cout << limits.ticks << " ticks, " << limits.faults << " faults: " << states << " states in "
            << ms.count() << " ms\n";
  return exclusive != broken ? 0 : 1;
}
