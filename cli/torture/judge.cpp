// SPDX-License-Identifier: MIT
#include "torture/judge.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace workerid::cli {

namespace {

using std::chrono::nanoseconds;

std::string name_of(const std::pair<int, int>& holder) {
  return "process " + std::to_string(holder.first) + " (lease " + std::to_string(holder.second) +
         ")";
}

}  // namespace

Judge::Judge(const Promise& promise, BootTime start) : promise_(promise), start_(start) {}

void Judge::hear(int process, const Note& note) {
  switch (note.kind) {
    case Note::Kind::use:
      ++figures_.beliefs;
      hear_use({process, note.lease}, note);
      break;
    case Note::Kind::end:
      ends_.emplace(Holder{process, note.lease}, note);
      break;
    case Note::Kind::call:
      ++figures_.calls[note.word];
      hear_call(process, note);
      break;
    case Note::Kind::event:
      ++figures_.events[note.word];
      hear_call(process, note);
      break;
  }
}

// A store that is broken through and through would fill the memory.
void Judge::violated(Violation violation) {
  constexpr std::size_t most = 1000;
  if (violations_.size() < most) violations_.push_back(std::move(violation));
}

void Judge::stopped(int process, BootTime from, BootTime to) {
  stops_[process].emplace_back(from, to);
}

void Judge::hear_use(const Holder& holder, const Note& note) {
  const auto wrong = [&](const char* guarantee, const std::string& why) {
    violated({guarantee,
              name_of(holder) + ": worker ID " + std::to_string(note.worker_id) +
                  " was believed held at " + seconds(note.before) + ", " + why,
              note.before});
  };
  if (note.worker_id < 1 || note.worker_id > promise_.max_worker_id) {
    wrong("G1", "which is outside the range");
  }
  if (note.before >= note.until) wrong("G2", "after its validity ended at " + seconds(note.until));
  const auto end = ends_.find(holder);
  if (end != ends_.end() && note.before >= end->second.before) {
    wrong("G3", "after the lease was " + end->second.word + " at " + seconds(end->second.before));
  }
  const auto [found, is_new] = grants_[note.worker_id].try_emplace(
      note.epoch, Grant{holder, note.worker_id, note.epoch, note.before, note.after, note.before,
                        note.after, note.until, note.reserved});
  Grant& grant = found->second;
  if (is_new) return;
  if (grant.holder != holder) {
    wrong("G1", "under epoch " + std::to_string(note.epoch) + " of " + name_of(grant.holder));
    return;
  }
  grant.last_before = note.before;
  grant.last_after = note.after;
  grant.until = std::max(grant.until, note.until);
  grant.reserved.first_ms = std::min(grant.reserved.first_ms, note.reserved.first_ms);
  grant.reserved.last_ms = std::max(grant.reserved.last_ms, note.reserved.last_ms);
}

void Judge::hear_call(int process, const Note& note) {
  nanoseconds stopped{};
  for (const auto& [from, to] : stops_[process]) {
    stopped += std::max(nanoseconds{}, std::min(to, note.after) - std::max(from, note.before));
  }
  const nanoseconds over = note.after - note.until - stopped;
  if (over <= promise_.late) return;
  violated(
      {"G10",
       "process " + std::to_string(process) + ": " + note.word + " returned at " +
           seconds(note.after) + ", but was due at " + seconds(note.until) +
           (stopped > nanoseconds{} ? " and it was stopped for " + seconds(start_ + stopped) : ""),
       note.after});
}

// When somebody else may get the ID at the earliest, after what is known of this grant (G6).
BootTime Judge::free_from(const Grant& grant) const {
  BootTime free_from = grant.until + promise_.reuse_delay;
  const auto end = ends_.find(grant.holder);
  if (end != ends_.end() && end->second.word == "released") {
    free_from = std::min(free_from, end->second.before + promise_.cool_down);
  }
  return free_from - promise_.early;
}

void Judge::compare(const Grant& older, const Grant& newer, std::vector<Violation>& found) const {
  const auto wrong = [&](const char* guarantee, const std::string& what, BootTime at) {
    found.push_back({guarantee,
                     "worker ID " + std::to_string(older.worker_id) + " was " + what + ": " +
                         describe(older) + "; " + describe(newer),
                     at});
  };
  // Under the smaller epoch it was certainly used after it had been under the greater one.
  if (older.last_before > newer.first_after) {
    const bool overlap = older.first_after < newer.last_before;
    wrong(overlap ? "G1" : "G4",
          overlap ? "held twice at once" : "granted later under the smaller epoch",
          std::max(older.first_after, newer.first_after));
  } else if (older.holder != newer.holder && newer.first_after < free_from(older)) {
    wrong("G6", "granted before " + seconds(free_from(older)), newer.first_after);
  }
  if (older.reserved.first_ms <= newer.reserved.last_ms &&
      newer.reserved.first_ms <= older.reserved.last_ms) {
    wrong("G8", "given timestamps that were reserved before", newer.first_after);
  }
}

std::vector<Violation> Judge::violations() const {
  std::vector<Violation> found = violations_;
  for (const auto& [worker_id, grants] : grants_) {
    for (auto older = grants.begin(); older != grants.end(); ++older) {
      for (auto newer = std::next(older); newer != grants.end(); ++newer) {
        compare(older->second, newer->second, found);
      }
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Violation& a, const Violation& b) { return a.at < b.at; });
  return found;
}

Figures Judge::figures() const {
  Figures figures = figures_;
  for (const auto& [worker_id, grants] : grants_) {
    figures.grants += static_cast<std::int64_t>(grants.size());
    const Grant* former = nullptr;
    for (const auto& [epoch, grant] : grants) {
      if (former != nullptr && former->holder == grant.holder) {
        figures.longest_outage =
            std::max(figures.longest_outage, grant.first_before - former->last_after);
      }
      former = &grant;
    }
  }
  return figures;
}

std::string Judge::describe(const Grant& grant) const {
  return name_of(grant.holder) + " under epoch " + std::to_string(grant.epoch) + " from " +
         seconds(grant.first_after) + " to " + seconds(grant.last_before) + ", timestamps " +
         std::to_string(grant.reserved.first_ms) + " to " + std::to_string(grant.reserved.last_ms);
}

std::string Judge::seconds(BootTime time) const {
  std::array<char, 32> text{};
  const double value = std::chrono::duration<double>(time - start_).count();
  std::snprintf(text.data(), text.size(), "%.3f s", value);
  return text.data();
}

}  // namespace workerid::cli
