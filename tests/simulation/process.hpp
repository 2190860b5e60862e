// SPDX-License-Identifier: MIT
//
// A simulated process: production lease machines, and what keeper.cpp and generator.cpp do with
// them, step by step in virtual time. Its keeper calls the store for one lease at a time; each of
// its users waits for one call.
#pragma once

#include "former_tokens.hpp"
#include "lease_machine.hpp"
#include "random.hpp"
#include "schedule.hpp"
#include "snowflake.hpp"
#include "store_node.hpp"
#include "trace.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

// A request on its way, and who waits for it.
struct Message {
  int process = 0;
  int slot = 0;
  int lease = 0;
  Verb verb = Verb::none;
  Request request{};
  std::chrono::milliseconds timeout{};
};

// What a process can ask of its world.
class Surroundings {
 public:
  Surroundings() = default;
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;
  virtual ~Surroundings() = default;

  virtual Time now() const = 0;
  virtual const HostClock& clock(int host) const = 0;
  // Comes back as Process::answer() under the number that is returned.
  virtual int send(Message message) = 0;
  // Comes back as Process::timer().
  virtual void wake(int process, int slot, std::uint64_t ticket, workerid::BootTime until) = 0;
  virtual void see(const Entry& entry) = 0;
  virtual int new_lease() = 0;
  // What stands in the identity file of a seat, whose lock its process has.
  virtual workerid::detail::FormerTokens& identity(int seat) = 0;
};

class Process {
 public:
  // The keeper's place where a slot's number is asked for.
  static constexpr int keeper = -1;
  // How many threads of a process generate IDs with each of its leases.
  static constexpr int threads_of_lease = 2;

  Process(Surroundings& surroundings, const Schedule& schedule, int seat, int number);

  void begin();
  void timer(int slot, std::uint64_t ticket);
  void answer(int message, const Outcome& outcome);

  // What its user does.
  void release(int slot);
  void abandon(int slot);
  void fork(int slot);
  // Whether the lease is held now; its epoch if it is.
  std::optional<Entry> check(int slot);

  int seat() const noexcept { return seat_; }
  int host() const noexcept { return host_; }

 private:
  enum class Stage { resting, acquiring, kept, releasing, explicitly_held };

  // A lease that its user renews, as GeneratorCore remembers it while it is valid.
  struct Known {
    workerid::Grant grant;
    workerid::detail::LeaseMachine::Validity validity;
  };

  struct Slot {
    Stage stage = Stage::resting;
    int lease = -1;
    std::optional<workerid::detail::LeaseMachine> machine{};
    workerid::AcquireRequest origin{};
    bool claims_name = false;
    bool looks = false;            // for what it takes over, before it acquires
    workerid::BootTime give_up{};  // the attempt
    // The user's thread waits for one of these.
    int message = -1;
    std::uint64_t ticket = 0;
    // When the keeper looks at the lease; not while it calls the store for it.
    std::optional<workerid::BootTime> wake_at{};
    // What was told last.
    workerid::detail::LeaseMachine::Validity told{};
    std::uint64_t told_epoch = 0;
    bool alive = false;
    // Of an explicit lease.
    std::optional<Known> known{};
    workerid::Grant grant{};
    workerid::Moment anchor{};
    bool restoring = false;
    bool was_valid = false;
    // Of a lease that is kept: what LeaseControl publishes, and Snowflake has.
    std::shared_ptr<SimulatedSnowflake> snowflake{};
    SnowflakeReading published{};
    bool held_as_told = false;
    std::optional<std::int64_t> last_timestamp_ms{};
  };

  // A thread that generates IDs, over and over.
  struct Thread {
    std::uint64_t ticket = 0;
    std::uint64_t calls = 0;
    // The call that it is in, held up before it takes anything.
    bool held_up = false;
    std::shared_ptr<SimulatedSnowflake> snowflake{};
    SnowflakeReading reading{};
    std::int64_t count = 0;
    Entry issued{};
  };

  workerid::Moment moment() const;
  workerid::ClientTime client_time(const workerid::Moment& now) const;
  Slot& at(int slot) { return slots_.at(static_cast<std::size_t>(slot)); }
  Entry entry(Entry::Kind kind, int slot);
  int send(int slot, Verb verb, Request request, std::chrono::milliseconds timeout);
  void wait(int slot, workerid::BootTime until);
  void rest(int slot);
  void check_progress();

  void acquire(int slot);
  void acquire_step(int slot);
  void acquire_answered(int slot, const Outcome& outcome);
  void looked(int slot, const workerid::Grant& former);
  bool claim_name();
  void release_step(int slot);
  void release_answered(int slot, const Outcome& outcome);

  void run_keeper();
  void keeper_step(int slot);
  void keeper_answered(const Outcome& outcome);
  void tell(int slot);
  void believe(int slot, const workerid::Grant& grant,
               const workerid::detail::LeaseMachine::Validity& validity);
  void end(int slot);

  void generate_later(int thread, std::chrono::nanoseconds time);
  void generate(int thread);
  std::int64_t draw_count(Random& random) const;
  Time draw_pause(Random& random) const;
  void take(int thread);
  void renew_soon(int slot);

  void renew_explicitly(int slot);
  void explicitly_answered(int slot, const Outcome& outcome);
  void accept_explicitly(int slot, const workerid::Grant& grant);
  void explicit_call_failed(int slot, workerid::ErrorCode code);
  void release_explicitly(int slot);

  Surroundings& surroundings_;
  const Schedule& schedule_;
  int seat_;
  int host_;
  int number_;
  workerid::Configuration configuration_;
  workerid::detail::Timing timing_;
  std::vector<Slot> slots_;
  std::vector<Thread> threads_;
  std::uint64_t seen_epoch_ = 0;
  std::uint64_t tickets_ = 0;
  std::uint64_t keeper_ticket_ = 0;
  int keeper_message_ = -1;
  int keeper_slot_ = -1;
  int keeper_lease_ = -1;
  Time last_step_{-1};
  int steps_at_once_ = 0;
};

}  // namespace simulation
