// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "values.hpp"

namespace workerid::cli {

namespace {

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::vector<LeaseView> shown(const ClusterView& view, bool all) {
  std::vector<LeaseView> leases;
  for (const LeaseView& lease : view.leases) {
    if (all || lease.state != LeaseState::free) leases.push_back(lease);
  }
  return leases;
}

std::string leases_text(const std::vector<LeaseView>& leases) {
  std::vector<std::vector<std::string>> rows{
      {"ID", "STATE", "TIME LEFT", "EPOCH", "INSTANCE", "OWNER"}};
  for (const LeaseView& lease : leases) {
    rows.push_back({std::to_string(lease.worker_id), std::string{name(lease.state)},
                    lease.state == LeaseState::free ? "-" : to_text(time_left(lease)),
                    std::to_string(lease.epoch), lease.instance.empty() ? "-" : lease.instance,
                    lease.owner});
  }
  return table(rows) + "\n";
}

std::string summary(const std::string& cluster, const ClusterView& view) {
  const auto count = [&](LeaseState state) {
    return std::to_string(view.count(state)) + " " + std::string{name(state)} + ", ";
  };
  const Configuration& configuration = view.configuration;
  return "cluster " + quoted(cluster) + ": " + count(LeaseState::leased) +
         count(LeaseState::expired) + count(LeaseState::cooling_down) + count(LeaseState::free) +
         std::to_string(view.never_granted) + " never granted; worker IDs " +
         std::to_string(configuration.min_worker_id) + " to " +
         std::to_string(configuration.max_worker_id) + ", lease " +
         to_text(configuration.lease_time) + "\n";
}

std::string guarantee_text(const Guarantee& guarantee) {
  std::string text = "guarantee: exclusivity " + std::string{name(guarantee.exclusivity)} +
                     ", timestamps " + std::string{name(guarantee.timestamps)} + "\n";
  for (const std::string& reason : guarantee.reasons) text += "  " + reason + "\n";
  return text;
}

std::string hold_back(const ClusterView& view) {
  if (view.hold_back == std::chrono::milliseconds::zero()) return {};
  return "holding back: the store may have lost data, nothing is granted for " +
         to_text(view.hold_back) + "\n";
}

Json guarantee_json(const Guarantee& guarantee) {
  return {{"exclusivity", name(guarantee.exclusivity)},
          {"timestamps", name(guarantee.timestamps)},
          {"reasons", guarantee.reasons}};
}

Json cluster_json(const std::string& cluster, const ClusterView& view,
                  const std::vector<LeaseView>& leases, const Guarantee& guarantee) {
  Json json = to_json(cluster, view);
  json["guarantee"] = guarantee_json(guarantee);
  json["leases"] = Json::array();
  for (const LeaseView& lease : leases) json["leases"].push_back(to_json(lease));
  return json;
}

int list(const CommonOptions& common, bool all) {
  const std::shared_ptr<Store> store = open_store(common.store);
  const auto view = store->inspect(common.cluster, call_timeout);
  const Guarantee guarantee = store->guarantee(call_timeout);
  if (!view) {
    print(common.output,
          "cluster " + quoted(common.cluster) + " was never used\n" + guarantee_text(guarantee),
          {{"cluster", common.cluster},
           {"guarantee", guarantee_json(guarantee)},
           {"configuration", nullptr},
           {"leases", Json::array()}});
    return exit_success;
  }
  const std::vector<LeaseView> leases = shown(*view, all);
  print(common.output,
        (leases.empty() ? "" : leases_text(leases)) + summary(common.cluster, *view) +
            hold_back(*view) + guarantee_text(guarantee),
        cluster_json(common.cluster, *view, leases, guarantee));
  return exit_success;
}

}  // namespace

Command add_list(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("list", "Show who holds which worker ID");
  const auto all = std::make_shared<bool>(false);
  add_common_options(*parser, invocation.common);
  parser->add_flag("--all", *all, "Show the IDs too that were used and are free again");
  parser->footer(
      "States: leased, held by its owner or left by one that died within the lease; expired or\n"
      "cooling_down, kept from everybody else for the time left; free. Tokens are never shown.\n"
      "\n"
      "Examples:\n"
      "  workerid list --cluster mycluster\n"
      "  workerid list --output json | jq .counts\n");
  return {parser, [&invocation, all] { return list(invocation.common, *all); }};
}

}  // namespace workerid::cli
