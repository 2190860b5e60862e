// SPDX-License-Identifier: MIT
#include "torture/notes.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <sstream>
#include <string_view>

namespace workerid::cli {

namespace {

constexpr std::array<std::string_view, 4> kinds{"use", "end", "call", "event"};

BootTime boot_time(std::int64_t ns) {
  return BootTime{std::chrono::nanoseconds{ns}};
}

}  // namespace

std::string to_line(const Note& note) {
  std::ostringstream line;
  line << kinds.at(static_cast<std::size_t>(note.kind)) << ' ' << note.word << ' ' << note.lease
       << ' ' << note.worker_id << ' ' << note.epoch << ' '
       << note.before.time_since_epoch().count() << ' ' << note.after.time_since_epoch().count()
       << ' ' << note.until.time_since_epoch().count() << ' ' << note.reserved.first_ms << ' '
       << note.reserved.last_ms << '\n';
  return line.str();
}

std::optional<Note> parse_note(const std::string& line) {
  std::istringstream words(line);
  Note note;
  std::string kind;
  std::int64_t before_ns = 0;
  std::int64_t after_ns = 0;
  std::int64_t until_ns = 0;
  words >> kind >> note.word >> note.lease >> note.worker_id >> note.epoch >> before_ns >>
      after_ns >> until_ns >> note.reserved.first_ms >> note.reserved.last_ms;
  const auto* const found = std::find(kinds.begin(), kinds.end(), kind);
  if (!words || found == kinds.end()) return std::nullopt;
  note.kind = static_cast<Note::Kind>(std::distance(kinds.begin(), found));
  note.before = boot_time(before_ns);
  note.after = boot_time(after_ns);
  note.until = boot_time(until_ns);
  return note;
}

}  // namespace workerid::cli
