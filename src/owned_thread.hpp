// SPDX-License-Identifier: MIT
//
// Internal: the one place where the library starts threads. They begin with all signals blocked: those
// are the program's, which may wait for them in a thread of its own, by sigwait(3) or signalfd(2).
#pragma once

#include <functional>
#include <thread>

namespace workerid::detail {

/// A thread that is waited for when its owner ends, except by itself.
class OwnedThread {
 public:
  OwnedThread() = default;
  OwnedThread(const OwnedThread&) = delete;
  OwnedThread& operator=(const OwnedThread&) = delete;
  ~OwnedThread() { end(); }

  /// Errors: as `start_detached_thread`.
  void start(std::function<void()> work);
  bool started() const noexcept { return thread_.joinable(); }
  bool is_this() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }

  /// Waits for it, except on the thread itself, which is then on its own. Repeating it is no error.
  void end();

 private:
  std::thread thread_;
};

/// Starts a thread that nobody waits for.
/// Errors: `unavailable` where the system lets this process have no more of them.
void start_detached_thread(std::function<void()> work);

}  // namespace workerid::detail
