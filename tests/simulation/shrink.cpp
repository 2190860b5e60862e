// SPDX-License-Identifier: MIT
#include "shrink.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace simulation {

namespace {

class Shrinking {
 public:
  Shrinking(Schedule smallest, std::string kind)
      : smallest_(std::move(smallest)), kind_(std::move(kind)) {}

  Schedule run() {
    end_early();
    for (std::size_t before = 0; before != smallest_.happenings.size();) {
      before = smallest_.happenings.size();
      drop_happenings();
      drop_seats();
    }
    simplify_seats();
    simplify_clocks();
    round_times();
    drop_happenings();
    return std::move(smallest_);
  }

 private:
  bool keep(const Schedule& candidate) {
    if (++runs_ > most_runs) return false;
    const Verdict verdict = judge(candidate);
    if (!verdict.violation || kind_of(*verdict.violation) != kind_) return false;
    smallest_ = candidate;
    return true;
  }

  // Nothing that comes after the violation matters.
  void end_early() {
    if (kind_ == "liveness") return;
    std::vector<Entry> entries;
    judge(smallest_, nullptr, &entries);
    Schedule candidate = smallest_;
    const Time seen = entries.empty() ? Time{} : entries.at(entries.size() - 2).time;
    candidate.heal_at = candidate.end_at = seen + std::chrono::seconds{1};
    std::erase_if(candidate.happenings, [&](const Happening& one) { return one.at > seen; });
    keep(candidate);
  }

  // ddmin: parts of the list, half of it first.
  void drop_happenings() {
    for (std::size_t part = smallest_.happenings.size() / 2; part > 0; part /= 2) {
      for (std::size_t from = 0; from < smallest_.happenings.size();) {
        Schedule candidate = smallest_;
        const auto begin = candidate.happenings.begin() + static_cast<std::ptrdiff_t>(from);
        const auto left = static_cast<std::size_t>(candidate.happenings.end() - begin);
        candidate.happenings.erase(begin,
                                   begin + static_cast<std::ptrdiff_t>(std::min(part, left)));
        if (!keep(candidate)) from += part;
      }
    }
  }

  void drop_seats() {
    for (int seat = static_cast<int>(smallest_.seats.size()) - 1; seat >= 0; --seat) {
      Schedule candidate = smallest_;
      std::erase_if(candidate.happenings, [&](const Happening& one) {
        return one.target == seat && (one.what < What::wall_step || about_a_message(one.what));
      });
      if (seat == static_cast<int>(candidate.seats.size()) - 1) candidate.seats.pop_back();
      keep(candidate);
    }
  }

  void simplify_seats() {
    for (std::size_t seat = 0; seat < smallest_.seats.size(); ++seat) {
      const auto try_with = [&](const auto& change) {
        Schedule candidate = smallest_;
        change(candidate.seats[seat]);
        keep(candidate);
      };
      try_with([](Seat& one) { one.leases = 1; });
      try_with([](Seat& one) { one.explicit_calls = false; });
      try_with([](Seat& one) { one.instance.clear(), one.identity = one.takeover = false; });
      try_with([](Seat& one) { one.identity = one.takeover = false; });
      try_with([](Seat& one) { one.script = false; });
      try_with([](Seat& one) { one.fresh = false; });
      try_with([](Seat& one) { one.wait = {}; });
    }
  }

  void simplify_clocks() {
    const auto try_with = [&](const auto& change) {
      Schedule candidate = smallest_;
      change(candidate);
      keep(candidate);
    };
    const auto plain = [](HostClock::Line& line) {
      line = {{}, {}, std::chrono::seconds{1'780'000'000}, line.boot_rate, line.wall_rate};
    };
    const auto on_time = [](HostClock::Line& line) {
      line.boot_rate = line.wall_rate = HostClock::true_rate;
    };
    try_with([&](Schedule& one) { plain(one.server), on_time(one.server); });
    try_with([&](Schedule& one) { plain(one.server); });
    try_with([](Schedule& one) { one.store_was_just_started = false; });
    for (std::size_t host = 0; host < smallest_.hosts.size(); ++host) {
      try_with([&](Schedule& one) { plain(one.hosts[host]), on_time(one.hosts[host]); });
      try_with([&](Schedule& one) { plain(one.hosts[host]); });
    }
    while (smallest_.hosts.size() > 1) {
      Schedule candidate = smallest_;
      candidate.hosts.pop_back();
      const int hosts = static_cast<int>(candidate.hosts.size());
      const bool used = std::any_of(candidate.seats.begin(), candidate.seats.end(),
                                    [&](const Seat& seat) { return seat.host >= hosts; });
      if (used || !keep(candidate)) break;
    }
  }

  void round_times() {
    for (std::size_t index = 0; index < smallest_.happenings.size(); ++index) {
      for (const Time unit : {Time{std::chrono::seconds{1}}, Time{std::chrono::milliseconds{100}},
                              Time{std::chrono::milliseconds{1}}}) {
        Schedule candidate = smallest_;
        Happening& one = candidate.happenings[index];
        one.at -= one.at % unit;
        const bool is_time = one.what != What::rate && one.what != What::store_rate;
        if (is_time && one.amount > unit) one.amount -= one.amount % unit;
        if (keep(candidate)) break;
      }
    }
  }

  static constexpr int most_runs = 5000;

  Schedule smallest_;
  std::string kind_;
  int runs_ = 0;
};

bool matters(const Entry& entry) {
  switch (entry.kind) {
    case Entry::Kind::started:
    case Entry::Kind::crashed:
    case Entry::Kind::paused:
    case Entry::Kind::woke:
    case Entry::Kind::loss:
    case Entry::Kind::fault:
    case Entry::Kind::belief:
    case Entry::Kind::ended:
    case Entry::Kind::healed:
      return true;
    case Entry::Kind::executed:
      return entry.verb != Verb::renew_held && (entry.verb == Verb::restore || !entry.code);
    default:
      return false;
  }
}

}  // namespace

Schedule materialised(const Schedule& schedule, const std::vector<Happening>& message_faults) {
  Schedule listed = schedule;
  listed.drops = listed.delays = listed.duplicates = 0;
  listed.happenings.insert(listed.happenings.end(), message_faults.begin(), message_faults.end());
  std::stable_sort(
      listed.happenings.begin(), listed.happenings.end(),
      [](const Happening& left, const Happening& right) { return left.at < right.at; });
  return listed;
}

std::string kind_of(const std::string& violation) {
  const std::size_t colon = violation.find(": ");
  const std::size_t word = colon == std::string::npos ? 0 : colon + 2;
  return violation.substr(word, violation.find_first_of(" :", word) - word);
}

Schedule shrunk(const Schedule& schedule) {
  const Verdict verdict = judge(schedule);
  const Schedule listed = materialised(schedule, verdict.run.message_faults);
  if (!verdict.violation) return listed;
  return Shrinking(listed, kind_of(*verdict.violation)).run();
}

std::vector<std::string> timeline(const std::vector<Entry>& entries, std::size_t lines) {
  std::vector<std::string> all;
  std::map<std::pair<int, std::uint64_t>, std::size_t> belief_of;  // its place in `all`
  for (const Entry& entry : entries) {
    if (!matters(entry)) continue;
    if (entry.kind == Entry::Kind::belief) {  // Of each grant the last one.
      const auto [place, another] = belief_of.try_emplace({entry.lease, entry.epoch}, all.size());
      if (!another) all[place->second].clear();
      place->second = all.size();
    }
    all.push_back(text(entry));
  }
  std::erase(all, "");
  if (all.size() > lines) {
    all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(lines));
  }
  return all;
}

}  // namespace simulation
