// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "lookup.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "values.hpp"

namespace workerid::cli {

namespace {

std::string lease_text(const LeaseView& lease) {
  return table({{"worker ID", std::to_string(lease.worker_id)},
                {"state", std::string{name(lease.state)}},
                {"lease left", to_text(lease.lease_left)},
                {"free in", to_text(lease.free_in)},
                {"epoch", std::to_string(lease.epoch)},
                {"instance", lease.instance.empty() ? "-" : lease.instance},
                {"owner", lease.owner},
                {"timestamps", std::to_string(lease.reserved.first_ms) + " to " +
                                   std::to_string(lease.reserved.last_ms) + " ms"}});
}

int inspect(const CommonOptions& common, const std::string& text) {
  const auto worker_id = parse_integer<WorkerId>("ID", text);
  const auto view = open_store(common.store)->inspect(common.cluster, call_timeout);
  const auto lease = find_lease(view, common.cluster, worker_id);
  if (lease) {
    print(common.output, lease_text(*lease), to_json(*lease));
  } else {
    print(common.output,
          table({{"worker ID", std::to_string(worker_id)}, {"state", "never_granted"}}),
          {{"worker_id", worker_id}, {"state", "never_granted"}});
  }
  return exit_success;
}

}  // namespace

Command add_inspect(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("inspect", "Show all about one worker ID");
  const auto worker_id = std::make_shared<std::string>();
  add_common_options(*parser, invocation.common);
  parser->add_option("ID", *worker_id, "The worker ID")->required()->type_name("");
  parser->footer(
      "Examples:\n"
      "  workerid inspect 7\n"
      "  workerid inspect 7 --output json | jq -r .owner\n");
  return {parser, [&invocation, worker_id] { return inspect(invocation.common, *worker_id); }};
}

}  // namespace workerid::cli
