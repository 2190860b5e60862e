// SPDX-License-Identifier: MIT
#include "store_node.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace simulation {

using namespace workerid;  // NOLINT: the names of the library, all over
using std::chrono::floor;
using std::chrono::milliseconds;

StoreNode::StoreNode(StoreKind kind, const HostClock::Line& line, std::string incarnation,
                     bool just_started, milliseconds lease_time)
    : clock(line), kind_(kind), lease_time_(lease_time), incarnation_(std::move(incarnation)) {
  if (just_started) began_ = clock.boot(Time{});
}

rules::StoreTime StoreNode::advance(const ClientTime& client, Time now) {
  if (step_at_each_operation != Time{}) {
    const HostClock::Line& line = clock.line();
    clock.bend(now, line.boot_rate, line.wall_rate, step_at_each_operation);
  }
  const Moment moment = clock.moment(now);
  if (kind_ == StoreKind::sqlite || kind_ == StoreKind::memory) {
    now_ms_ = floor<milliseconds>(moment.boot.time_since_epoch());
    return {now_ms_, moment.wall, true};
  }
  const milliseconds lease_time =
      cluster_.cluster ? cluster_.cluster->configuration.lease_time : lease_time_;
  now_ms_ = lease_clock_.advance(lease_time, moment.wall, client);
  return {now_ms_, moment.wall};
}

rules::History StoreNode::history(Time now) const {
  if (kind_ == StoreKind::server || kind_ == StoreKind::memory) return {};
  rules::History history{incarnation_, std::nullopt};
  if (saw_cluster_) {
    history.lost_ago = milliseconds{0};
  } else if (began_) {
    history.lost_ago = floor<milliseconds>(clock.boot(now) - *began_);
  }
  return history;
}

Grant StoreNode::write(const rules::Decision& decision) {
  writes_.push_back({decision.cluster, lease_clock_, decision.record});
  return cluster_.write(decision);
}

Grant StoreNode::decide(const AcquireRequest& request, const rules::StoreTime& time, Time now) {
  return write(
      rules::acquire(cluster_.cluster, request, cluster_.candidates(request), time, history(now)));
}

Grant StoreNode::decide(const RenewRequest& request, const rules::StoreTime& time, Time now) {
  return write(rules::renew(cluster_.cluster, request, cluster_.find(request.worker_id), time,
                            history(now)));
}

Grant StoreNode::decide(const RestoreRequest& request, const rules::StoreTime& time, Time now) {
  return write(rules::restore(cluster_.cluster, request, cluster_.find(request.grant.worker_id),
                              time, history(now)));
}

Grant StoreNode::decide(const ReleaseRequest& request, const rules::StoreTime& time, Time) {
  const auto released =
      rules::release(cluster_.cluster, request, cluster_.find(request.worker_id), time);
  if (released) {
    writes_.push_back({cluster_.cluster, lease_clock_, released});
    cluster_.save(*released);
  }
  return {};
}

Grant StoreNode::look(const LookRequest& request) const {
  const auto former = cluster_.of_instance(request.instance);
  return {former ? former->worker_id : 0, former ? former->epoch : 0, {}, {}};
}

template <typename Verb>
Outcome StoreNode::change(const Verb& verb, Time now) {
  std::optional<Outcome> outcome;
  const std::uint64_t began = incarnation_began();
  const rules::StoreTime time = advance(verb.client, now);
  try {
    outcome = decide(verb, time, now);
  } catch (const Error& error) {
    outcome = error;
  }
  if (incarnation_began() != began) {
    lease_clock_.begin_anew(time.now, cluster_.cluster->configuration.lease_time, time.wall,
                            verb.client);
    writes_.back().lease_clock = lease_clock_;
  }
  saw_cluster_ = saw_cluster_ || cluster_.cluster.has_value();
  return *std::move(outcome);
}

Outcome StoreNode::execute(const Request& request, Time now) {
  const auto work = [&]<typename Verb>(const Verb& verb) -> Outcome {
    if constexpr (std::is_same_v<Verb, LookRequest>) {
      return look(verb);
    } else {
      return change(verb, now);
    }
  };
  return std::visit(work, request);
}

void StoreNode::lose_last(std::int64_t writes) {
  const auto kept = std::max<std::int64_t>(0, static_cast<std::int64_t>(writes_.size()) - writes);
  writes_.resize(static_cast<std::size_t>(kept));
  cluster_ = {};
  lease_clock_ = {};
  for (const Write& write : writes_) {
    cluster_.cluster = write.cluster;
    lease_clock_ = write.lease_clock;
    if (write.record) cluster_.save(*write.record);
  }
}

void StoreNode::lose_all() {
  writes_.clear();
  cluster_ = {};
  lease_clock_ = {};
}

void StoreNode::lose_record(WorkerId worker_id) {
  const auto is_it = [&](const Write& write) {
    return write.record && write.record->worker_id == worker_id;
  };
  for (Write& write : writes_) {
    if (is_it(write)) write.record.reset();
  }
  detail::MemoryCluster rest;
  rest.cluster = cluster_.cluster;
  for (const auto& [id, record] : cluster_.all()) {
    if (id != worker_id) rest.save(record);
  }
  cluster_ = std::move(rest);
}

void StoreNode::begin(std::string incarnation, Time now) {
  incarnation_ = std::move(incarnation);
  began_ = clock.boot(now);
  saw_cluster_ = false;
}

}  // namespace simulation
