// SPDX-License-Identifier: MIT
//
// What the tests of the Redis store share: requests of one cluster.
#pragma once

#include <workerid/store.hpp>

#include <chrono>
#include <string>

namespace workerid::tests {

/// Long for what has to succeed; tests of time-outs say their own.
inline constexpr std::chrono::milliseconds patience = std::chrono::seconds{30};

/// A client of the cluster "jobs", with one token.
struct Client {
  Configuration configuration{1, 10, std::chrono::seconds{60}, std::chrono::seconds{30},
                              std::chrono::seconds{1}};
  Token token = Token::random();
  ClientTime time{boottime_clock()->now(), {}};
  std::string cluster = "jobs";
  bool fresh = true;  // No test before this one left anything.

  AcquireRequest acquisition() const {
    return {.cluster = cluster,
            .configuration = configuration,
            .token = token,
            .instance = {},
            .owner = "test",
            .fresh = fresh,
            .client = time};
  }

  Grant acquire(Store& store, std::chrono::milliseconds timeout = patience) const {
    return store.acquire(acquisition(), timeout);
  }

  Grant renew(Store& store, WorkerId worker_id, Renewal renewal = Renewal::strict,
              std::chrono::milliseconds timeout = patience) const {
    return store.renew({cluster, worker_id, token, renewal, time}, timeout);
  }

  Grant restore(Store& store, const Grant& grant) const {
    return store.restore({.cluster = cluster,
                          .configuration = configuration,
                          .token = token,
                          .grant = grant,
                          .instance = {},
                          .owner = "test",
                          .client = time},
                         patience);
  }

  void release(Store& store, WorkerId worker_id,
               std::chrono::milliseconds timeout = patience) const {
    store.release({cluster, worker_id, token, true, std::nullopt, time}, timeout);
  }
};

}  // namespace workerid::tests
