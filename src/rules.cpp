// SPDX-License-Identifier: MIT
#include <workerid/rules.hpp>

#include <algorithm>
#include <string>
#include <utility>

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

// Never shortens: what an earlier, longer promise gave still holds. The reserved timestamps move on
// with the lease where they then end about when it does by the client's clock: so a store that keeps
// when an ID comes free, and how far its timestamps are ahead of that, writes the first alone.
void extend(Record& record, const Cluster& cluster, const ClientTime& client,
            const StoreTime& time) {
  const auto& [min, max, lease_time, reuse_delay, cool_down] = cluster.configuration;
  const milliseconds before = record.lease_end;
  record.lease_end = std::max({before, record.free_at - reuse_delay, time.now + lease_time});
  record.free_at = record.lease_end + reuse_delay;
  const std::int64_t needed_ms = believed_wall_ms(client, time) + lease_time.count();
  const std::int64_t moved_ms = record.reserved.last_ms + (record.lease_end - before).count();
  record.reserved.last_ms = std::abs(moved_ms - needed_ms) <= lease_time.count() / 64
                                ? moved_ms
                                : std::max(record.reserved.last_ms, needed_ms);
}

// A new grant of the record's ID: a greater epoch, and timestamps above all that were reserved.
void grant_anew(Record& record, Cluster& cluster, const ClientTime& client, const StoreTime& time) {
  record.epoch = cluster.last_epoch = next_epoch(cluster, time);
  record.reserved.first_ms = std::max({record.reserved.last_ms, cluster.lost_timestamps_ms,
                                       believed_wall_ms(client, time) - 1}) +
                             1;  // G8
  extend(record, cluster, client, time);
  record.reserved.last_ms = record.reserved.first_ms + cluster.configuration.lease_time.count();
}

// Something may have been lost: whoever holds an ID has a time from then on to register it anew (G7).
void hold_back(Cluster& cluster, milliseconds lost_ago, const StoreTime& time) {
  cluster.incarnation_began = cluster.last_epoch = next_epoch(cluster, time);
  cluster.hold_back_until =
      time.now + std::max(milliseconds{0}, hold_back_time(cluster.configuration) - lost_ago);
  // The most that a lost grant can have reserved, also when its holder's time is over (G8).
  const auto latest = time.wall - lost_ago + largest_clock_lead + cluster.configuration.lease_time;
  cluster.lost_timestamps_ms =
      std::max<std::int64_t>(cluster.lost_timestamps_ms, latest.time_since_epoch().count());
}

bool holds_back(const Cluster& cluster, const StoreTime& time) {
  return time.now < cluster.hold_back_until;
}

// Whether the claim that nobody ever used it may be true.
bool may_be_fresh(const Cluster& cluster) {
  return cluster.granted == 0 && !cluster.proven;
}

// Compares the store with what was noted of it, and holds back if it forgot or went back (G7).
// `seen_epoch` is a witness: a store that granted it once and does not know it now went back.
void notice_loss(Cluster& cluster, std::uint64_t seen_epoch, const StoreTime& time,
                 const History& history) {
  const bool known = !history.incarnation.empty() && !cluster.incarnation.empty();
  const bool another = known && history.incarnation != cluster.incarnation;
  const bool unknown = seen_epoch > cluster.last_epoch;
  if (!history.incarnation.empty()) cluster.incarnation = history.incarnation;
  cluster.last_epoch = std::max(cluster.last_epoch, seen_epoch);  // G4
  if (another || (unknown && !holds_back(cluster, time))) {
    hold_back(cluster, milliseconds{0}, time);
  } else if (unknown) {  // Granted before the loss, whatever the store's clock says (not A5).
    cluster.incarnation_began = seen_epoch;
  }
}

Decision refuse_holding_back(const Cluster& cluster, const std::string& name,
                             const StoreTime& time) {
  const milliseconds left = cluster.hold_back_until - time.now;
  std::string facts = "cluster " + quoted(name) + ": the store may have lost data, so for " +
                      std::to_string(left.count()) +
                      " ms more nothing is granted, and those who still hold an ID keep it";
  if (may_be_fresh(cluster)) facts += fresh_advice;
  return {cluster, std::nullopt, Error(ErrorCode::holding_back, facts, left)};
}

bool agree(WallTime wall, const ClientTime& client, milliseconds lease_time) {
  return std::chrono::abs(client.moment.wall - wall) <=
         std::max(milliseconds{1}, lease_time / 4) / 2;
}

// What a boot clock showed is of use only if the request did not take long to come: time that had
// passed before it was executed would count twice. Wall clocks that agree say so, if no request that
// was executed before shows that this one is late and the server's clock as much behind; and if they
// still agree at the next operation, the server's did not step alone.
bool in_time(const LeaseClock& clock, WallTime wall, const ClientTime& client,
             milliseconds lease_time) {
  return agree(wall, client, lease_time) &&
         agree(std::max(clock.latest_client, client.moment.wall), client, lease_time);
}

// A client whose clock is far ahead makes others late for a lease time at most.
WallTime latest_of(WallTime latest, WallTime wall, const ClientTime& client,
                   milliseconds lease_time) {
  return std::min(std::max(latest, client.moment.wall), wall + lease_time);
}

bool grantable(const Record& record, const StoreTime& time) {
  return time.now >= record.free_at;
}

// Where a promise still runs, as when it is taken over, whoever gave the word that its holder is gone
// may be wrong: nobody else gets the ID before the end that was promised (G1).
void replace_holder(Record& record, const StoreTime& time) {
  record.floor = grantable(record, time) ? milliseconds{0} : record.free_at;
  record.lease_end = time.now;
}

bool names(const Takeover& takeover, const Record& record) {
  const auto& [tokens, epoch] = takeover;
  return epoch == record.epoch ||
         std::find(tokens.begin(), tokens.end(), record.token) != tokens.end();
}

// Since the last loss. Neither a restoration nor a held renewal makes a lease so: both may have been
// under way since before it, and they keep its epoch.
bool granted_in_this_incarnation(const Record& record, const Cluster& cluster) {
  return record.epoch > cluster.incarnation_began;
}

std::string lease_text(WorkerId worker_id, const std::string& cluster) {
  return "worker ID " + std::to_string(worker_id) + " of cluster " + quoted(cluster);
}

bool in_range(const Configuration& configuration, WorkerId worker_id) {
  return worker_id >= configuration.min_worker_id && worker_id <= configuration.max_worker_id;
}

void check_range(const Configuration& configuration, WorkerId worker_id, const std::string& name) {
  if (in_range(configuration, worker_id)) return;
  throw Error(ErrorCode::invalid_worker_id,
              lease_text(worker_id, name) + ": the cluster's worker IDs are " +
                  std::to_string(configuration.min_worker_id) + " to " +
                  std::to_string(configuration.max_worker_id));
}

// A resize leaves records outside the range: they are granted no more.
Candidates within_range(Candidates candidates, const Configuration& configuration,
                        const std::string& name) {
  if (candidates.same_token) check_range(configuration, candidates.same_token->worker_id, name);
  if (candidates.same_instance && !in_range(configuration, candidates.same_instance->worker_id)) {
    candidates.same_instance.reset();
  }
  if (candidates.longest_free && !in_range(configuration, candidates.longest_free->worker_id)) {
    candidates.longest_free.reset();
  }
  candidates.fresh = std::min(candidates.fresh, configuration.max_worker_id + 1);
  return candidates;
}

void check_owner(const Record& record, const Token& token, const std::string& name) {
  if (record.token == token) return;
  const std::string which = lease_text(record.worker_id, name);
  throw record.released
      ? Error(ErrorCode::not_assigned, which + ": it was granted to another and released")
      : Error(ErrorCode::token_mismatch,
              which + ": it was granted to another, under epoch " + std::to_string(record.epoch));
}

// Finds the record that renew and release are about, or says why there is none (G3).
const Record& owned_record(const std::optional<Cluster>& cluster, const std::string& name,
                           WorkerId worker_id, const Token& token,
                           const std::optional<Record>& record) {
  if (!cluster) {
    throw Error(ErrorCode::not_assigned,
                lease_text(worker_id, name) + ": the store knows no cluster of this name");
  }
  if (!record) {  // Who has one outside the range was granted it before a resize.
    check_range(cluster->configuration, worker_id, name);
    throw Error(ErrorCode::not_assigned, lease_text(worker_id, name) + ": it was never granted");
  }
  check_owner(*record, token, name);
  return *record;
}

void check_not_released(const Record& record, const std::string& name) {
  if (!record.released) return;
  throw Error(ErrorCode::not_assigned,
              lease_text(record.worker_id, name) + ": it was released, or its holder evicted");
}

void refuse_ended(const Record& record, const std::string& cluster, const StoreTime& time) {
  if (time.now < record.lease_end) return;
  throw Error(ErrorCode::token_expired,
              lease_text(record.worker_id, cluster) + ": its lease ended " +
                  std::to_string((time.now - record.lease_end).count()) + " ms ago");
}

// A holder that does not know whether its validity still runs may have lapsed long ago, and others may
// have had the ID in what was lost (R3).
void refuse_of_former_incarnation(const Record& record, const Cluster& cluster,
                                  const std::string& name) {
  if (granted_in_this_incarnation(record, cluster)) return;
  throw Error(ErrorCode::token_expired,
              lease_text(record.worker_id, name) +
                  ": the store may have lost data since it was granted; get another worker ID");
}

}  // namespace

Cluster new_cluster(const Configuration& configuration) {
  Cluster cluster;
  cluster.configuration = configuration;
  cluster.next_fresh = configuration.min_worker_id;
  return cluster;
}

milliseconds hold_back_time(const Configuration& configuration) {
  return configuration.lease_time + configuration.reuse_delay;
}

milliseconds LeaseClock::advance(milliseconds lease_time, WallTime wall, const ClientTime& client) {
  const milliseconds passed = wall - last_wall;
  const milliseconds most = std::max(milliseconds{1}, lease_time / 4);
  const bool on_witness = !client.machine.empty() && client.machine == witness;
  const auto shown = client.moment.boot - witness_boot;
  // Where another clock disputes it the server's may have stepped back, and then much more passed
  // since the witness spoke: it counts no longer.
  const bool disputed = !witness.empty() &&
                        (!agree(wall, client, lease_time) || (on_witness && shown > passed + most));
  const bool news = latest_of(latest_client, wall, client, lease_time) > latest_client + most / 2;
  const bool soon = passed >= milliseconds{0} && passed < lease_time / 16;
  if (soon && !disputed && !news) return now + passed;
  milliseconds credit = std::clamp(passed, milliseconds{0}, most);
  if (on_witness && in_time(*this, wall, client, lease_time)) {
    credit = std::max(credit, std::min(passed, std::chrono::floor<milliseconds>(shown)));
  }
  keep(now + credit, lease_time, wall, client);
  return now;
}

void LeaseClock::begin_anew(milliseconds reading, milliseconds lease_time, WallTime wall,
                            const ClientTime& client) {
  keep(reading, lease_time, wall, {client.moment, {}});
}

void LeaseClock::keep(milliseconds reading, milliseconds lease_time, WallTime wall,
                      const ClientTime& client) {
  BootTime boot = client.moment.boot;
  if (client.machine == witness) boot = std::max(boot, witness_boot);
  witness = in_time(*this, wall, client, lease_time) ? client.machine : std::string{};
  witness_boot = boot;
  latest_client = latest_of(latest_client, wall, client, lease_time);
  now = reading;
  last_wall = wall;
}

Grant Decision::answer() const {
  if (refusal) throw Error(*refusal);
  return {record->worker_id, record->epoch, record->reserved, cluster.configuration.lease_time};
}

Decision acquire(const std::optional<Cluster>& stored, const AcquireRequest& request,
                 const Candidates& found, const StoreTime& time, const History& history) {
  Cluster cluster = stored.value_or(new_cluster(request.configuration));
  const std::string which = "cluster " + quoted(request.cluster);
  if (cluster.configuration != request.configuration) {
    throw Error(ErrorCode::configuration_mismatch, which + " has " + text(cluster.configuration) +
                                                       "; this process asked for " +
                                                       text(request.configuration));
  }

  if (!stored && request.seen_epoch > 0) {
    hold_back(cluster, milliseconds{0}, time);
  } else if (!stored && history.lost_ago) {
    hold_back(cluster, *history.lost_ago, time);
  }
  notice_loss(cluster, request.seen_epoch, time, history);
  // A lease that was granted or restored belies the claim, and so does, for good, whoever saw one.
  if (request.seen_epoch > 0) cluster.proven = true;
  if (request.fresh && may_be_fresh(cluster)) {
    cluster.hold_back_until = time.now;
    cluster.lost_timestamps_ms = 0;
  }
  if (holds_back(cluster, time)) return refuse_holding_back(cluster, request.cluster, time);
  const Candidates candidates = within_range(found, cluster.configuration, request.cluster);

  if (candidates.same_token) {  // G5: the same grant again
    Record record = *candidates.same_token;
    if (record.released) {
      throw Error(ErrorCode::invalid_token,
                  which + ": the lease of this token was released; a token serves one acquisition");
    }
    if (granted_in_this_incarnation(record, cluster)) {
      extend(record, cluster, request.client, time);
    } else {  // Who was granted it next, and reserved what, may have been lost.
      grant_anew(record, cluster, request.client, time);
    }
    return {cluster, record};
  }

  const WorkerId fresh = stored ? candidates.fresh : cluster.next_fresh;
  if (fresh < cluster.next_fresh) {
    throw Error(ErrorCode::corrupt_record, which + ": the lowest ID without a record is not given");
  }
  cluster.next_fresh = fresh;

  Record record;
  if (candidates.same_instance && (grantable(*candidates.same_instance, time) ||
                                   names(request.takeover, *candidates.same_instance))) {
    record = *candidates.same_instance;
  } else if (fresh <= cluster.configuration.max_worker_id) {
    record.worker_id = cluster.next_fresh++;
    ++cluster.granted;
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
  replace_holder(record, time);
  grant_anew(record, cluster, request.client, time);
  return {cluster, record};
}

Decision renew(const std::optional<Cluster>& stored, const RenewRequest& request,
               const std::optional<Record>& found, const StoreTime& time, const History& history) {
  Record record = owned_record(stored, request.cluster, request.worker_id, request.token, found);
  Cluster cluster = *stored;
  check_not_released(record, request.cluster);
  // Only who is known to be valid may be extended while others may hold the ID (R3).
  if (request.renewal != Renewal::held) {
    notice_loss(cluster, 0, time, history);
    if (holds_back(cluster, time)) return refuse_holding_back(cluster, request.cluster, time);
  }
  if (request.renewal == Renewal::strict) {
    refuse_ended(record, request.cluster, time);
    refuse_of_former_incarnation(record, cluster, request.cluster);
  }
  if (request.renewal == Renewal::resume) {
    check_range(cluster.configuration, request.worker_id, request.cluster);
    grant_anew(record, cluster, request.client, time);
  } else {
    extend(record, cluster, request.client, time);
  }
  return {cluster, record};
}

Decision restore(const std::optional<Cluster>& stored, const RestoreRequest& request,
                 const std::optional<Record>& found, const StoreTime& time,
                 const History& history) {
  const auto& [worker_id, epoch, reserved, lease_time] = request.grant;
  Cluster cluster = stored.value_or(new_cluster(request.configuration));
  // Who was granted it before a resize, or after one that was lost, goes on.
  if (!found && !in_range(request.configuration, worker_id)) {
    check_range(cluster.configuration, worker_id, request.cluster);
  }

  // Its sender could not begin a validity with the answer, and may have lapsed.
  if (time.of_clients && BootTime{time.now} >= request.valid_until) {
    throw Error(ErrorCode::token_expired,
                lease_text(worker_id, request.cluster) +
                    ": its holder's validity was over before the store could register it anew");
  }

  const bool owned = found && found->token == request.token;
  const bool forgotten = !found || (!owned && found->epoch < epoch);
  notice_loss(cluster, epoch, time, history);
  // R2: what was granted since the loss is true, and of two that are restored the later grant: it was
  // made when the earlier promise was over.
  if (found && (!forgotten || granted_in_this_incarnation(*found, cluster))) {
    check_owner(*found, request.token, request.cluster);
  }
  if (owned) check_not_released(*found, request.cluster);
  if (forgotten && !holds_back(cluster, time)) hold_back(cluster, milliseconds{0}, time);

  if (!found) ++cluster.granted;
  Record record = found.value_or(Record{});
  if (!owned) replace_holder(record, time);
  record.worker_id = worker_id;
  record.token = request.token;
  record.epoch = std::max(record.epoch, epoch);
  record.instance = request.instance;
  record.owner = request.owner;
  record.released = false;
  // One that comes late must not give a later grant the range of an earlier one (G3, G8).
  record.reserved = {
      owned ? std::max(record.reserved.first_ms, reserved.first_ms) : reserved.first_ms,
      std::max(record.reserved.last_ms, reserved.last_ms)};
  extend(record, cluster, request.client, time);
  return {cluster, record};
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
  record.free_at = std::max(time.now + cluster->configuration.cool_down, record.floor);
  return record;
}

LeaseView view(const Record& record, const StoreTime& time) {
  const auto left = [&](milliseconds until) { return std::max(milliseconds{0}, until - time.now); };
  LeaseView view{.worker_id = record.worker_id,
                 .state = LeaseState::free,
                 .epoch = record.epoch,
                 .instance = record.instance,
                 .owner = record.owner,
                 .lease_left = record.released ? milliseconds{0} : left(record.lease_end),
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

ClusterView view(const Cluster& cluster, const StoreTime& time) {
  const Configuration& configuration = cluster.configuration;
  const WorkerId all = configuration.max_worker_id - configuration.min_worker_id + 1;
  return {.configuration = configuration,
          .last_epoch = cluster.last_epoch,
          .never_granted = all - cluster.granted,
          .hold_back = std::max(milliseconds{0}, cluster.hold_back_until - time.now),
          .leases = {}};
}

Cluster resize(const std::optional<Cluster>& stored, const ResizeRequest& request) {
  if (!stored) {
    throw Error(ErrorCode::invalid_argument,
                "cluster " + quoted(request.cluster) + ": the store knows no cluster of this name");
  }
  Cluster cluster = *stored;
  const auto [low, high] = std::pair{request.min_worker_id, request.max_worker_id};
  // Of the IDs below the former range some may never have been granted.
  cluster.next_fresh = low < cluster.configuration.min_worker_id
                           ? low
                           : std::clamp(cluster.next_fresh, low, high + 1);
  cluster.configuration.min_worker_id = low;
  cluster.configuration.max_worker_id = high;
  return cluster;
}

Record evict(const std::optional<Cluster>& cluster, const EvictRequest& request,
             const std::optional<Record>& found, const StoreTime& time) {
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::not_assigned, lease_text(request.worker_id, request.cluster) + why);
  };
  if (!cluster) throw refuse(": the store knows no cluster of this name");
  if (!found) {
    check_range(cluster->configuration, request.worker_id, request.cluster);
    throw refuse(": it was never granted");
  }
  if (found->epoch != request.epoch) {
    throw refuse(": its lease has the epoch " + std::to_string(found->epoch) + ", not " +
                 std::to_string(request.epoch));
  }
  if (grantable(*found, time)) throw refuse(": nobody holds it");
  Record record = *found;
  if (record.released) return record;
  record.released = true;
  // G1: the former holder may be valid to the end of its lease, so the ID comes free no sooner.
  record.lease_end = std::min(record.lease_end, time.now);
  return record;
}

}  // namespace workerid::rules
