// SPDX-License-Identifier: MIT
#include "support/forked_process.hpp"

#include <cerrno>
#include <csignal>
#include <exception>
#include <iostream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace workerid::tests {

namespace {

int wait_for_change(pid_t pid, int options) {
  int status = 0;
  while (::waitpid(pid, &status, options) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
  }
  return status;
}

int result_of(const std::function<int()>& body) {
  constexpr int thrown = 100;
  try {
    return body();
  } catch (const std::exception& error) {
    std::cerr << "the child threw: " << error.what() << std::endl;
    return thrown;
  }
}

}  // namespace

ForkedProcess::ForkedProcess(const std::function<int()>& body) : pid_(::fork()) {
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::_exit(result_of(body));
}

ForkedProcess::~ForkedProcess() {
  if (status_) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ForkedProcess::signal(int number) const {
  ::kill(pid_, number);
}

void ForkedProcess::wait_until_stopped() const {
  wait_for_change(pid_, WUNTRACED);
}

ExitStatus ForkedProcess::wait() {
  if (!status_) {
    const int status = wait_for_change(pid_, 0);
    status_ =
        WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
  }
  return *status_;
}

}  // namespace workerid::tests
