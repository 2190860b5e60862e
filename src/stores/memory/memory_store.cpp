// SPDX-License-Identifier: MIT
#include <workerid/memory_store.hpp>
#include <workerid/rules.hpp>

#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace workerid {

namespace {

using std::chrono::milliseconds;

// The records of one cluster and the indexes that a decision needs.
class ClusterRecords {
 public:
  std::optional<rules::Cluster> cluster;

  std::optional<rules::Record> find(WorkerId worker_id) const {
    const auto found = records_.find(worker_id);
    return found == records_.end() ? std::nullopt : std::optional{found->second};
  }

  rules::Candidates candidates(const AcquireRequest& request) const {
    rules::Candidates candidates;
    if (const auto found = by_token_.find(request.token); found != by_token_.end()) {
      candidates.same_token = find(found->second);
    }
    if (const auto found = by_instance_.find(request.instance); found != by_instance_.end()) {
      candidates.same_instance = find(found->second);
    }
    if (!by_free_at_.empty()) candidates.longest_free = find(by_free_at_.begin()->second);
    return candidates;
  }

  void save(const rules::Record& record) {
    if (const auto former = find(record.worker_id)) {
      by_free_at_.erase({former->free_at, former->worker_id});
      by_token_.erase(former->token);
      const auto named = by_instance_.find(former->instance);
      if (named != by_instance_.end() && named->second == former->worker_id) {
        by_instance_.erase(named);
      }
    }
    by_free_at_.emplace(record.free_at, record.worker_id);
    by_token_[record.token] = record.worker_id;
    if (!record.instance.empty()) by_instance_[record.instance] = record.worker_id;
    records_[record.worker_id] = record;
  }

  const std::map<WorkerId, rules::Record>& all() const noexcept { return records_; }

 private:
  std::map<WorkerId, rules::Record> records_;
  std::set<std::pair<milliseconds, WorkerId>> by_free_at_;
  std::map<Token, WorkerId> by_token_;
  std::map<std::string, WorkerId> by_instance_;  // the latest of each name
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<Clock> clock) : clock_(std::move(clock)) {}

  std::string description() const override { return "memory:"; }

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    ClusterRecords& records = clusters_[request.cluster];
    return write(records,
                 rules::acquire(records.cluster, request, records.candidates(request), time()));
  }

  Grant do_renew(const RenewRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    ClusterRecords& records = clusters_[request.cluster];
    return write(records,
                 rules::renew(records.cluster, request, records.find(request.worker_id), time()));
  }

  void do_release(const ReleaseRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    ClusterRecords& records = clusters_[request.cluster];
    const auto released =
        rules::release(records.cluster, request, records.find(request.worker_id), time());
    if (released) records.save(*released);
  }

  std::optional<ClusterView> do_inspect(const std::string& cluster, milliseconds) override {
    const std::lock_guard lock(mutex_);
    const auto found = clusters_.find(cluster);
    if (found == clusters_.end() || !found->second.cluster) return std::nullopt;
    const rules::Cluster& stored = *found->second.cluster;
    ClusterView view{stored.configuration, stored.last_epoch, rules::never_granted(stored), {}};
    for (const auto& [worker_id, record] : found->second.all()) {
      view.leases.push_back(rules::view(record, time()));
    }
    return view;
  }

  static Grant write(ClusterRecords& records, const rules::Decision& decision) {
    records.cluster = decision.cluster;
    records.save(decision.record);
    return decision.grant;
  }

  rules::StoreTime time() const {
    const Moment now = clock_->now();
    return {std::chrono::floor<milliseconds>(now.boot.time_since_epoch()), now.wall};
  }

  std::shared_ptr<Clock> clock_;
  std::mutex mutex_;
  std::map<std::string, ClusterRecords> clusters_;
};

}  // namespace

std::shared_ptr<Store> open_memory_store(std::shared_ptr<Clock> clock) {
  return std::make_shared<MemoryStore>(std::move(clock));
}

}  // namespace workerid
