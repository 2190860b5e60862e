// SPDX-License-Identifier: MIT
//
// Runs a schedule in virtual time: one heap of events in the order of (time, number), one thread.
#pragma once

#include "process.hpp"
#include "schedule.hpp"
#include "store_node.hpp"
#include "trace.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

namespace simulation {

// Looks on, and can have seen enough.
class Judge : public Observer {
 public:
  virtual bool wants_more() const = 0;
};

struct Run {
  Time process_time{};  // of all processes together
  std::uint64_t events = 0;
  std::vector<Happening> message_faults;  // what the random network did
};

class World final : private Surroundings {
 public:
  World(const Schedule& schedule, Judge& judge);
  Run run();
  // What the random network did until now.
  const std::vector<Happening>& message_faults() const noexcept { return run_.message_faults; }

 private:
  struct Event {
    enum class Kind { happening, timer, arrival, reply, time_out, act, wake, mend, heal };
    Time at{};
    std::uint64_t number = 0;
    Kind kind = Kind::happening;
    int process = -1;  // deferred while it is paused; -1 for what no pause stops
    int index = -1;    // of the happening, message, work or slot
    std::uint64_t ticket = 0;
    std::shared_ptr<const Outcome> outcome{};
  };
  struct Later {
    bool operator()(const Event& left, const Event& right) const noexcept {
      return left.at != right.at ? left.at > right.at : left.number > right.number;
    }
  };
  struct Fate {
    Time request_delay{};
    Time reply_delay{};
    Time duplicate_after{};
    bool drop_request = false;
    bool drop_reply = false;
  };
  struct Host {
    HostClock clock;
    Time cut_requests_until{};
    Time cut_replies_until{};
    Time stopped_until{};
    std::int64_t rate = HostClock::true_rate;  // when it runs again
    std::size_t node = 0;
  };
  struct Life {
    std::unique_ptr<Process> process;  // empty when it is gone
    Time began{};
    Time paused_until{};
    std::vector<Event> held_up{};
    int wakes = 0;
  };
  struct Sent {
    Message message;
    int host = 0;
    int seat = 0;
    int number = 0;
    workerid::BootTime deadline{};
    Fate fate;
    bool awaited = true;
  };

  // Surroundings
  Time now() const override { return now_; }
  const HostClock& clock(int host) const override { return at(host).clock; }
  int send(Message message) override;
  void wake(int process, int slot, std::uint64_t ticket, workerid::BootTime until) override;
  void see(const Entry& entry) override;
  int new_lease() override { return leases_++; }
  workerid::detail::FormerTokens& identity(int seat) override {
    return identities_.at(static_cast<std::size_t>(seat));
  }

  Host& at(int host) { return hosts_.at(static_cast<std::size_t>(host)); }
  const Host& at(int host) const { return hosts_.at(static_cast<std::size_t>(host)); }
  Life& life(int process) { return lives_.at(static_cast<std::size_t>(process)); }
  static Entry entry_of(Entry::Kind kind, const Sent& request);
  Sent& sent(int message) { return sent_.at(static_cast<std::size_t>(message)); }
  bool boot_clock_store() const noexcept;

  void push(Time at, Event event);
  void dispatch(const Event& event);
  void happen(const Happening& happening);
  void happen_to_seat(const Happening& happening);
  void happen_to_host(const Happening& happening);
  void happen_to_store(const Happening& happening);
  void start(int seat);
  void crash(int process);
  void pause(int process, Time time);
  void wake_up(int process);
  void stop_host(int host, Time time, std::int64_t boot_rate, std::int64_t wall_rate);
  void show_clock(int host);
  void lose(Entry loss, const StoreNode& node, std::int64_t kind);
  void note(const Happening& happening);
  Fate fate_of(int seat, int number);
  void arrive(int message);
  void reply(int message, Outcome outcome);
  void time_out(int message);
  void mend(int index);
  void heal();

  const Schedule& schedule_;
  Judge& judge_;
  Run run_;
  Time now_{};
  std::uint64_t events_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> heap_;
  std::vector<Host> hosts_;
  std::vector<StoreNode> nodes_;
  std::vector<Life> lives_;
  std::vector<int> in_seat_;
  std::vector<int> messages_of_;
  std::vector<workerid::detail::FormerTokens> identities_;  // a file for each seat
  std::vector<Sent> sent_;
  std::vector<Entry> works_;
  std::map<std::pair<int, int>, Fate> fates_;
  Time down_until_{};
  Time store_paused_until_{};
  Time slow_until_{};
  Time slow_by_{};
  Time denies_until_{};
  int incarnations_ = 0;
  int leases_ = 0;
  bool granted_ever_ = false;
  bool healed_ = false;
};

}  // namespace simulation
