// SPDX-License-Identifier: MIT
//
// G8, as users see it: no snowflake ID is issued twice. Keeps every ID, as intervals of positions (a
// tick and a sequence number) for each worker ID, and asks for nothing but that no two meet, and that
// each generator's grow. Across a loss as far as the store says that it covers the timestamps (A5).
#pragma once

#include "checkers/checker.hpp"

#include <iterator>
#include <map>
#include <string>
#include <utility>

namespace simulation {

class Uniqueness final : public Checker {
 public:
  explicit Uniqueness(const Promise& promise) : promise_(promise) {}

  void see(const Entry& entry) override {
    if (entry.kind == Entry::Kind::loss) see_loss(entry);
    if (entry.kind == Entry::Kind::executed && !entry.code && entry.epoch != 0) {
      int& after = granted_after_.try_emplace({entry.lease, entry.epoch}, losses_).first->second;
      if (entry.verb == Verb::restore) after = losses_;  // The store knows it again.
    }
    if (entry.kind == Entry::Kind::issued) see_ids(entry);
  }

  std::int64_t blocks() const noexcept { return blocks_; }
  std::int64_t ids() const noexcept { return ids_; }
  // How often the IDs of one worker ID came from another lease than the one before.
  std::int64_t hand_overs() const noexcept { return hand_overs_; }

 private:
  struct Interval {
    std::int64_t last = 0;
    std::int64_t last_ms = 0;
    int lease = -1;
  };
  using Intervals = std::map<std::int64_t, Interval>;  // by their first position

  void see_loss(const Entry& entry) {
    ++losses_;
    covered_ms_ = promise_.ordered_store ? entry.reserved.last_ms : -1;
    for (auto& [worker_id, intervals] : issued_) {
      std::erase_if(intervals, [&](const auto& one) { return one.second.last_ms > covered_ms_; });
    }
  }

  void see_ids(const Entry& entry) {
    ids_ += entry.amount;
    ++blocks_;
    const std::int64_t first = entry.position;
    const Interval own{first + entry.amount - 1, entry.reserved.last_ms, entry.lease};

    const auto generator = std::pair{entry.process, entry.lease};
    const auto [latest, new_one] = latest_.try_emplace(generator, own.last);
    if (!new_one && first <= latest->second) {
      report(entry, "order (G8): lease " + std::to_string(entry.lease) + " issued position " +
                        std::to_string(first) + " after " + std::to_string(latest->second));
    }
    latest->second = own.last;

    const auto [holder, first_one] = holder_.try_emplace(entry.worker_id, entry.lease);
    if (!first_one && holder->second != entry.lease) ++hand_overs_;
    holder->second = entry.lease;

    const auto granted = granted_after_.find({entry.lease, entry.epoch});
    const bool lost = granted != granted_after_.end() && granted->second < losses_;
    if (lost && own.last_ms > covered_ms_) return;

    Intervals& intervals = issued_[entry.worker_id];
    const auto after = intervals.upper_bound(own.last);
    if (after != intervals.begin() && std::prev(after)->second.last >= first) {
      report(entry, "uniqueness (G8): worker ID " + std::to_string(entry.worker_id) +
                        ": positions " + std::to_string(first) + ".." + std::to_string(own.last) +
                        " of lease " + std::to_string(entry.lease) + " and " +
                        std::to_string(std::prev(after)->first) + ".." +
                        std::to_string(std::prev(after)->second.last) + " of lease " +
                        std::to_string(std::prev(after)->second.lease) + " are the same IDs");
    }
    intervals.insert_or_assign(first, own);
  }

  Promise promise_;
  int losses_ = 0;
  std::int64_t covered_ms_ = -1;                                // by the last loss
  std::map<std::pair<int, std::uint64_t>, int> granted_after_;  // how many losses
  std::map<workerid::WorkerId, Intervals> issued_;
  std::map<std::pair<int, int>, std::int64_t> latest_;  // by process and lease
  std::map<workerid::WorkerId, int> holder_;
  std::int64_t blocks_ = 0;
  std::int64_t ids_ = 0;
  std::int64_t hand_overs_ = 0;
};

}  // namespace simulation
