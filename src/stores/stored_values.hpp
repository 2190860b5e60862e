// SPDX-License-Identifier: MIT
//
// Checks of what was read from a store's data. Whoever can write there can write anything: values
// that a sum would overflow with, or that no cluster has, are refused before a rule sees them.
#pragma once

#include <workerid/rules.hpp>

#include <string>

namespace workerid::detail {

// Times and timestamps in ms are below it, in either direction: far from overflow, and exact where
// a script counts in doubles.
inline constexpr std::int64_t largest_time_ms = std::int64_t{1} << 53U;

inline bool plausible_time(std::chrono::milliseconds time) noexcept {
  return time.count() > -largest_time_ms && time.count() < largest_time_ms;
}

[[noreturn]] inline void refuse_stored(const std::string& store, const std::string& what) {
  throw Error(ErrorCode::corrupt_record, store + ": " + what + "; this library did not write it");
}

// Errors: `corrupt_record`.
inline void check_stored(const rules::Cluster& cluster, const std::string& store) {
  try {
    check_configuration(cluster.configuration);
  } catch (const Error& error) {
    refuse_stored(store, std::string{"a cluster's "} + error.what());
  }
  const Configuration& configuration = cluster.configuration;
  if (cluster.next_fresh < configuration.min_worker_id ||
      cluster.next_fresh - 1 > configuration.max_worker_id) {
    refuse_stored(store, "a cluster's lowest ID never granted is " +
                             std::to_string(cluster.next_fresh) + ", outside its range");
  }
  if (cluster.granted < 0 || cluster.granted > largest_worker_id + 1) {
    refuse_stored(store, "a cluster's number of records is " + std::to_string(cluster.granted));
  }
  // The next one has to fit as well.
  if (cluster.last_epoch >= largest_epoch || cluster.incarnation_began > largest_epoch) {
    refuse_stored(store, "a cluster's epoch is wrong");
  }
  if (!plausible_time(cluster.hold_back_until) || cluster.lost_timestamps_ms < 0 ||
      cluster.lost_timestamps_ms >= largest_time_ms) {
    refuse_stored(store, "a cluster has a wrong time");
  }
}

// Errors: `corrupt_record`.
inline void check_stored(const rules::Record& record, const std::string& store) {
  const std::string which = "the record of worker ID " + std::to_string(record.worker_id);
  if (record.worker_id < 0 || record.worker_id > largest_worker_id) {
    refuse_stored(store, which + " is of none");
  }
  if (record.epoch == 0 || record.epoch > largest_epoch) {
    refuse_stored(store, which + " has a wrong epoch");
  }
  if (!plausible_time(record.lease_end) || !plausible_time(record.free_at) ||
      !plausible_time(record.floor)) {
    refuse_stored(store, which + " has a wrong time");
  }
  const auto& [first_ms, last_ms] = record.reserved;
  if (first_ms < 0 || last_ms < first_ms - 1 || last_ms >= largest_time_ms) {
    refuse_stored(store, which + " has wrong reserved timestamps");
  }
}

}  // namespace workerid::detail
