// SPDX-License-Identifier: MIT
//
// A store that fails when it is told to.
#pragma once

#include <workerid/store.hpp>

#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace workerid::testing {

/// What happens to one operation.
enum class Fault {
  none,          ///< Passed on.
  request_lost,  ///< Not passed on; the caller hears `outcome_unknown`.
  reply_lost,    ///< Passed on; the caller hears `outcome_unknown` all the same.
  unavailable,   ///< Not passed on; the caller hears `unavailable`.
};

/// Passes operations on to `next` with the faults it is told. Each renewal of several counts, and
/// meets its fault, as one by itself. Thread-safe.
class FaultStore final : public ForwardingStore {
 public:
  explicit FaultStore(std::shared_ptr<Store> next);

  /// The coming operations meet these, in order; later ones none. `inspect` and the administration
  /// (`clusters`, `resize`, `evict`) meet no fault.
  void schedule(std::deque<Fault> faults);

  /// Every such operation meets this one until it is changed.
  void always(Fault fault);

  /// Called before each operation with its verb ("acquire", "renew", "restore", "release"), on the caller's
  /// thread and without a lock: block in it to delay the operation.
  void before(std::function<void(const std::string& verb)> hook);

  /// How many operations with this verb came in.
  int count(const std::string& verb) const;

 private:
  Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) override;
  Grant do_renew(const RenewRequest& request, std::chrono::milliseconds timeout) override;
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        std::chrono::milliseconds timeout) override;
  Grant do_restore(const RestoreRequest& request, std::chrono::milliseconds timeout) override;
  void do_release(const ReleaseRequest& request, std::chrono::milliseconds timeout) override;

  Fault next_fault(const std::string& verb);

  mutable std::mutex mutex_;
  std::deque<Fault> scheduled_;
  Fault always_ = Fault::none;
  std::function<void(const std::string&)> before_;
  std::deque<std::string> seen_;
};

}  // namespace workerid::testing
