// SPDX-License-Identifier: MIT
#include "signals.hpp"

#include "exit_codes.hpp"

#include <stop_token>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utility>

namespace workerid::cli {

namespace {

[[noreturn]] void end_by(int number) {
  sigset_t signal;
  ::sigemptyset(&signal);
  ::sigaddset(&signal, number);
  ::pthread_sigmask(SIG_UNBLOCK, &signal, nullptr);
  ::raise(number);
  ::_exit(exit_signal + number);
}

}  // namespace

void prepare_signals() {
  for (const int number : {SIGPIPE, SIGXFSZ}) ::signal(number, SIG_IGN);
  if (::getpid() != 1) return;
  const sigset_t taken = taken_signals();
  for (int number = 1; number < NSIG; ++number) {
    if (::sigismember(&taken, number) != 1 || number == SIGWINCH) continue;
    ::signal(number, [](int received) { ::_exit(exit_signal + received); });
  }
}

sigset_t taken_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH}) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&signals, number);
  }
  return signals;
}

SignalTaker::SignalTaker(std::function<void()> last_act)
    : pending_(signal_descriptor(taken_signals())) {
  const sigset_t signals = taken_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::jthread([this, last_act = std::move(last_act)](const std::stop_token& ending) {
    const std::stop_callback wake(ending, [this] { end_.raise(); });
    while (!ending.stop_requested()) {
      wait_readable({end_.number(), pending_.number()});
      signalfd_siginfo received{};
      while (::read(pending_.number(), &received, sizeof received) ==
             static_cast<ssize_t>(sizeof received)) {
        const auto number = static_cast<int>(received.ssi_signo);
        if (number == SIGWINCH) continue;  // that one ends nobody
        last_act();
        end_by(number);
      }
    }
  });
}

}  // namespace workerid::cli
