// SPDX-License-Identifier: MIT
//
// Preloaded into a program: every file system it asks for is of the kind STRANGE_KIND, and has
// STRANGE_FREE bytes left. A variable that is not set changes nothing.
#include <cerrno>
#include <cstdlib>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

extern "C" int statfs(const char* path, struct statfs* status) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_statfs, path, status));
  if (result != 0) return result;
  if (const char* const kind = std::getenv("STRANGE_KIND")) {
    status->f_type = std::strtol(kind, nullptr, 0);
  }
  if (const char* const free = std::getenv("STRANGE_FREE")) {
    status->f_bavail = std::strtoul(free, nullptr, 0) / static_cast<unsigned long>(status->f_bsize);
  }
  return 0;
}
