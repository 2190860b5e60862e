// SPDX-License-Identifier: MIT
//
// How the tool ends: one exit code for each way.
#pragma once

#include <workerid/error.hpp>

#include <string>

namespace workerid::cli {

inline constexpr int exit_success = 0;
inline constexpr int exit_failure = 1;        // the system refused: no process, no output
inline constexpr int exit_usage = 2;          // bad usage, or `invalid_argument`
inline constexpr int exit_lease_lost = 94;    // `run` ended the command because the lease ended
inline constexpr int exit_violated = 95;      // `torture` saw a promise broken
inline constexpr int exit_warnings = 96;      // `doctor` found warnings
inline constexpr int exit_errors = 97;        // `doctor` found errors
inline constexpr int exit_left_running = 98;  // `run` could not end all before the lease ended
inline constexpr int exit_not_executable = 126;
inline constexpr int exit_not_found = 127;
inline constexpr int exit_signal = 128;  // plus the number of the signal

/// The exit code for an error of the library: 80 to 93, and 2 for `invalid_argument`.
int exit_code(ErrorCode code) noexcept;

/// All exit codes with their meanings, for --help.
std::string exit_code_table();

}  // namespace workerid::cli
