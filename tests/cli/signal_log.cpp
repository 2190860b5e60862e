// SPDX-License-Identifier: MIT
//
// A command that writes down the number of each signal that it gets, until SIGUSR1 comes: signal_log FILE. Shell
// traps would not do: a shell takes two signals that come soon after each other for one.
#include <csignal>
#include <fstream>
#include <iostream>
#include <unistd.h>

int main(int, char** arguments) {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  std::ofstream log(arguments[1]);
  std::cout << "command " << ::getpid() << " is ready" << std::endl;
  for (;;) {
    int number = 0;
    ::sigwait(&all, &number);
    if (number == SIGUSR1) return 0;
    log << number << std::endl;
  }
}
