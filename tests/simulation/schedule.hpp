// SPDX-License-Identifier: MIT
//
// A world before it runs: what is in it and all that will happen to it. A plain list, so that a
// failing one can be made smaller, saved and run again.
#pragma once

#include "host_clock.hpp"

#include <workerid/store.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simulation {

// What the store can say of its clock and of its past.
enum class StoreKind {
  redis,   // a wall clock behind the clamp; another incarnation at each start; forgets
  server,  // a wall clock behind the clamp; loses nothing
  sqlite,  // the host's boot clock; another incarnation when the file is another
  memory,  // the host's boot clock; loses nothing
};
std::string_view name(StoreKind kind);

// What a schedule can make happen.
enum class What {
  // To a seat.
  start,    // a process, if none is there
  crash,    // SIGKILL
  pause,    // SIGSTOP for `amount`
  release,  // the lease of slot `extra`
  abandon,  // the lease of slot `extra`
  work,     // checks the lease of slot `extra`, and has its effect after `amount`
  fork,     // the child goes on with the snowflake of slot `extra`
  // To a host.
  wall_step,     // by `amount`
  rate,          // of both clocks, to `amount` millionths
  suspend,       // for `amount`; the boot clock runs on
  stopped_boot,  // the same, but the boot clock stands still, as CLOCK_MONOTONIC does
  checkpoint,    // for `amount`: the boot clock is rewound, the wall clock is right
  hidden_pause,  // for `amount`: both clocks are rewound
  cut,           // from the store for `amount`
  cut_requests,  // only towards it
  cut_replies,   // only from it
  // To the store.
  restart,         // loses the last `extra` writes; down for `amount`
  wipe,            // all data
  file_deleted,    // all data, and another file
  fail_over,       // to a replica that lacks the last `extra` writes
  split,           // the same, but the former master lives on for `amount`, with every second host
  silent_return,   // loses the last `extra` writes and does not show it (A1 broken)
  lose_record,     // of worker ID `extra`
  store_step,      // of its wall clock, by `amount`
  store_rate,      // to `amount` millionths
  store_pause,     // for `amount`: requests queue
  store_slow,      // for `extra`: each takes `amount` longer
  store_denies,    // for `amount`
  store_stepping,  // by `amount` at each operation, from now on (A3 broken)
  // To a message of a seat: number `extra`.
  drop_request,
  drop_reply,
  delay_request,  // by `amount`
  delay_reply,    // by `amount`
  duplicate,      // again after `amount`
};
inline constexpr int number_of_whats = static_cast<int>(What::duplicate) + 1;
std::string_view name(What what);
bool about_a_message(What what) noexcept;

struct Happening {
  Time at{};
  What what = What::start;
  int target = 0;
  Time amount{};
  std::int64_t extra = 0;
};
std::string text(const Happening& happening);

// Where processes run, one after another.
struct Seat {
  int host = 0;
  std::string instance{};
  // The next process knows that this one is gone, and takes over: by an identity file, by claim.
  bool identity = false;
  bool takeover = false;
  int leases = 1;
  bool explicit_calls = false;  // get_id and renew instead of leases
  bool script = false;  // when the process knows that such a lease is over, another one renews it
  bool other_configuration = false;
  bool fresh = false;
  std::chrono::milliseconds wait{};
};

// How every lease generates snowflake IDs: workerid::SnowflakeOptions.
struct SnowflakeUse {
  int sequence_bits = 12;
  std::chrono::milliseconds tick{1};
  std::chrono::milliseconds max_ahead{};
  std::chrono::milliseconds max_borrowed{};
  std::chrono::milliseconds coarse{};  // how far the coarse clock is behind at the most
};

struct Schedule {
  std::string profile;
  std::uint64_t seed = 0;  // of tokens, jitter and, if it is on, of the random network
  StoreKind store = StoreKind::redis;
  workerid::Configuration configuration{};
  std::int64_t rho = 0;                // what the clocks keep to, in millionths
  bool store_was_just_started = true;  // so that it may have lost a cluster it does not know
  std::vector<HostClock::Line> hosts{};
  HostClock::Line server{};
  std::vector<Seat> seats{};
  std::optional<SnowflakeUse> snowflakes{};  // if there are any
  std::vector<Happening> happenings{};
  std::int64_t drops = 0;  // of 1000 messages
  std::int64_t delays = 0;
  std::int64_t duplicates = 0;
  Time heal_at{};
  Time end_at{};

  bool random_network() const noexcept { return drops + delays + duplicates > 0; }
};

// The saved form: one thing a line.
std::string text(const Schedule& schedule);
// Throws std::runtime_error with the line that is wrong.
Schedule parse(const std::string& text);

}  // namespace simulation
