// SPDX-License-Identifier: MIT
#include "confirmation.hpp"

#include "exit_codes.hpp"
#include "output.hpp"
#include "values.hpp"

#include <iostream>
#include <unistd.h>

namespace workerid::cli {

bool confirmed(const std::string& question, bool yes) {
  if (yes) return true;
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
    throw UsageError("--yes is missing, and there is no terminal to ask at: " + question);
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

int declined() {
  std::cerr << "workerid: nothing was changed\n" << std::flush;
  return exit_failure;
}

}  // namespace workerid::cli
