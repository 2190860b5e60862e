// SPDX-License-Identifier: MIT
#include "support/process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <map>
#include <ostream>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace workerid::tests {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<std::string> environment_with(const Environment& extra) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables[std::string{text.substr(0, equals)}] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : extra) variables[name] = value;

  std::vector<std::string> entries;
  entries.reserve(variables.size());
  for (const auto& [name, value] : variables) entries.emplace_back(name).append("=").append(value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void redirect(const char* path, int flags, int descriptor) {
  const int file = ::open(path, flags, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(127);
  if (file != descriptor) ::close(file);
}

int open_pidfd(pid_t pid) {
  // By number: the header of Debian 12 declares pidfd_open(2) without `extern "C"`.
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) fail("pidfd_open");
  return descriptor;
}

}  // namespace

std::ostream& operator<<(std::ostream& output, const ExitStatus& status) {
  if (status.signal != 0) return output << "signal " << status.signal;
  return output << "exit code " << status.code;
}

bool in_first_pid_namespace() {
  return std::filesystem::read_symlink("/proc/self/ns/pid") == "pid:[4026531836]";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Process::Process(std::vector<std::string> argv, const Environment& environment) {
  // All memory is allocated before fork(): the child of a process with threads may not.
  std::vector<std::string> variables = environment_with(environment);
  const std::vector<char*> arguments = pointers(argv);
  const std::vector<char*> variable_pointers = pointers(variables);
  const std::string output = directory_.path() / "stdout";
  const std::string errors = directory_.path() / "stderr";
  // The signal is sent when the thread that forked ends: only the main one lasts long enough.
  const bool dies_with_us = ::gettid() == ::getpid();
  const pid_t parent = ::getpid();

  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ != 0) return;

  if (dies_with_us) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  redirect("/dev/null", O_RDONLY, STDIN_FILENO);
  redirect(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, STDOUT_FILENO);
  redirect(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, STDERR_FILENO);
  ::execvpe(arguments.front(), arguments.data(), variable_pointers.data());
  ::_exit(127);
}

Process::~Process() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
  if (!status_ && ::kill(pid_, number) != 0) fail("kill");
}

ExitStatus Process::wait() {
  if (status_) return *status_;
  int raw = 0;
  while (::waitpid(pid_, &raw, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  status_ = WIFSIGNALED(raw) ? ExitStatus{0, WTERMSIG(raw)} : ExitStatus{WEXITSTATUS(raw), 0};
  return *status_;
}

std::optional<ExitStatus> Process::wait_for(milliseconds timeout) {
  if (status_) return status_;
  const auto deadline = steady_clock::now() + timeout;
  pollfd ended{.fd = open_pidfd(pid_), .events = POLLIN, .revents = 0};
  int count = 0;
  do {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    count = ::poll(&ended, 1, static_cast<int>(std::max<milliseconds::rep>(0, left.count())));
  } while (count < 0 && errno == EINTR);
  ::close(ended.fd);
  if (count <= 0) return std::nullopt;
  return wait();
}

std::string Process::output() const {
  return read_file(directory_.path() / "stdout");
}

std::string Process::errors() const {
  return read_file(directory_.path() / "stderr");
}

bool Process::wait_for_output(std::string_view text, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (output().find(text) == std::string::npos) {
    if (steady_clock::now() >= deadline) return false;
    if (wait_for(milliseconds{5})) return output().find(text) != std::string::npos;
  }
  return true;
}

}  // namespace workerid::tests
