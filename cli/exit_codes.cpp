// SPDX-License-Identifier: MIT
#include "exit_codes.hpp"

#include <array>

namespace workerid::cli {

namespace {

constexpr std::array all_codes{
    ErrorCode::no_available_id,        ErrorCode::invalid_worker_id,  ErrorCode::token_mismatch,
    ErrorCode::token_expired,          ErrorCode::not_assigned,       ErrorCode::invalid_token,
    ErrorCode::configuration_mismatch, ErrorCode::unavailable,        ErrorCode::outcome_unknown,
    ErrorCode::holding_back,           ErrorCode::invalid_argument,   ErrorCode::denied,
    ErrorCode::corrupt_record,         ErrorCode::unsupported_server,
};

std::string line(const std::string& code, const std::string& meaning) {
  return "  " + code + std::string(code.size() < 6 ? 6 - code.size() : 1, ' ') + meaning + "\n";
}

}  // namespace

int exit_code(ErrorCode code) noexcept {
  constexpr int first = 80;
  if (code == ErrorCode::invalid_argument) return exit_usage;
  return first + static_cast<int>(code) - static_cast<int>(ErrorCode::no_available_id);
}

std::string exit_code_table() {
  std::string table = "Exit codes:\n";
  table += line("0", "success");
  table += line("1",
                "the system refused: no process could be started, the output not written; or the "
                "answer was no");
  table += line("2", "bad usage, or a value that is not allowed (invalid_argument)");
  for (const ErrorCode code : all_codes) {
    if (code == ErrorCode::invalid_argument) continue;
    table += line(std::to_string(exit_code(code)), std::string{name(code)});
  }
  table += line("94", "run: the lease ended, and the command was ended for it");
  table += line("95", "torture: a promise was broken");
  table += line("96", "doctor: it has warnings");
  table += line("97", "doctor: it has errors");
  table += line("98", "run: the lease ended, but a process of another user could not be ended");
  table += line("126", "run: the command cannot be executed");
  table += line("127", "run: the command was not found");
  table +=
      line("128+N",
           "signal N ended the command of run, or the tool as the first process; torture: nothing "
           "was broken");
  table += "Otherwise run returns the command's own exit code.\n";
  return table;
}

}  // namespace workerid::cli
