// SPDX-License-Identifier: MIT
//
// Questions before what can hurt.
#pragma once

#include <string>

namespace workerid::cli {

/// Whether to go on: at once if `yes`, the option --yes, is set; otherwise as the answer at the
/// terminal says, where anything but "y" or "yes" is a no. `question` ends with a question mark.
/// Errors: UsageError where there is no terminal to ask at.
bool confirmed(const std::string& question, bool yes);

/// Tells that the answer was no, and returns the exit code for it.
int declined();

}  // namespace workerid::cli
