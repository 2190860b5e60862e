// SPDX-License-Identifier: MIT
//
// Internal: who is next where many processes write to one file.
#pragma once

#include <workerid/clock.hpp>

#include <filesystem>
#include <random>

namespace workerid::detail::sqlite {

/// Lets one process at a time wait for SQLite's write lock. Without it a process that writes again
/// at once beats all that are asleep between two tries.
/// A courtesy, on which nothing rests: whoever waits too long, or cannot use it, goes past. Use from
/// one thread at a time.
class Turnstile {
 public:
  /// Locks `folder` by flock(2), which makes no file and does not meet SQLite's own locks.
  explicit Turnstile(const std::filesystem::path& folder);
  ~Turnstile();
  Turnstile(const Turnstile&) = delete;
  Turnstile& operator=(const Turnstile&) = delete;

  /// Blocks until no other process is inside, until the deadline, or for 100 ms: one that is inside
  /// may have been stopped.
  void enter(BootTime deadline);
  void leave() noexcept;

 private:
  int folder_;
  bool inside_ = false;
  std::minstd_rand random_;
};

}  // namespace workerid::detail::sqlite
