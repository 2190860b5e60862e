// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "values.hpp"

#include <workerid/clock.hpp>

namespace workerid::cli {

namespace {

int renew(const CommonOptions& common, const AssignmentArguments& arguments) {
  const auto [worker_id, token] = arguments.parse();
  const Grant grant = open_store(common.store)
                          ->renew({.cluster = common.cluster,
                                   .worker_id = worker_id,
                                   .token = token,
                                   .renewal = Renewal::strict,
                                   .client = {boottime_clock()->now(), {}}},
                                  call_timeout);
  print(common.output,
        "renewed " + std::to_string(worker_id) + " for " + to_text(grant.lease_time) + "\n",
        {{"cluster", common.cluster},
         {"worker_id", worker_id},
         {"epoch", grant.epoch},
         {"lease_ms", grant.lease_time.count()}});
  return exit_success;
}

}  // namespace

Command add_renew(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("renew", "Extend the lease of a worker ID");
  const auto arguments = std::make_shared<AssignmentArguments>();
  add_common_options(*parser, invocation.common);
  add_assignment_arguments(*parser, *arguments);
  parser->footer(
      "The lease then lasts for the cluster's lease time, counted from before this call. One that\n"
      "has ended is not revived: stop using the ID and get a new one.\n"
      "\n"
      "Examples:\n"
      "  workerid renew 7 \"$token\"\n"
      "  workerid renew 7 - < token_file\n");
  return {parser, [&invocation, arguments] { return renew(invocation.common, *arguments); }};
}

}  // namespace workerid::cli
