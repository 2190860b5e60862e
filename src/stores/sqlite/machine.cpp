// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include "host_boot.hpp"

#include <workerid/clock.hpp>
#include <workerid/error.hpp>

#include <chrono>
#include <ctime>
#include <fstream>
#include <optional>
#include <sys/syscall.h>
#include <unistd.h>

namespace workerid::detail::sqlite {

namespace {

// 0 where the kernel knows no time namespaces.
std::int64_t boottime_offset_ns() {
  std::ifstream file("/proc/self/timens_offsets");
  std::string clock;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  while (file >> clock >> seconds >> nanoseconds) {
    if (clock == "boottime") return seconds * 1'000'000'000 + nanoseconds;
  }
  return 0;
}

// What the kernel itself says; nothing where it may not be asked.
std::optional<std::chrono::nanoseconds> kernel_boot_time() noexcept {
  struct {
    long seconds;
    long nanoseconds;
  } time{};
  if (::syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &time) != 0) return std::nullopt;
  return std::chrono::seconds{time.seconds} + std::chrono::nanoseconds{time.nanoseconds};
}

// A preloaded library may answer in the place of the C library, as libfaketime does: to whoever is shown
// another time than the others are, a live lease may be over.
void check_boot_clock() {
  constexpr std::chrono::milliseconds tolerance{1};
  const auto before = kernel_boot_time();
  const auto shown = BootClock::now().time_since_epoch();
  const auto after = kernel_boot_time();
  if (!before || !after) return;
  if (shown >= *before - tolerance && shown <= *after + tolerance) return;
  throw Error(
      ErrorCode::unsupported_server,
      "this process is shown another boot clock than the kernel's, " +
          std::to_string(std::chrono::round<std::chrono::milliseconds>(shown - *before).count()) +
          " ms ahead of it, as by libfaketime; run it without");
}

}  // namespace

Machine this_machine() {
  check_boot_clock();
  Machine machine{boot_id(), system_word("/etc/machine-id"), boottime_offset_ns()};
  if (machine.boot_id.empty()) {
    throw Error(ErrorCode::unsupported_server,
                "cannot read /proc/sys/kernel/random/boot_id, without which a reboot cannot be "
                "noticed; mount /proc");
  }
  return machine;
}

}  // namespace workerid::detail::sqlite
