// SPDX-License-Identifier: MIT
//
// Internal: the clusters of a store that keeps them in memory, as a plain value: a copy is a
// snapshot. Time and history come in, so that a simulator drives the same code.
#pragma once

#include <workerid/rules.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace workerid::detail {

// One cluster, its records and the indexes that a decision needs.
class MemoryCluster {
 public:
  std::optional<rules::Cluster> cluster;

  std::optional<rules::Record> find(WorkerId worker_id) const;
  std::optional<rules::Record> of_instance(const std::string& instance) const;
  rules::Candidates candidates(const AcquireRequest& request) const;
  const std::map<WorkerId, rules::Record>& all() const noexcept { return records_; }

  // Writes what was decided, and answers it.
  Grant write(const rules::Decision& decision);
  void save(const rules::Record& record);

 private:
  std::optional<rules::Record> longest_free() const;

  std::map<WorkerId, rules::Record> records_;
  std::set<std::pair<std::chrono::milliseconds, WorkerId>> by_free_at_;
  std::map<Token, WorkerId> by_token_;
  std::map<std::string, WorkerId> by_instance_;  // the latest of each name
};

// Not thread-safe: one operation at a time.
class MemoryClusters {
 public:
  Grant acquire(const AcquireRequest& request, const rules::StoreTime& time,
                const rules::History& history = {});
  Grant renew(const RenewRequest& request, const rules::StoreTime& time,
              const rules::History& history = {});
  Grant restore(const RestoreRequest& request, const rules::StoreTime& time,
                const rules::History& history = {});
  void release(const ReleaseRequest& request, const rules::StoreTime& time);
  std::optional<ClusterView> inspect(const std::string& cluster,
                                     const rules::StoreTime& time) const;
  std::optional<LeaseView> former_lease(const std::string& cluster, const std::string& instance,
                                        const rules::StoreTime& time) const;
  std::vector<std::string> names() const;
  Configuration resize(const ResizeRequest& request);
  std::chrono::milliseconds evict(const EvictRequest& request, const rules::StoreTime& time);

 private:
  std::map<std::string, MemoryCluster> clusters_;
};

}  // namespace workerid::detail
