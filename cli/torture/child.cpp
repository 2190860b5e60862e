// SPDX-License-Identifier: MIT
#include "torture/child.hpp"

#include "argument_pointers.hpp"
#include "exit_codes.hpp"

#include <cerrno>
#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace workerid::cli {

Child::Child(const std::vector<std::string>& arguments, int output) {
  // All memory is taken before fork(2): other threads may be in malloc at this moment.
  const std::vector<char*> words = argument_pointers(arguments);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(exit_failure);  // it died before it could be asked for
  ::setsid();
  ::dup2(output, STDOUT_FILENO);
  for (const int number : {SIGPIPE, SIGXFSZ}) ::signal(number, SIG_DFL);
  // SIGTERM stays blocked, so that it is not lost on a holder that has just begun.
  ::execvp(words.front(), words.data());
  ::_exit(exit_not_found);
}

Child::~Child() {
  if (!waited_) kill();
}

void Child::signal(int number) const {
  if (!waited_) ::kill(pid_, number);
}

void Child::kill() {
  signal(SIGKILL);
  wait();
}

int Child::wait() {
  while (!waited_ && ::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  waited_ = true;
  return status_;
}

bool Child::ended() {
  if (!waited_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) waited_ = true;
  return waited_;
}

}  // namespace workerid::cli
