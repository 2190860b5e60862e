// SPDX-License-Identifier: MIT
//
// Internal: threads that end by pthread_cancel(3) or pthread_exit(3). Both unwind the stack, which may
// neither be caught for good nor pass a function that is `noexcept`, or one of a library in C.
#pragma once

#include <cxxabi.h>
#include <pthread.h>

namespace workerid::detail {

/// What unwinds then: whoever catches everything throws it on. There is no object: the reference that
/// is caught names nothing, so the function that catches it is not checked for that.
using ForcedUnwind = abi::__forced_unwind;
#define WORKERID_CATCHES_FORCED_UNWIND __attribute__((no_sanitize("null")))

/// Holds a cancellation of this thread off as long as it lives.
class CancellationHeldOff {
 public:
  CancellationHeldOff() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &former_); }
  CancellationHeldOff(const CancellationHeldOff&) = delete;
  CancellationHeldOff& operator=(const CancellationHeldOff&) = delete;
  ~CancellationHeldOff() { set(former_); }

  /// Waits where a cancellation does no harm.
  template <typename Wait>
  void let_through(Wait wait) const {
    struct Again {
      ~Again() { set(PTHREAD_CANCEL_DISABLE); }
    };
    set(former_);
    const Again again;
    wait();
  }

 private:
  static void set(int state) noexcept {
    int replaced = 0;
    ::pthread_setcancelstate(state, &replaced);
  }

  int former_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace workerid::detail
