// SPDX-License-Identifier: MIT
//
// Judges from outside what the library promises, by what its holders wrote down. Pure: no clock, no
// process, no store.
#pragma once

#include "torture/notes.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace workerid::cli {

/// What the holders were promised, and how exactly it can be seen.
struct Promise {
  WorkerId max_worker_id = 1;
  std::chrono::milliseconds reuse_delay{};
  std::chrono::milliseconds cool_down{};
  std::chrono::milliseconds early{};  ///< How far the store's clock may run ahead of true time.
  std::chrono::milliseconds late{};   ///< How long a process may wait for a processor.
};

/// A promise that was certainly broken.
struct Violation {
  std::string guarantee;  ///< "G1"
  std::string text;
  BootTime at;
};

struct Figures {
  std::int64_t beliefs = 0;                   ///< Uses of an ID that were written down.
  std::int64_t grants = 0;                    ///< Those that a use was written down for.
  std::map<std::string, std::int64_t> calls;  ///< By what they came to: "acquire/granted".
  std::map<std::string, std::int64_t> events;
  std::chrono::nanoseconds longest_outage{};  ///< Between two uses of one lease that resumed.
};

/// Hears notes as they come and finds what they contradict. Only what is certain counts: a use was
/// at some instant between two readings of the clock, so two uses are in order only if their
/// readings are. Use from one thread at a time.
class Judge {
 public:
  /// Times are told as seconds since `start`.
  Judge(const Promise& promise, BootTime start);

  /// Notes of one process come in the order in which it wrote them, its events in theirs.
  void hear(int process, const Note& note);

  /// The process did not run from `from` to `to`: its calls may last so much longer.
  void stopped(int process, BootTime from, BootTime to);

  /// Everything that was broken so far, in order of time.
  std::vector<Violation> violations() const;

  Figures figures() const;

 private:
  using Holder = std::pair<int, int>;  // process, and which of its leases

  // All uses under one epoch of one ID, as far as they matter.
  struct Grant {
    Holder holder;
    WorkerId worker_id = 0;
    std::uint64_t epoch = 0;
    BootTime first_before;
    BootTime first_after;
    BootTime last_before;
    BootTime last_after;
    BootTime until;  // the end of the last validity that is known
    TimestampRange reserved;
  };

  void hear_use(const Holder& holder, const Note& note);
  void hear_call(int process, const Note& note);
  void violated(Violation violation);
  void compare(const Grant& older, const Grant& newer, std::vector<Violation>& found) const;
  BootTime free_from(const Grant& grant) const;
  std::string describe(const Grant& grant) const;
  std::string seconds(BootTime time) const;

  Promise promise_;
  BootTime start_;
  std::map<WorkerId, std::map<std::uint64_t, Grant>> grants_;
  std::map<Holder, Note> ends_;
  std::map<int, std::vector<std::pair<BootTime, BootTime>>> stops_;
  std::vector<Violation> violations_;
  Figures figures_;
};

}  // namespace workerid::cli
