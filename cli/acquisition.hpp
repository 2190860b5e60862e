// SPDX-License-Identifier: MIT
//
// The store of a command that gets a lease. It knows what the command may have been granted, also by
// a request whose answer is still on its way.
#pragma once

#include <workerid/store.hpp>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

namespace workerid::cli {

/// Passes everything on, and remembers the acquisition. Thread-safe.
class AcquisitionStore : public ForwardingStore {
 public:
  /// Opens the store as `open_store` does. Errors: those of `open_store`.
  explicit AcquisitionStore(const std::optional<std::string>& url);

  /// Somebody is about to hear of what was granted: from now on give_back() gives back nothing. If
  /// that has begun already, this never returns, and the process ends.
  void deliver();

  /// Releases what may have been granted, if anything may, for a process that ends now: the store
  /// is asked over another connection, while other threads may wait for its answers. What does not
  /// get through comes free by expiring. Never throws; blocks for 1 s at the most.
  void give_back() noexcept;

 private:
  Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) override;

  const std::optional<std::string> url_;
  std::mutex mutex_;
  std::optional<AcquireRequest> granted_;  // what was granted, or may have been
  bool giving_back_ = false;
};

}  // namespace workerid::cli
