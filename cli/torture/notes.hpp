// SPDX-License-Identifier: MIT
//
// What a holder writes down while it is tortured, one line for each thing. One machine has one boot
// clock, so the notes of all its processes can be compared.
#pragma once

#include <workerid/clock.hpp>
#include <workerid/store.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace workerid::cli {

struct Note {
  enum class Kind {
    use,    ///< `worker_id` was held under `epoch` at an instant between `before` and `after`.
    end,    ///< The lease ended for good at `before`; `word` says how: lost, released.
    call,   ///< The call `word` lasted from `before` to `after` and was due by `until`.
    event,  ///< The library reported the event `word`; its call is noted in the same way.
  };

  Kind kind = Kind::use;
  std::string word = "-";
  int lease = 0;  ///< Counts the leases of one process.
  WorkerId worker_id = 0;
  std::uint64_t epoch = 0;
  BootTime before{};
  BootTime after{};
  BootTime until{};  ///< Of a use: the end of the validity that it rested on.
  TimestampRange reserved{};

  friend bool operator==(const Note&, const Note&) = default;
};

/// One line, with its end. `word` must have no blanks.
std::string to_line(const Note& note);

/// Reads a line; nothing if it is none.
std::optional<Note> parse_note(const std::string& line);

}  // namespace workerid::cli
