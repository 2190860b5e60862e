// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"

#include <workerid/clock.hpp>

namespace workerid::cli {

namespace {

int release(const CommonOptions& common, const AssignmentArguments& arguments) {
  const auto [worker_id, token] = arguments.parse();
  open_store(common.store)
      ->release({.cluster = common.cluster,
                 .worker_id = worker_id,
                 .token = token,
                 .strict = true,
                 .last_timestamp_ms = std::nullopt,
                 .client = {boottime_clock()->now(), {}}},
                call_timeout);
  print(common.output, "released " + std::to_string(worker_id) + "\n",
        {{"cluster", common.cluster}, {"worker_id", worker_id}});
  return exit_success;
}

}  // namespace

Command add_release(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("release", "Give a worker ID back");
  const auto arguments = std::make_shared<AssignmentArguments>();
  add_common_options(*parser, invocation.common);
  add_assignment_arguments(*parser, *arguments);
  parser->footer(
      "Stop using the ID before. Others may get it after the cluster's cool-down. Repeating a\n"
      "release that succeeded is no error.\n"
      "\n"
      "Examples:\n"
      "  workerid release 7 \"$token\"\n"
      "  WORKERID_TOKEN=\"$token\" workerid release 7\n");
  return {parser, [&invocation, arguments] { return release(invocation.common, *arguments); }};
}

}  // namespace workerid::cli
