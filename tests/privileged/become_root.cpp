// SPDX-License-Identifier: MIT
//
// What sudo(8) does: installed with the setuid bit, it becomes root for good, prints its process ID,
// and runs its arguments.
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

int main(int, char** words) {
  if (::setresuid(0, 0, 0) != 0) {
    std::perror("setresuid");
    return EXIT_FAILURE;
  }
  std::printf("%d\n", ::getpid());
  std::fflush(stdout);
  ::execvp(words[1], words + 1);
  std::perror(words[1]);
  return EXIT_FAILURE;
}
