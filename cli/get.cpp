// SPDX-License-Identifier: MIT
#include "acquisition.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "signals.hpp"

#include <workerid/generator.hpp>

namespace workerid::cli {

namespace {

int get(const CommonOptions& common, const LeaseOptions& lease_options) {
  const Options options = lease_options.resolved();
  const auto store = std::make_shared<AcquisitionStore>(common.store);
  const SignalTaker taker{[&] { store->give_back(); }};
  Generator generator{store, common.cluster, options};
  Lease lease = generator.lease(lease_options.wait);
  const WorkerId worker_id = lease.worker_id();
  const std::string token = lease.token().text();
  // From here on the caller renews it. If the caller never hears of it, it goes back at once.
  wait_for_room();
  store->deliver();
  print(common.output, std::to_string(worker_id) + " " + token + "\n",
        {{"cluster", common.cluster},
         {"worker_id", worker_id},
         {"token", token},
         {"epoch", lease.epoch()},
         {"lease_ms", options.max_lease_time.count()}});
  lease.abandon();
  return exit_success;
}

}  // namespace

Command add_get(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("get", "Get a worker ID and its token");
  const auto lease = std::make_shared<LeaseOptions>();
  add_common_options(*parser, invocation.common);
  add_lease_options(*parser, *lease);
  parser->footer(
      "Prints the worker ID and the token that proves its ownership. The ID is yours for the "
      "lease\n"
      "time, counted from before this call; renew it in time, and stop using it before you "
      "release\n"
      "it or its time is over. \"workerid run\" does all of that for a command.\n"
      "\n"
      "Examples:\n"
      "  read -r id WORKERID_TOKEN < <(workerid get --max 32 --lease 10m)\n"
      "  export WORKERID_TOKEN\n"
      "  workerid renew \"$id\"\n"
      "  workerid release \"$id\"\n");
  return {parser, [&invocation, lease] { return get(invocation.common, *lease); }};
}

}  // namespace workerid::cli
