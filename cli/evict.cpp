// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "confirmation.hpp"
#include "exit_codes.hpp"
#include "lookup.hpp"
#include "output.hpp"
#include "printable.hpp"
#include "store_url.hpp"
#include "values.hpp"

#include <workerid/clock.hpp>

namespace workerid::cli {

namespace {

std::string question(const std::string& which, const LeaseView& lease) {
  std::string text = which + " is " + std::string{name(lease.state)} + ", by " +
                     (lease.owner.empty() ? "an unknown owner" : detail::printable(lease.owner));
  if (!lease.instance.empty()) text += ", instance " + detail::printable(lease.instance);
  if (lease.state == LeaseState::leased) text += ", for " + to_text(lease.lease_left) + " more";
  return text + ". End this lease?";
}

int evict(const CommonOptions& common, const std::string& id, bool yes) {
  const auto worker_id = parse_integer<WorkerId>("ID", id);
  const std::shared_ptr<Store> store = open_store(common.store);
  const auto lease =
      find_lease(store->inspect(common.cluster, call_timeout), common.cluster, worker_id);
  const std::string which =
      "worker ID " + std::to_string(worker_id) + " of cluster \"" + common.cluster + "\"";
  if (!lease || lease->state == LeaseState::free) {
    throw Error(ErrorCode::not_assigned, which + ": nobody holds it");
  }
  const bool over = lease->state == LeaseState::cooling_down;
  if (!over && !confirmed(question(which, *lease), yes)) return declined();

  // The epoch is that of the lease which was shown: who got the ID meanwhile is not meant.
  const std::chrono::milliseconds free_in = store->evict({.cluster = common.cluster,
                                                          .worker_id = worker_id,
                                                          .epoch = lease->epoch,
                                                          .client = {boottime_clock()->now(), {}}},
                                                         call_timeout);
  print(
      common.output,
      "evicted " + std::to_string(worker_id) + ": others may get it in " + to_text(free_in) + "\n",
      {{"cluster", common.cluster},
       {"worker_id", worker_id},
       {"epoch", lease->epoch},
       {"free_in_ms", free_in.count()}});
  return exit_success;
}

}  // namespace

Command add_evict(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser =
      tool.add_subcommand("evict", "End the lease of a worker ID whoever holds it");
  const auto worker_id = std::make_shared<std::string>();
  const auto yes = std::make_shared<bool>(false);
  add_common_options(*parser, invocation.common);
  parser->add_option("ID", *worker_id, "The worker ID")->required()->type_name("");
  parser->add_flag("--yes", *yes, "Do not ask");
  parser->footer(
      "The holder is refused its next renewal, and then knows that the lease is lost. The ID "
      "comes\n"
      "free no sooner than without it: after the end of the lease, which the holder may believe "
      "in,\n"
      "and the reuse delay.\n"
      "\n"
      "Examples:\n"
      "  workerid evict 7\n"
      "  workerid evict 7 --yes --output json | jq .free_in_ms\n");
  return {parser,
          [&invocation, worker_id, yes] { return evict(invocation.common, *worker_id, *yes); }};
}

}  // namespace workerid::cli
