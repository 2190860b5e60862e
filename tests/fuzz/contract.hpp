// SPDX-License-Identifier: MIT
//
// What every answer of a store satisfies, whatever its data or its server says.
#pragma once

#include "fuzz/require.hpp"

#include <workerid/store.hpp>

#include <chrono>
#include <functional>

namespace workerid::fuzz {

inline constexpr std::chrono::milliseconds longest_time = std::chrono::hours{24 * 30};

inline void check(const Grant& grant, WorkerId low, WorkerId high) {
  require(grant.worker_id >= low && grant.worker_id <= high, "a grant is within the range");
  require(grant.epoch > 0 && grant.epoch <= largest_epoch, "an epoch is within its limits");
  require(grant.lease_time > std::chrono::milliseconds{0} && grant.lease_time <= longest_time,
          "a lease time is above 0 and at most 30 days");
  require(grant.reserved.first_ms >= 0 && grant.reserved.first_ms <= grant.reserved.last_ms,
          "a range of timestamps is one");
  // What adds to them must not overflow.
  require(grant.reserved.last_ms < std::int64_t{1} << 54U, "timestamps are far from overflow");
}

inline void check(const ClusterView& view) {
  check_configuration(view.configuration);
  const Configuration& configuration = view.configuration;
  require(view.never_granted >= 0 &&
              view.never_granted <= configuration.max_worker_id - configuration.min_worker_id + 1,
          "no more IDs were never granted than there are");
  const LeaseView* before = nullptr;
  for (const LeaseView& lease : view.leases) {
    require(before == nullptr || before->worker_id < lease.worker_id, "leases ascend by worker ID");
    require(lease.worker_id >= 0 && lease.worker_id <= largest_worker_id, "a lease is of an ID");
    require(lease.lease_left.count() >= 0 && lease.free_in.count() >= 0,
            "no time left is negative");
    before = &lease;
  }
}

/// Does `step`; of errors only the library's may come out of it.
inline void perform(const std::function<void()>& step) {
  try {
    step();
  } catch (const Error& error) {
    require(std::string_view{error.what()}.size() > 10, "an error has a text");
  }
}

/// Every verb once, with this token and worker ID. Errors: none, other than findings.
inline void perform_all(Store& store, const std::string& cluster, const Token& token,
                        WorkerId worker_id, const Configuration& configuration) {
  constexpr std::chrono::milliseconds timeout{2000};
  const ClientTime client{
      {BootTime{std::chrono::hours{1}}, WallTime{std::chrono::hours{24 * 20000}}}, "machine"};
  perform([&] {
    if (const auto view = store.inspect(cluster, timeout)) check(*view);
  });
  perform([&] {
    check(store.acquire({.cluster = cluster,
                         .configuration = configuration,
                         .token = token,
                         .instance = "instance",
                         .client = client},
                        timeout),
          configuration.min_worker_id, configuration.max_worker_id);
  });
  for (const Renewal renewal : {Renewal::strict, Renewal::held, Renewal::resume}) {
    perform([&] {
      check(store.renew({.cluster = cluster,
                         .worker_id = worker_id,
                         .token = token,
                         .renewal = renewal,
                         .client = client},
                        timeout),
            worker_id, worker_id);
    });
  }
  perform([&] {
    check(store.restore({.cluster = cluster,
                         .configuration = configuration,
                         .token = token,
                         .grant = {worker_id, 1000, {1000, 2000}, configuration.lease_time},
                         .instance = "instance",
                         .owner = "owner",
                         .client = client},
                        timeout),
          worker_id, worker_id);
  });
  perform([&] {
    store.release({.cluster = cluster,
                   .worker_id = worker_id,
                   .token = token,
                   .last_timestamp_ms = 5,
                   .client = client},
                  timeout);
  });
  perform([&] {
    if (const auto view = store.inspect(cluster, timeout)) check(*view);
  });
  perform([&] { static_cast<void>(store.clusters(timeout)); });
  perform([&] {
    check_configuration(store.resize({cluster, worker_id, worker_id, client}, timeout));
  });
  perform([&] {
    require(store.evict({cluster, worker_id, 1000, client}, timeout).count() >= 0,
            "no time left is negative");
  });
  perform([&] {
    if (const auto view = store.inspect(cluster, timeout)) check(*view);
  });
}

}  // namespace workerid::fuzz
