// SPDX-License-Identifier: MIT
#include "owned_thread.hpp"

#include <workerid/error.hpp>

#include <csignal>
#include <string>
#include <system_error>
#include <utility>

namespace workerid::detail {

namespace {

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_{};
};

std::thread thread_that_blocks_signals(std::function<void()> work) {
  const SignalsBlocked blocked;  // a new thread inherits the mask
  try {
    return std::thread(std::move(work));
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::unavailable, "no thread can be started: " + error.code().message() +
                                            "; allow this user or container more processes");
  }
}

}  // namespace

void OwnedThread::start(std::function<void()> work) {
  thread_ = thread_that_blocks_signals(std::move(work));
}

void OwnedThread::end() {
  if (!thread_.joinable()) return;
  if (is_this()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void start_detached_thread(std::function<void()> work) {
  thread_that_blocks_signals(std::move(work)).detach();
}

}  // namespace workerid::detail
