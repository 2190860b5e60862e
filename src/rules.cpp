// SPDX-License-Identifier: MIT
#include <workerid/rules.hpp>

#include <algorithm>
#include <string>

namespace workerid::rules {

namespace {

using std::chrono::milliseconds;

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string text(const Configuration& configuration) {
  return "worker IDs " + std::to_string(configuration.min_worker_id) + " to " +
         std::to_string(configuration.max_worker_id) + ", lease " +
         std::to_string(configuration.lease_time.count()) + " ms, reuse delay " +
         std::to_string(configuration.reuse_delay.count()) + " ms, cool-down " +
         std::to_string(configuration.cool_down.count()) + " ms";
}

// The client's wall clock as far as it may reserve timestamps.
std::int64_t believed_wall_ms(const ClientTime& client, const StoreTime& time) {
  const WallTime latest = time.wall + largest_clock_lead;
  return std::max<std::int64_t>(0, std::min(client.moment.wall, latest).time_since_epoch().count());
}

// G4: greater than every earlier epoch, also after the store lost its counter.
std::uint64_t next_epoch(const Cluster& cluster, const StoreTime& time) {
  const std::int64_t wall_us =
      std::chrono::duration_cast<std::chrono::microseconds>(time.wall.time_since_epoch()).count();
  return std::max(cluster.last_epoch + 1,
                  static_cast<std::uint64_t>(std::max<std::int64_t>(0, wall_us)));
}

// Never shortens: what an earlier, longer promise gave still holds.
void extend(Record& record, const Configuration& configuration, const ClientTime& client,
            const StoreTime& time) {
  const milliseconds lease_end = time.now + configuration.lease_time;
  record.lease_end = std::max(record.lease_end, lease_end);
  record.free_at = std::max(record.free_at, lease_end + configuration.reuse_delay);
  record.reserved.last_ms = std::max(
      record.reserved.last_ms, believed_wall_ms(client, time) + configuration.lease_time.count());
}

// A new grant of the record's ID: a greater epoch, and timestamps above all that were reserved.
void grant_anew(Record& record, Cluster& cluster, const ClientTime& client, const StoreTime& time) {
  record.epoch = cluster.last_epoch = next_epoch(cluster, time);
  record.reserved.first_ms =
      std::max(record.reserved.last_ms + 1, believed_wall_ms(client, time));  // G8
  record.reserved.last_ms = record.reserved.first_ms + cluster.configuration.lease_time.count();
  extend(record, cluster.configuration, client, time);
}

Grant grant_of(const Record& record, const Cluster& cluster) {
  return {record.worker_id, record.epoch, record.reserved, cluster.configuration.lease_time};
}

bool grantable(const Record& record, const StoreTime& time) {
  return time.now >= record.free_at;
}

// Finds the record that renew and release are about, or says why there is none (G3).
const Record& owned_record(const std::optional<Cluster>& cluster, const std::string& name,
                           WorkerId worker_id, const Token& token,
                           const std::optional<Record>& record) {
  const std::string which =
      "worker ID " + std::to_string(worker_id) + " of cluster " + quoted(name);
  if (!cluster) {
    throw Error(ErrorCode::not_assigned, which + ": the store knows no cluster of this name");
  }
  const Configuration& configuration = cluster->configuration;
  if (worker_id < configuration.min_worker_id || worker_id > configuration.max_worker_id) {
    throw Error(ErrorCode::invalid_worker_id, which + ": the cluster's worker IDs are " +
                                                  std::to_string(configuration.min_worker_id) +
                                                  " to " +
                                                  std::to_string(configuration.max_worker_id));
  }
  if (!record) throw Error(ErrorCode::not_assigned, which + ": it was never granted");
  if (record->token != token) {
    throw record->released
        ? Error(ErrorCode::not_assigned, which + ": it was granted to another and released")
        : Error(ErrorCode::token_mismatch, which + ": it was granted to another, under epoch " +
                                               std::to_string(record->epoch));
  }
  return *record;
}

void refuse_ended(const Record& record, const std::string& cluster, const StoreTime& time) {
  if (time.now < record.lease_end) return;
  throw Error(ErrorCode::token_expired,
              "worker ID " + std::to_string(record.worker_id) + " of cluster " + quoted(cluster) +
                  ": its lease ended " + std::to_string((time.now - record.lease_end).count()) +
                  " ms ago");
}

}  // namespace

Cluster new_cluster(const Configuration& configuration) {
  return {configuration, 0, configuration.min_worker_id};
}

Decision acquire(const std::optional<Cluster>& stored, const AcquireRequest& request,
                 const Candidates& candidates, const StoreTime& time) {
  Cluster cluster = stored.value_or(new_cluster(request.configuration));
  const std::string which = "cluster " + quoted(request.cluster);
  if (cluster.configuration != request.configuration) {
    throw Error(ErrorCode::configuration_mismatch, which + " has " + text(cluster.configuration) +
                                                       "; this process asked for " +
                                                       text(request.configuration));
  }

  if (candidates.same_token) {  // G5: the same grant again
    Record record = *candidates.same_token;
    if (record.released) {
      throw Error(ErrorCode::invalid_token,
                  which + ": the lease of this token was released; a token serves one acquisition");
    }
    extend(record, cluster.configuration, request.client, time);
    return {cluster, record, grant_of(record, cluster)};
  }

  Record record;
  if (candidates.same_instance &&
      (request.takeover || grantable(*candidates.same_instance, time))) {
    record = *candidates.same_instance;
  } else if (cluster.next_fresh <= cluster.configuration.max_worker_id) {
    record.worker_id = cluster.next_fresh++;
  } else if (candidates.longest_free && grantable(*candidates.longest_free, time)) {
    record = *candidates.longest_free;
  } else {
    if (!candidates.longest_free) {
      throw Error(ErrorCode::corrupt_record,
                  which + ": all IDs were granted but no record is there");
    }
    const milliseconds wait = candidates.longest_free->free_at - time.now;
    throw Error(ErrorCode::no_available_id,
                which + ": all of its " +
                    std::to_string(cluster.configuration.max_worker_id -
                                   cluster.configuration.min_worker_id + 1) +
                    " worker IDs are taken; the next may come free in " +
                    std::to_string(wait.count()) + " ms",
                wait);
  }

  record.token = request.token;
  record.instance = request.instance;
  record.owner = request.owner;
  record.released = false;
  // A takeover shortens what was promised to a holder that is known to be gone.
  record.lease_end = record.free_at = time.now;
  grant_anew(record, cluster, request.client, time);
  return {cluster, record, grant_of(record, cluster)};
}

Decision renew(const std::optional<Cluster>& stored, const RenewRequest& request,
               const std::optional<Record>& found, const StoreTime& time) {
  Record record = owned_record(stored, request.cluster, request.worker_id, request.token, found);
  Cluster cluster = *stored;
  if (record.released) {
    throw Error(ErrorCode::not_assigned, "worker ID " + std::to_string(request.worker_id) +
                                             " of cluster " + quoted(request.cluster) +
                                             ": it was released");
  }
  if (request.renewal == Renewal::strict) refuse_ended(record, request.cluster, time);
  if (request.renewal == Renewal::resume) {
    grant_anew(record, cluster, request.client, time);
  } else {
    extend(record, cluster.configuration, request.client, time);
  }
  return {cluster, record, grant_of(record, cluster)};
}

std::optional<Record> release(const std::optional<Cluster>& cluster, const ReleaseRequest& request,
                              const std::optional<Record>& found, const StoreTime& time) {
  Record record = owned_record(cluster, request.cluster, request.worker_id, request.token, found);
  if (record.released) return std::nullopt;
  if (request.strict) refuse_ended(record, request.cluster, time);
  if (request.last_timestamp_ms) {
    if (*request.last_timestamp_ms > record.reserved.last_ms) {
      throw Error(ErrorCode::invalid_argument, "the last timestamp used, " +
                                                   std::to_string(*request.last_timestamp_ms) +
                                                   ", is above the reserved ones, which end at " +
                                                   std::to_string(record.reserved.last_ms));
    }
    record.reserved.last_ms = std::max(*request.last_timestamp_ms, record.reserved.first_ms - 1);
  }
  record.released = true;
  record.lease_end = std::min(record.lease_end, time.now);
  record.free_at = time.now + cluster->configuration.cool_down;
  return record;
}

LeaseView view(const Record& record, const StoreTime& time) {
  const auto left = [&](milliseconds until) { return std::max(milliseconds{0}, until - time.now); };
  LeaseView view{.worker_id = record.worker_id,
                 .state = LeaseState::free,
                 .epoch = record.epoch,
                 .instance = record.instance,
                 .owner = record.owner,
                 .lease_left = left(record.lease_end),
                 .free_in = left(record.free_at),
                 .reserved = record.reserved};
  if (record.released) {
    view.state = grantable(record, time) ? LeaseState::free : LeaseState::cooling_down;
  } else if (time.now < record.lease_end) {
    view.state = LeaseState::leased;
  } else if (!grantable(record, time)) {
    view.state = LeaseState::expired;
  }
  return view;
}

WorkerId never_granted(const Cluster& cluster) {
  return cluster.configuration.max_worker_id - cluster.next_fresh + 1;
}

}  // namespace workerid::rules
