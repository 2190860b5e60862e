// SPDX-License-Identifier: MIT
#include "stores/memory/memory_clusters.hpp"

#include <workerid/memory_store.hpp>

#include <mutex>
#include <utility>

namespace workerid {

namespace {

using std::chrono::milliseconds;

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<Clock> clock) : clock_(std::move(clock)) {}

  std::string description() const override { return "memory:"; }

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.acquire(request, time());
  }

  Grant do_renew(const RenewRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.renew(request, time());
  }

  Grant do_restore(const RestoreRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.restore(request, time());
  }

  void do_release(const ReleaseRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    clusters_.release(request, time());
  }

  std::optional<ClusterView> do_inspect(const std::string& cluster, milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.inspect(cluster, time());
  }

  std::optional<LeaseView> do_former_lease(const std::string& cluster, const std::string& instance,
                                           milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.former_lease(cluster, instance, time());
  }

  Guarantee do_guarantee(milliseconds) override {
    return {GuaranteeLevel::exact,
            GuaranteeLevel::exact,
            {"The records live as long as this object, in one process; a child made by fork() has "
             "nothing."}};
  }

  std::vector<std::string> do_clusters(milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.names();
  }

  Configuration do_resize(const ResizeRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.resize(request);
  }

  milliseconds do_evict(const EvictRequest& request, milliseconds) override {
    const std::lock_guard lock(mutex_);
    return clusters_.evict(request, time());
  }

  rules::StoreTime time() const {
    const Moment now = clock_->now();
    return {std::chrono::floor<milliseconds>(now.boot.time_since_epoch()), now.wall, true};
  }

  std::shared_ptr<Clock> clock_;
  std::mutex mutex_;
  detail::MemoryClusters clusters_;
};

}  // namespace

std::shared_ptr<Store> open_memory_store(std::shared_ptr<Clock> clock) {
  return std::make_shared<MemoryStore>(std::move(clock));
}

}  // namespace workerid
