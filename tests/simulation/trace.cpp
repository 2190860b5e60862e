// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include "random.hpp"

#include <cstdio>

namespace simulation {

std::string_view name(Verb verb) {
  switch (verb) {
    case Verb::none:
      return "none";
    case Verb::look:
      return "look for the former lease";
    case Verb::acquire:
      return "acquire";
    case Verb::renew_strict:
      return "renew strictly";
    case Verb::renew_held:
      return "renew";
    case Verb::renew_resume:
      return "resume";
    case Verb::restore:
      return "restore";
    case Verb::release:
      return "release";
  }
  return "?";
}

std::string_view name(Entry::Kind kind) {
  switch (kind) {
    case Entry::Kind::clock:
      return "clock";
    case Entry::Kind::started:
      return "started";
    case Entry::Kind::crashed:
      return "crashed";
    case Entry::Kind::paused:
      return "paused";
    case Entry::Kind::woke:
      return "woke";
    case Entry::Kind::calling:
      return "calls";
    case Entry::Kind::over:
      return "call over";
    case Entry::Kind::sent:
      return "sent";
    case Entry::Kind::executed:
      return "executed";
    case Entry::Kind::answered:
      return "answered";
    case Entry::Kind::belief:
      return "holds";
    case Entry::Kind::ended:
      return "ended";
    case Entry::Kind::notice:
      return "notice";
    case Entry::Kind::loss:
      return "LOSS";
    case Entry::Kind::fault:
      return "FAULT";
    case Entry::Kind::checked:
      return "checked";
    case Entry::Kind::acted:
      return "acted";
    case Entry::Kind::issued:
      return "issued";
    case Entry::Kind::healed:
      return "healed";
    case Entry::Kind::finished:
      return "finished";
  }
  return "?";
}

std::string text(Time time) {
  if (time == never) return "never";
  const std::int64_t ns = time.count() < 0 ? -time.count() : time.count();
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "%s%lld.%09lld", time.count() < 0 ? "-" : "",
                static_cast<long long>(ns / 1'000'000'000),
                static_cast<long long>(ns % 1'000'000'000));
  std::string seconds = buffer;
  while (seconds.back() == '0') seconds.pop_back();
  if (seconds.back() == '.') seconds.pop_back();
  return seconds + "s";
}

std::string text(const Entry& entry) {
  std::string line = text(entry.time);
  line.resize(std::max<std::size_t>(line.size(), 16), ' ');
  line += ' ';
  line += name(entry.kind);
  const auto add = [&](std::string_view what, const std::string& value) {
    line += ' ';
    line += what;
    line += value;
  };
  if (!entry.text.empty()) add("", std::string{entry.text});
  if (entry.event) add("", std::string{workerid::name(*entry.event)});
  if (entry.verb != Verb::none) add("", std::string{name(entry.verb)});
  if (entry.host >= 0) add("host ", std::to_string(entry.host));
  if (entry.seat >= 0) add("seat ", std::to_string(entry.seat));
  if (entry.process >= 0) add("process ", std::to_string(entry.process));
  if (entry.lease >= 0) add("lease ", std::to_string(entry.lease));
  if (entry.message >= 0) add("message ", std::to_string(entry.message));
  if (entry.takeover) add("", "takeover");
  if (entry.worker_id >= 0) add("ID ", std::to_string(entry.worker_id));
  if (entry.epoch != 0) add("epoch ", std::to_string(entry.epoch));
  if (entry.kind == Entry::Kind::executed) {
    add("store ", std::to_string(entry.store_now) + "ms");
    if (!entry.code && entry.verb != Verb::release) {
      add("reserved ",
          std::to_string(entry.reserved.first_ms) + ".." + std::to_string(entry.reserved.last_ms));
    }
  }
  if (entry.kind == Entry::Kind::issued) {
    add("position ", std::to_string(entry.position));
    add("timestamps ",
        std::to_string(entry.reserved.first_ms) + ".." + std::to_string(entry.reserved.last_ms));
  }
  if (entry.kind == Entry::Kind::belief) {
    add("until boot ", text(entry.boot_validity));
    add("wall ", std::to_string(entry.wall_validity) + "ms");
  }
  if (entry.kind == Entry::Kind::clock) {
    add("boot ", text(entry.line.boot) + " at " + std::to_string(entry.line.boot_rate));
    add("wall ", text(entry.line.wall) + " at " + std::to_string(entry.line.wall_rate));
  }
  if (entry.limit != Time{}) add("limit ", text(entry.limit));
  if (entry.amount != 0) add("amount ", std::to_string(entry.amount));
  if (entry.code) {
    add("-> ", std::string{workerid::name(*entry.code)});
  } else if (entry.kind == Entry::Kind::executed || entry.kind == Entry::Kind::answered) {
    line += " -> done";
  }
  return line;
}

std::uint64_t hash(const Entry& entry) {
  const auto number = [](auto value) { return static_cast<std::uint64_t>(value); };
  return hash({number(entry.kind), number(entry.time.count()), number(entry.host),
               number(entry.seat), number(entry.process), number(entry.lease),
               number(entry.message), number(entry.worker_id), entry.epoch,
               number(entry.reserved.first_ms), number(entry.reserved.last_ms),
               number(entry.boot_validity.count()), number(entry.wall_validity), number(entry.verb),
               entry.code ? number(*entry.code) : 0, entry.event ? number(*entry.event) + 1 : 0,
               number(entry.store_now), number(entry.amount), number(entry.position)});
}

}  // namespace simulation
