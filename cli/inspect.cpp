// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "values.hpp"

#include <algorithm>
#include <optional>

namespace workerid::cli {

namespace {

std::string to_text(const LeaseView& lease) {
  return table({{"worker ID", std::to_string(lease.worker_id)},
                {"state", std::string{name(lease.state)}},
                {"lease left", cli::to_text(lease.lease_left)},
                {"free in", cli::to_text(lease.free_in)},
                {"epoch", std::to_string(lease.epoch)},
                {"instance", lease.instance.empty() ? "-" : lease.instance},
                {"owner", lease.owner},
                {"timestamps", std::to_string(lease.reserved.first_ms) + " to " +
                                   std::to_string(lease.reserved.last_ms) + " ms"}});
}

void check_range(WorkerId worker_id, const std::string& cluster, WorkerId low, WorkerId high) {
  if (worker_id >= low && worker_id <= high) return;
  throw Error(ErrorCode::invalid_worker_id,
              "worker ID " + std::to_string(worker_id) + " of cluster \"" + cluster +
                  "\": the worker IDs are " + std::to_string(low) + " to " + std::to_string(high));
}

std::optional<LeaseView> find(const ClusterView& view, WorkerId worker_id) {
  const auto found = std::find_if(view.leases.begin(), view.leases.end(),
                                  [&](const LeaseView& l) { return l.worker_id == worker_id; });
  return found == view.leases.end() ? std::nullopt : std::optional{*found};
}

int inspect(const CommonOptions& common, const std::string& text) {
  const auto worker_id = parse_integer<WorkerId>("ID", text);
  check_range(worker_id, common.cluster, 0, largest_worker_id);
  const auto view = open_store(common.store)->inspect(common.cluster, call_timeout);
  if (view) {
    check_range(worker_id, common.cluster, view->configuration.min_worker_id,
                view->configuration.max_worker_id);
  }
  const auto lease = view ? find(*view, worker_id) : std::nullopt;
  if (lease) {
    print(common.output, to_text(*lease), to_json(*lease));
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
