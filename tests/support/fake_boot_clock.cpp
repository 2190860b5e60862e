// SPDX-License-Identifier: MIT
//
// Preloaded into a program: its boot clock is as many seconds ahead as FAKE_BOOT_SECONDS says, as
// libfaketime can do it. The kernel's own answer stays what it is.
#include <cstdlib>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  const char* const seconds = std::getenv("FAKE_BOOT_SECONDS");
  if (result == 0 && clock == CLOCK_BOOTTIME && seconds != nullptr) {
    time->tv_sec += std::strtol(seconds, nullptr, 10);
  }
  return result;
}
