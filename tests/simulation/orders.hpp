// SPDX-License-Identifier: MIT
//
// Orders of events that break protocols and that chance seldom draws: how often a world had each.
#pragma once

#include "host_clock.hpp"
#include "trace.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace simulation {

enum class Order {
  late_across_a_loss,         // a request that was sent before a loss was executed after it
  late_across_two_losses,     //
  twice_across_a_loss,        // a request was executed before a loss and once more after it
  twice_across_two_losses,    //
  machines_that_disagree,     // two requests in succession, of machines whose clocks differ widely
  release_of_what_was_taken,  // a release was executed after its lease had been taken over
  takeover_beside_a_release,  // a lease was taken over while its release was under way
  explicit_after_a_loss,      // an explicit renewal was executed between a loss and the next grant
  explicit_across_a_loss,     // an explicit renewal was sent before a loss and executed after it
  restoration_across_a_loss,  // a restoration was
};
inline constexpr int number_of_orders = static_cast<int>(Order::restoration_across_a_loss) + 1;
std::string_view name(Order order);

class Orders {
 public:
  // Clocks that differ by more than this are no witnesses for each other.
  explicit Orders(Time agreement) : agreement_(agreement) {}

  void see(const Entry& entry);

  // By order.
  const std::array<std::uint64_t, number_of_orders>& counts() const noexcept { return counts_; }

 private:
  struct Request {
    int losses_when_sent = 0;
    int losses_when_executed = -1;  // for the first time
    std::uint64_t sent_at = 0;      // its moment
  };

  void count(Order order) { ++counts_.at(static_cast<std::size_t>(order)); }
  void see_executed(const Entry& entry);
  void see_machine(const Entry& entry);
  void see_takeover(const Entry& entry);

  Time agreement_;
  std::array<std::uint64_t, number_of_orders> counts_{};
  std::vector<HostClock> clocks_;
  std::vector<int> host_of_;                         // by process
  std::map<std::pair<int, int>, Request> requests_;  // by seat and number
  std::map<workerid::WorkerId, int> owners_;         // the lease
  std::map<int, std::uint64_t> taken_over_at_;       // by lease, the moment
  std::set<int> explicit_leases_;
  std::uint64_t moments_ = 0;
  int losses_ = 0;
  int last_host_ = -1;
  bool granted_since_ = false;  // the last loss
};

}  // namespace simulation
