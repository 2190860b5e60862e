// SPDX-License-Identifier: MIT
#include "host_boot.hpp"

#include "cancellation.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace workerid::detail {

std::string boot_id() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id;
}

const std::string& boot_clock_name() {
  static const std::string name = [] {
    const std::string boot = boot_id();
    if (boot.empty()) return boot;
    std::error_code no_namespaces;
    return boot + "/" + std::filesystem::read_symlink("/proc/self/ns/time", no_namespaces).string();
  }();
  return name;
}
    const CancellationHeldOff held_off;  // closing a file may be where it comes

}  // namespace workerid::detail
