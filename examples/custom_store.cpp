// SPDX-License-Identifier: MIT
//
// A store of your own, and the proof that it is one. Yours has a database where this one has maps
// behind a mutex: a transaction for the lock, a query with an index for each loop. What is decided
// stands in workerid::rules, the same for every store.
#include <workerid/rules.hpp>
#include <workerid/testing/store_conformance.hpp>
#include <workerid/workerid.hpp>

#include <iostream>
#include <map>
#include <mutex>

namespace {

using std::chrono::milliseconds;
using workerid::rules::Record;

struct Table {
  std::optional<workerid::rules::Cluster> cluster;
  std::map<workerid::WorkerId, Record> records;
};

class CustomStore final : public workerid::Store {
 public:
  std::string description() const override { return "custom:"; }

 private:
  workerid::Grant do_acquire(const workerid::AcquireRequest& request, milliseconds) override {
    const std::lock_guard transaction(mutex_);
    Table& table = tables_[request.cluster];
    workerid::rules::Candidates candidates;
    for (const auto& [worker_id, record] : table.records) {
      if (record.token == request.token) candidates.same_token = record;
      if (!request.instance.empty() && record.instance == request.instance &&
          (!candidates.same_instance || record.epoch > candidates.same_instance->epoch)) {
        candidates.same_instance = record;
      }
      if (!candidates.longest_free || record.free_at < candidates.longest_free->free_at) {
        candidates.longest_free = record;
      }
    }
    for (const workerid::Token& token : request.takeover.tokens) {
      for (const auto& [worker_id, record] : table.records) {
        if (record.token == token && record.instance == request.instance) {
          candidates.same_instance = record;
        }
      }
    }
    if (table.cluster) candidates.fresh = table.cluster->next_fresh;
    while (table.records.contains(candidates.fresh)) ++candidates.fresh;
    return write(table, workerid::rules::acquire(table.cluster, request, candidates, time()));
  }

  workerid::Grant do_renew(const workerid::RenewRequest& request, milliseconds) override {
    const std::lock_guard transaction(mutex_);
    Table& table = tables_[request.cluster];
    return write(table, workerid::rules::renew(table.cluster, request,
                                               find(table, request.worker_id), time()));
  }

  workerid::Grant do_restore(const workerid::RestoreRequest& request, milliseconds) override {
    const std::lock_guard transaction(mutex_);
    Table& table = tables_[request.cluster];
    return write(table, workerid::rules::restore(table.cluster, request,
                                                 find(table, request.grant.worker_id), time()));
  }

  void do_release(const workerid::ReleaseRequest& request, milliseconds) override {
    const std::lock_guard transaction(mutex_);
    Table& table = tables_[request.cluster];
    const auto released =
        workerid::rules::release(table.cluster, request, find(table, request.worker_id), time());
    if (released) table.records[released->worker_id] = *released;
  }

  std::optional<workerid::ClusterView> do_inspect(const std::string& cluster,
                                                  milliseconds) override {
    const std::lock_guard transaction(mutex_);
    const Table& table = tables_[cluster];
    if (!table.cluster) return std::nullopt;
    workerid::ClusterView view = workerid::rules::view(*table.cluster, time());
    for (const auto& [worker_id, record] : table.records) {
      view.leases.push_back(workerid::rules::view(record, time()));
    }
    return view;
  }

  // These maps forget nothing as long as they exist. A store that can lose what it acknowledged says
  // so here, and passes a workerid::rules::History to the rules.
  workerid::Guarantee do_guarantee(milliseconds) override {
    return {workerid::GuaranteeLevel::exact, workerid::GuaranteeLevel::exact, {}};
  }

  static std::optional<Record> find(const Table& table, workerid::WorkerId worker_id) {
    const auto found = table.records.find(worker_id);
    return found == table.records.end() ? std::nullopt : std::optional{found->second};
  }

  static workerid::Grant write(Table& table, const workerid::rules::Decision& decision) {
    table.cluster = decision.cluster;
    if (decision.record) table.records[decision.record->worker_id] = *decision.record;
    return decision.answer();
  }

  // The store's own clock, read inside the transaction, never a client's.
  static workerid::rules::StoreTime time() {
    const workerid::Moment now = workerid::boottime_clock()->now();
    return {std::chrono::floor<milliseconds>(now.boot.time_since_epoch()), now.wall, true};
  }

  std::mutex mutex_;
  std::map<std::string, Table> tables_;
};

}  // namespace

int main() {
  std::shared_ptr<workerid::Store> store = std::make_shared<CustomStore>();
  const bool passed =
      workerid::testing::run_store_conformance({.open = [&] { return store; }}, std::cout);
  return passed ? 0 : 1;
}
