// SPDX-License-Identifier: MIT
#include "host_boot.hpp"

#include "cancellation.hpp"
#include "printable.hpp"

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <system_error>

namespace workerid::detail {

std::string system_word(const char* path) {
  constexpr int longest = 64;
  std::ifstream file(path);
  std::string word;
  file >> std::setw(longest) >> word;
  return printable(word, longest);
}

std::string boot_id() {
  return system_word("/proc/sys/kernel/random/boot_id");
}

const std::string& boot_clock_name() {
  static const std::string name = [] {
    const CancellationHeldOff held_off;  // closing a file may be where it comes
    const std::string boot = boot_id();
    if (boot.empty()) return boot;
    std::error_code no_namespaces;
    return boot + "/" + std::filesystem::read_symlink("/proc/self/ns/time", no_namespaces).string();
  }();
  return name;
}

}  // namespace workerid::detail
