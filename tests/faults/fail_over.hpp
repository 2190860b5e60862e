// SPDX-License-Identifier: MIT
//
// What the tests of fail-overs share: holders that have to get through, and how often.
#pragma once

#include <workerid/redis_store.hpp>
#include <workerid/workerid.hpp>

#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {

/// One; more with WORKERID_FAIL_OVERS in the environment.
inline int fail_overs() {
  const char* const text = std::getenv("WORKERID_FAIL_OVERS");
  return text == nullptr ? 1 : std::atoi(text);
}

/// Leases of several processes' kind, each with a store and a thread of its own.
class Holders {
 public:
  Holders(const std::string& url, int count, Options options, const std::string& cluster = "jobs") {
    for (int each = 0; each < count; ++each) {
      generators_.push_back(std::make_unique<Generator>(open_redis_store(url), cluster, options));
      leases_.push_back(generators_.back()->lease(std::chrono::minutes{1}));
    }
  }

  std::vector<Lease>& leases() noexcept { return leases_; }

  /// Blocks until each lease was renewed once more from now on, and none may be lost meanwhile.
  void expect_all_renewed() {
    const auto began = std::chrono::steady_clock::now();
    std::vector<BootTime> before;
    for (const Lease& lease : leases_) before.push_back(lease.valid_until());
    for (std::size_t index = 0; index < leases_.size(); ++index) {
      const Lease& lease = leases_[index];
      while (lease.valid_until() <= before[index]) {
        ASSERT_FALSE(lease.loss()) << lease.loss()->what();
        ASSERT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes{3})
            << "worker ID " << index << " is not renewed";
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
    }
    std::set<WorkerId> ids;
    for (const Lease& lease : leases_) ids.insert(lease.worker_id());
    EXPECT_EQ(ids.size(), leases_.size());
  }

 private:
  std::vector<std::unique_ptr<Generator>> generators_;
  std::vector<Lease> leases_;
};

/// A lease whose renewals are ten seconds apart.
inline Options long_lease() {
  return {.max_lease_time = std::chrono::seconds{30}, .fresh = true};
}

}  // namespace workerid::tests
