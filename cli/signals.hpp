// SPDX-License-Identifier: MIT
//
// The signals that the tool takes, as the first process of a PID namespace too: the kernel keeps from
// that one whatever would end it by default.
#pragma once

#include "descriptor.hpp"

#include <csignal>
#include <functional>
#include <thread>

namespace workerid::cli {

/// For main(): a failed write is an error of its own and no signal, and SIGTERM and the like end a
/// first process as well, with 128 + their number.
void prepare_signals();

/// The signals that are taken, or passed on to a command. Those of a terminal that nohup(1) or a
/// shell's & had ignored are not.
sigset_t taken_signals();

/// While it lives, a signal that ends processes ends this one at once: dead by that signal, or, as
/// the first process, with 128 + its number. `last_act` is called before. Its signals stay blocked in
/// the thread that made it; other threads must have them blocked, too.
class SignalTaker {
 public:
  explicit SignalTaker(std::function<void()> last_act);
  SignalTaker(const SignalTaker&) = delete;
  SignalTaker& operator=(const SignalTaker&) = delete;

 private:
  Bell end_;
  Descriptor pending_;
  std::jthread thread_;
};

}  // namespace workerid::cli
