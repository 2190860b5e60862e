// SPDX-License-Identifier: MIT
#include "acquisition.hpp"

#include "store_url.hpp"

#include <workerid/clock.hpp>

#include <exception>
#include <unistd.h>

namespace workerid::cli {

using std::chrono::milliseconds;

AcquisitionStore::AcquisitionStore(const std::optional<std::string>& url)
    : ForwardingStore(open_store(url)), url_(url) {}

Grant AcquisitionStore::do_acquire(const AcquireRequest& request, milliseconds timeout) {
  std::optional<AcquireRequest> former = request;
  {
    const std::lock_guard lock(mutex_);
    granted_.swap(former);
  }
  try {
    return next().acquire(request, timeout);
  } catch (const Error& error) {
    const std::lock_guard lock(mutex_);
    if (error.error_code() == ErrorCode::unavailable) {
      granted_ = former;  // this one was not applied, an earlier one may have been
    } else if (error.error_code() != ErrorCode::outcome_unknown) {
      granted_.reset();
    }
    throw;
  }
}

void AcquisitionStore::deliver() {
  const std::lock_guard lock(mutex_);
  while (giving_back_) ::pause();
  granted_.reset();
}

void AcquisitionStore::give_back() noexcept {
  constexpr milliseconds timeout{500};
  try {
    std::optional<AcquireRequest> request;
    {
      const std::lock_guard lock(mutex_);
      request = granted_;
      giving_back_ = true;
    }
    if (!request) return;
    const std::shared_ptr<Store> store = open_store(url_);
    request->client.moment = boottime_clock()->now();
    const Grant grant = store->acquire(*request, timeout);  // once more: the same ID (G5)
    store->release({.cluster = request->cluster,
                    .worker_id = grant.worker_id,
                    .token = request->token,
                    .strict = false,
                    .last_timestamp_ms = std::nullopt,
                    .client = request->client},
                   timeout);
  } catch (const std::exception&) {  // it comes free by expiring
  }
}

}  // namespace workerid::cli
