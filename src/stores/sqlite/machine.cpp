// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include "host_boot.hpp"

#include <workerid/error.hpp>

#include <fstream>

namespace workerid::detail::sqlite {

namespace {

std::string first_word(const char* path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

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

}  // namespace

Machine this_machine() {
  Machine machine{boot_id(), first_word("/etc/machine-id"), boottime_offset_ns()};
  if (machine.boot_id.empty()) {
    throw Error(ErrorCode::unsupported_server,
                "cannot read /proc/sys/kernel/random/boot_id, without which a reboot cannot be "
                "noticed; mount /proc");
  }
  return machine;
}

}  // namespace workerid::detail::sqlite
