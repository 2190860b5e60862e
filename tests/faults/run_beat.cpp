// SPDX-License-Identifier: MIT
//
// A command for `workerid run` that shows when it was alive: it appends the boot clock's time, in
// nanoseconds, to the file that is its argument, for ever and whatever it is asked to do.
#include <workerid/clock.hpp>

#include <csignal>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>

int main(int, char** argv) {
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2}) {
    std::signal(number, SIG_IGN);
  }
  constexpr mode_t owner_only = 0600;
  const int file = ::open(argv[1], O_WRONLY | O_CREAT | O_APPEND, owner_only);
  for (;;) {
    const std::string beat =
        std::to_string(workerid::BootClock::now().time_since_epoch().count()) + "\n";
    if (::write(file, beat.data(), beat.size()) < 0) return 1;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}
