// SPDX-License-Identifier: MIT
//
// Runs a program as an old seccomp profile would: refuse_system_calls CALL... ERROR PROGRAM ARGUMENT...
// Each CALL is a name, or a name, ':' and the value of its first argument; ERROR is EPERM or ENOSYS.
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <map>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

const std::map<std::string, unsigned> calls{{"close_range", SYS_close_range},
                                            {"eventfd2", SYS_eventfd2},
                                            {"getrandom", SYS_getrandom},
                                            {"mount", SYS_mount},
                                            {"prctl", SYS_prctl},
                                            {"setsid", SYS_setsid},
                                            {"signalfd4", SYS_signalfd4},
                                            {"socketpair", SYS_socketpair},
                                            {"statx", SYS_statx},
                                            {"timer_create", SYS_timer_create},
                                            {"timerfd_create", SYS_timerfd_create},
                                            {"unshare", SYS_unshare}};
const std::map<std::string, unsigned> errors{{"EPERM", EPERM}, {"ENOSYS", ENOSYS}};

void load(std::vector<sock_filter>& filter, std::size_t offset) {
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)));
}

void refuse(std::vector<sock_filter>& filter, const std::string& word, unsigned error) {
  const std::size_t colon = word.find(':');
  const unsigned answer = SECCOMP_RET_ERRNO | error;
  load(filter, offsetof(seccomp_data, nr));
  if (colon == std::string::npos) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls.at(word), 0, 1));
  } else {
    const auto argument = static_cast<unsigned>(std::stoul(word.substr(colon + 1)));
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls.at(word.substr(0, colon)), 0, 3));
    load(filter, offsetof(seccomp_data, args));  // its lower half
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, 1));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, answer));
}

}  // namespace

int main(int, char** words) {
  std::vector<std::string> refused;
  while (*++words != nullptr && !errors.contains(*words)) refused.emplace_back(*words);
  if (*words == nullptr) return EXIT_FAILURE;
  std::vector<sock_filter> filter;
  for (const std::string& word : refused) refuse(filter, word, errors.at(*words));
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("seccomp");
    return EXIT_FAILURE;
  }
  ++words;
  ::execvp(*words, words);
  std::perror(*words);
  return EXIT_FAILURE;
}
