// SPDX-License-Identifier: MIT
//
// The commands, one file each.
#pragma once

#include "options.hpp"
#include "parsed_option.hpp"

#include <functional>
#include <string>
#include <vector>

namespace workerid::cli {

/// What the command line asks for, filled in while it is parsed. `command_line` is what stands
/// behind "--", for `run`.
struct Invocation {
  CommonOptions common;
  std::vector<std::string> command_line;
};

/// One command: its part of the parser, and what it does once that has parsed. Returns the exit
/// code.
struct Command {
  CLI::App* parser;
  std::function<int()> perform;
};

Command add_run(CLI::App& tool, Invocation& invocation);
Command add_get(CLI::App& tool, Invocation& invocation);
Command add_renew(CLI::App& tool, Invocation& invocation);
Command add_release(CLI::App& tool, Invocation& invocation);
Command add_list(CLI::App& tool, Invocation& invocation);
Command add_inspect(CLI::App& tool, Invocation& invocation);
Command add_clusters(CLI::App& tool, Invocation& invocation);
Command add_resize(CLI::App& tool, Invocation& invocation);
Command add_evict(CLI::App& tool, Invocation& invocation);
Command add_doctor(CLI::App& tool, Invocation& invocation);
Command add_snowflake(CLI::App& tool, Invocation& invocation);
Command add_decode(CLI::App& tool, Invocation& invocation);
Command add_bench(CLI::App& tool, Invocation& invocation);
Command add_torture(CLI::App& tool, Invocation& invocation);
Command add_torture_holder(CLI::App& tool, Invocation& invocation);
Command add_completion(CLI::App& tool, Invocation& invocation);

}  // namespace workerid::cli
