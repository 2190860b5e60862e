// SPDX-License-Identifier: MIT
//
// Internal: tells whether the process that made an object is the one that asks.
#pragma once

#include <atomic>
#include <cstdint>

namespace workerid::detail {

/// Remembers the process in which it was made. In a child made by fork(2) `forked()` is true (G11),
/// at the cost of one load: the word it compares with lives in a page that the kernel wipes on
/// fork (madvise(2), MADV_WIPEONFORK). Thread-safe, never blocks.
class ForkGuard {
 public:
  ForkGuard() noexcept;

  bool forked() const noexcept { return word_->load(std::memory_order_relaxed) != generation_; }

 private:
  const std::atomic<std::uint64_t>* word_;
  std::uint64_t generation_;
};

}  // namespace workerid::detail
