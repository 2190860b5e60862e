// SPDX-License-Identifier: MIT
#include "stores/memory/memory_clusters.hpp"

#include <algorithm>

namespace workerid::detail {

std::optional<rules::Record> MemoryCluster::find(WorkerId worker_id) const {
  const auto found = records_.find(worker_id);
  return found == records_.end() ? std::nullopt : std::optional{found->second};
}

std::optional<rules::Record> MemoryCluster::of_instance(const std::string& instance) const {
  const auto found = by_instance_.find(instance);
  return found == by_instance_.end() ? std::nullopt : find(found->second);
}

rules::Candidates MemoryCluster::candidates(const AcquireRequest& request) const {
  rules::Candidates candidates;
  if (const auto found = by_token_.find(request.token); found != by_token_.end()) {
    candidates.same_token = find(found->second);
  }
  candidates.same_instance = of_instance(request.instance);
  for (const Token& token : request.takeover.tokens) {
    const auto named = by_token_.find(token);
    if (named == by_token_.end()) continue;
    const auto record = find(named->second);
    if (record->instance == request.instance) candidates.same_instance = record;
  }
  candidates.longest_free = longest_free();
  if (cluster) {
    const WorkerId last = cluster->configuration.max_worker_id;
    candidates.fresh = cluster->next_fresh;
    while (candidates.fresh <= last && records_.contains(candidates.fresh)) ++candidates.fresh;
  }
  return candidates;
}

std::optional<rules::Record> MemoryCluster::longest_free() const {
  const auto found = std::find_if(by_free_at_.begin(), by_free_at_.end(), [&](const auto& entry) {
    return entry.second >= cluster->configuration.min_worker_id &&
           entry.second <= cluster->configuration.max_worker_id;
  });
  return found == by_free_at_.end() ? std::nullopt : find(found->second);
}

Grant MemoryCluster::write(const rules::Decision& decision) {
  cluster = decision.cluster;
  if (decision.record) save(*decision.record);
  return decision.answer();
}

void MemoryCluster::save(const rules::Record& record) {
  bool named_before = false;
  if (const auto former = find(record.worker_id)) {
    by_free_at_.erase({former->free_at, former->worker_id});
    by_token_.erase(former->token);
    const auto named = by_instance_.find(former->instance);
    if (named != by_instance_.end() && named->second == former->worker_id &&
        former->instance != record.instance) {
      by_instance_.erase(named);
    }
    named_before = former->token == record.token && former->instance == record.instance;
  }
  by_free_at_.emplace(record.free_at, record.worker_id);
  by_token_[record.token] = record.worker_id;
  // The ID of its latest lease, whichever was renewed last.
  if (!named_before && !record.instance.empty()) by_instance_[record.instance] = record.worker_id;
  records_[record.worker_id] = record;
}

Grant MemoryClusters::acquire(const AcquireRequest& request, const rules::StoreTime& time,
                              const rules::History& history) {
  MemoryCluster& stored = clusters_[request.cluster];
  return stored.write(
      rules::acquire(stored.cluster, request, stored.candidates(request), time, history));
}

Grant MemoryClusters::renew(const RenewRequest& request, const rules::StoreTime& time,
                            const rules::History& history) {
  MemoryCluster& stored = clusters_[request.cluster];
  return stored.write(
      rules::renew(stored.cluster, request, stored.find(request.worker_id), time, history));
}

Grant MemoryClusters::restore(const RestoreRequest& request, const rules::StoreTime& time,
                              const rules::History& history) {
  MemoryCluster& stored = clusters_[request.cluster];
  return stored.write(
      rules::restore(stored.cluster, request, stored.find(request.grant.worker_id), time, history));
}

void MemoryClusters::release(const ReleaseRequest& request, const rules::StoreTime& time) {
  MemoryCluster& stored = clusters_[request.cluster];
  const auto released =
      rules::release(stored.cluster, request, stored.find(request.worker_id), time);
  if (released) stored.save(*released);
}

std::optional<ClusterView> MemoryClusters::inspect(const std::string& cluster,
                                                   const rules::StoreTime& time) const {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end() || !found->second.cluster) return std::nullopt;
  ClusterView view = rules::view(*found->second.cluster, time);
  for (const auto& [worker_id, record] : found->second.all()) {
    view.leases.push_back(rules::view(record, time));
  }
  return view;
}

std::optional<LeaseView> MemoryClusters::former_lease(const std::string& cluster,
                                                      const std::string& instance,
                                                      const rules::StoreTime& time) const {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end()) return std::nullopt;
  const auto record = found->second.of_instance(instance);
  return record ? std::optional{rules::view(*record, time)} : std::nullopt;
}

std::vector<std::string> MemoryClusters::names() const {
  std::vector<std::string> names;
  for (const auto& [name, stored] : clusters_) {
    if (stored.cluster) names.push_back(name);
  }
  return names;
}

Configuration MemoryClusters::resize(const ResizeRequest& request) {
  MemoryCluster& stored = clusters_[request.cluster];
  stored.cluster = rules::resize(stored.cluster, request);
  return stored.cluster->configuration;
}

std::chrono::milliseconds MemoryClusters::evict(const EvictRequest& request,
                                                const rules::StoreTime& time) {
  MemoryCluster& stored = clusters_[request.cluster];
  const rules::Record evicted =
      rules::evict(stored.cluster, request, stored.find(request.worker_id), time);
  stored.save(evicted);
  return evicted.free_at - time.now;
}

}  // namespace workerid::detail
