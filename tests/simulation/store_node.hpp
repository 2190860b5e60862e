// SPDX-License-Identifier: MIT
//
// A simulated store: the production records, rules and clock, on a server that can lose what it
// wrote. Every write is noted, so that the data can go back to any earlier state.
#pragma once

#include "host_clock.hpp"
#include "schedule.hpp"
#include "stores/memory/memory_clusters.hpp"

#include <workerid/rules.hpp>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace simulation {

// Store::former_lease.
struct LookRequest {
  std::string instance{};
};

using Request = std::variant<workerid::AcquireRequest, workerid::RenewRequest,
                             workerid::RestoreRequest, workerid::ReleaseRequest, LookRequest>;

// What a request comes to: a grant (of a release an empty one, of a look the former one), or an error.
using Outcome = std::variant<workerid::Grant, workerid::Error>;

class StoreNode {
 public:
  StoreNode(StoreKind kind, const HostClock::Line& clock, std::string incarnation,
            bool just_started, std::chrono::milliseconds lease_time);

  HostClock clock;
  Time step_at_each_operation{};

  // One atomic step at `now`.
  Outcome execute(const Request& request, Time now);

  // Faults.
  void lose_last(std::int64_t writes);
  void lose_all();
  void lose_record(workerid::WorkerId worker_id);
  // The server starts anew at `now`; `incarnation` is another text.
  void begin(std::string incarnation, Time now);

  bool knows_records() const { return !cluster_.all().empty(); }
  bool ever_written() const noexcept { return !writes_.empty(); }
  std::uint64_t last_epoch() const { return cluster_.cluster ? cluster_.cluster->last_epoch : 0; }
  // On its clock.
  std::chrono::milliseconds hold_back_until() const {
    return cluster_.cluster ? cluster_.cluster->hold_back_until : std::chrono::milliseconds{0};
  }
  std::chrono::milliseconds now_ms() const noexcept { return now_ms_; }

 private:
  struct Write {
    std::optional<workerid::rules::Cluster> cluster;
    workerid::rules::LeaseClock lease_clock;
    std::optional<workerid::rules::Record> record;
  };

  std::uint64_t incarnation_began() const {
    return cluster_.cluster ? cluster_.cluster->incarnation_began : 0;
  }
  workerid::rules::StoreTime advance(const workerid::ClientTime& client, Time now);
  workerid::rules::History history(Time now) const;
  workerid::Grant decide(const workerid::AcquireRequest& request,
                         const workerid::rules::StoreTime& time, Time now);
  workerid::Grant decide(const workerid::RenewRequest& request,
                         const workerid::rules::StoreTime& time, Time now);
  workerid::Grant decide(const workerid::RestoreRequest& request,
                         const workerid::rules::StoreTime& time, Time now);
  workerid::Grant decide(const workerid::ReleaseRequest& request,
                         const workerid::rules::StoreTime& time, Time now);
  workerid::Grant write(const workerid::rules::Decision& decision);
  template <typename Verb>
  Outcome change(const Verb& verb, Time now);
  workerid::Grant look(const LookRequest& request) const;

  StoreKind kind_;
  std::chrono::milliseconds lease_time_;
  workerid::detail::MemoryCluster cluster_;
  workerid::rules::LeaseClock lease_clock_;
  std::vector<Write> writes_;
  std::string incarnation_;
  std::optional<Time> began_;  // on its boot clock; nothing if long ago
  bool saw_cluster_ = false;   // in this life of the server
  std::chrono::milliseconds now_ms_{};
};

}  // namespace simulation
