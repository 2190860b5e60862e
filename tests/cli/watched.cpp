// SPDX-License-Identifier: MIT
#include "cli/watched.hpp"

#include "support/process.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace workerid::tests {

Watched::Watched(pid_t pid)
    : pid_(pid), descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "pidfd_open");
}

Watched::~Watched() {
  ::close(descriptor_);
}

void Watched::signal(int number) const {
  if (::syscall(SYS_pidfd_send_signal, descriptor_, number, nullptr, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "pidfd_send_signal");
  }
}

bool Watched::ends_within(std::chrono::milliseconds timeout) const {
  pollfd ended{.fd = descriptor_, .events = POLLIN, .revents = 0};
  return ::poll(&ended, 1, static_cast<int>(timeout.count())) == 1;
}

pid_t parent_of(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    pid_t parent = 0;
    if (word == "PPid:" && status >> parent) return parent;
  }
  throw std::runtime_error("process " + std::to_string(pid) + " has no parent");
}

const std::multiset<std::string> files_of_a_guard{
    "/dev/null", "/dev/null", "/dev/null", "anon_inode:[signalfd]", "anon_inode:[timerfd]",
    "socket"};

std::multiset<std::string> files_of(pid_t pid, const std::multiset<std::string>& expected) {
  const std::filesystem::path folder = "/proc/" + std::to_string(pid) + "/fd";
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  std::multiset<std::string> files;
  do {
    files.clear();
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::error_code gone;
      const std::string name = std::filesystem::read_symlink(entry.path(), gone).string();
      files.insert(name.substr(0, name.find(":[") == 6 ? 6 : std::string::npos));
    }
  } while (files != expected && std::chrono::steady_clock::now() < give_up);
  return files;
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  return pids_of(read_file("/proc/" + number + "/task/" + number + "/children"));
}

std::uint64_t signal_mask(const std::string& status, const std::string& name) {
  const std::size_t at = status.find(name + ":");
  return at == std::string::npos ? ~std::uint64_t{0}
                                 : std::stoull(status.substr(at + name.size() + 1), nullptr, 16);
}

std::vector<pid_t> pids_of(const std::string& output) {
  std::istringstream numbers{output};
  std::vector<pid_t> pids;
  for (pid_t pid = 0; numbers >> pid;) pids.push_back(pid);
  return pids;
}

}  // namespace workerid::tests
