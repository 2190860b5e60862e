// SPDX-License-Identifier: MIT
//
// What happened in a world, entry by entry: all that the checkers see.
#pragma once

#include "host_clock.hpp"

#include <workerid/error.hpp>
#include <workerid/options.hpp>
#include <workerid/store.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simulation {

enum class Verb { none, look, acquire, renew_strict, renew_held, renew_resume, restore, release };
std::string_view name(Verb verb);

// One entry. Which fields mean something depends on the kind; the others are as they are here.
struct Entry {
  enum class Kind {
    clock,     // `host`'s clocks follow `line` from now on
    started,   // process `process` of `seat` began on `host`
    crashed,   // it is gone, and all that it believed
    paused,    // it does not run until `woke`
    woke,      //
    calling,   // the user of `lease` called `verb`; the call must be over after `limit`
    over,      // that call is over, with `code`
    sent,      // a request of `verb` for `lease` left the process
    executed,  // a store executed it: `code`, `store_now` and, if it went well, the grant; of a
               // release the last timestamp used, as `reserved`, if that was told
    answered,  // the process got the answer, or `code` when it stopped waiting
    belief,    // `lease` says that it is held while the host's clocks are before `validity`
    ended,     // `lease` ended: never held again
    notice,    // `lease` told `event`
    loss,      // the store lost, or shows that it may have lost, acknowledged writes: `text` says
               // how, `amount` 0 that it shows it, 2 that only `worker_id`'s record went, `epoch`
               // the last one that it still knows, `reserved` up to where it covers the timestamps
               // of what it lost
    fault,     // something else that a schedule made happen
    checked,   // the user of `lease` saw that it is held, and begins to work with it
    acted,     // the work of that check had its effect
    issued,    // `lease` issued `amount` snowflake IDs from `position` on, of the tick `reserved`
    healed,    // no faults from now on
    finished,  // the end
  };

  Kind kind = Kind::fault;
  Time time{};
  int host = -1;
  int seat = -1;
  int process = -1;
  int lease = -1;    // one acquisition, of all processes
  int message = -1;  // the number of the request among its seat's
  workerid::WorkerId worker_id = -1;
  std::uint64_t epoch = 0;
  workerid::TimestampRange reserved{};
  Time boot_validity{};            // on the host's boot clock
  std::int64_t wall_validity = 0;  // on the host's wall clock, in ms
  Verb verb = Verb::none;
  std::optional<workerid::ErrorCode> code{};  // nothing if it went well
  std::optional<workerid::Event::Kind> event{};
  bool takeover = false;
  bool noticed = false;  // the store began to hold back in it; of a loss, it does so still
  std::uint64_t seen_epoch = 0;
  std::int64_t store_now = 0;  // in ms
  Time limit{};
  HostClock::Line line{};
  std::string_view text{};  // a literal
  std::int64_t amount = 0;
  std::int64_t position = 0;
};

std::string_view name(Entry::Kind kind);
std::string text(Time time);
std::string text(const Entry& entry);
std::uint64_t hash(const Entry& entry);

// Whoever looks on.
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;
  virtual void see(const Entry& entry) = 0;
};

}  // namespace simulation
