// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "confirmation.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "values.hpp"

#include <workerid/clock.hpp>

#include <algorithm>
#include <optional>
#include <vector>

namespace workerid::cli {

namespace {

struct ResizeOptions {
  WorkerId max_worker_id = 0;
  std::optional<WorkerId> min_worker_id;
  bool yes = false;
};

std::string range_text(WorkerId low, WorkerId high) {
  return std::to_string(low) + " to " + std::to_string(high);
}

// The IDs outside the range that are held, or kept from others.
std::vector<WorkerId> held_outside(const ClusterView& view, WorkerId low, WorkerId high) {
  std::vector<WorkerId> held;
  for (const LeaseView& lease : view.leases) {
    const bool outside = lease.worker_id < low || lease.worker_id > high;
    if (outside && lease.state != LeaseState::free) held.push_back(lease.worker_id);
  }
  return held;
}

std::string ids_text(const std::vector<WorkerId>& held) {
  constexpr std::size_t shown = 10;
  std::string text;
  for (std::size_t index = 0; index < std::min(shown, held.size()); ++index) {
    text += (index == 0 ? "" : ", ") + std::to_string(held[index]);
  }
  if (held.size() > shown) text += " and " + std::to_string(held.size() - shown) + " more";
  return text;
}

int resize(const CommonOptions& common, const ResizeOptions& options) {
  const std::shared_ptr<Store> store = open_store(common.store);
  const auto view = store->inspect(common.cluster, call_timeout);
  const std::string which = "cluster \"" + common.cluster + "\"";
  if (!view) {
    throw Error(ErrorCode::invalid_argument, which + ": the store knows no cluster of this name");
  }
  const WorkerId former_low = view->configuration.min_worker_id;
  const WorkerId former_high = view->configuration.max_worker_id;
  const WorkerId low = options.min_worker_id.value_or(former_low);
  const WorkerId high = options.max_worker_id;
  const std::vector<WorkerId> held = held_outside(*view, low, high);
  const std::string held_text =
      held.empty() ? "" : "; outside, kept to the end of their leases: " + ids_text(held);
  const bool shrinks = low > former_low || high < former_high;
  if (shrinks && low <= high &&
      !confirmed(which + " has the worker IDs " + range_text(former_low, former_high) +
                     " and shall have " + range_text(low, high) + held_text + ". Shrink it?",
                 options.yes)) {
    return declined();
  }

  const Configuration configuration = store->resize({.cluster = common.cluster,
                                                     .min_worker_id = low,
                                                     .max_worker_id = high,
                                                     .client = {boottime_clock()->now(), {}}},
                                                    call_timeout);
  print(common.output,
        "resized " + which + " from " + range_text(former_low, former_high) + " to " +
            range_text(low, high) + held_text + "\n",
        {{"cluster", common.cluster},
         {"configuration", to_json(configuration)},
         {"former_min_worker_id", former_low},
         {"former_max_worker_id", former_high},
         {"held_outside", held}});
  return exit_success;
}

}  // namespace

Command add_resize(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("resize", "Give a cluster another range");
  const auto options = std::make_shared<ResizeOptions>();
  add_common_options(*parser, invocation.common);
  add_parsed(*parser, "--max", options->max_worker_id, parse_integer<WorkerId>, "ID",
             "The highest worker ID from now on")
      ->required()
      ->option_text("ID");
  add_parsed(*parser, "--min", options->min_worker_id, parse_integer<WorkerId>, "ID",
             "The lowest worker ID from now on (default: as it is)");
  parser->add_flag("--yes", options->yes, "Do not ask before the range becomes smaller");
  parser->footer(
      "IDs that come into the range may be granted at once. Those that fall out of it are granted "
      "no\n"
      "more, but who holds one keeps it until it is released or its lease ends. Processes that "
      "ask\n"
      "for the former range (--min, --max) are refused new IDs; those who hold one go on. Lease "
      "time,\n"
      "reuse delay and cool-down stay as they are.\n"
      "\n"
      "Examples:\n"
      "  workerid resize --max 64\n"
      "  workerid resize --min 1 --max 16 --yes\n");
  return {parser, [&invocation, options] { return resize(invocation.common, *options); }};
}

}  // namespace workerid::cli
