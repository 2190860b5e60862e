// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "values.hpp"

namespace workerid::cli {

namespace {

std::vector<std::string> row(const std::string& cluster, const ClusterView& view) {
  const Configuration& configuration = view.configuration;
  const WorkerId kept = view.count(LeaseState::expired) + view.count(LeaseState::cooling_down);
  return {cluster,
          std::to_string(configuration.min_worker_id) + " to " +
              std::to_string(configuration.max_worker_id),
          std::to_string(view.count(LeaseState::leased)),
          std::to_string(kept),
          std::to_string(view.count(LeaseState::free) + view.never_granted),
          to_text(configuration.lease_time),
          view.hold_back == std::chrono::milliseconds::zero() ? "-" : to_text(view.hold_back)};
}

// A name that no cluster can have is damage in the store: the command did not name it.
std::optional<ClusterView> view_of(Store& store, const std::string& cluster) {
  try {
    check_cluster_name(cluster);
  } catch (const Error& error) {
    throw Error(ErrorCode::corrupt_record, store.description() + ": " + error.what());
  }
  return store.inspect(cluster, call_timeout);
}

int clusters(const CommonOptions& common) {
  const std::shared_ptr<Store> store = open_store(common.store);
  std::vector<std::vector<std::string>> rows{
      {"CLUSTER", "WORKER IDS", "LEASED", "KEPT", "FREE", "LEASE", "HOLDING BACK"}};
  Json shown = Json::array();
  int code = exit_success;
  for (const std::string& cluster : store->clusters(call_timeout)) {
    try {
      const auto view = view_of(*store, cluster);
      if (!view) continue;  // it was deleted meanwhile
      rows.push_back(row(cluster, *view));
      shown.push_back(to_json(cluster, *view));
    } catch (const Error& error) {  // one that is damaged does not hide the others
      say(common.output, error);
      if (code == exit_success) code = exit_code(error.error_code());
    }
  }
  print(common.output, rows.size() == 1 ? "no cluster was used\n" : table(rows),
        {{"clusters", std::move(shown)}});
  return code;
}

}  // namespace

Command add_clusters(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("clusters", "Show the clusters of a store");
  add_common_options(*parser, invocation.common);
  parser->remove_option(parser->get_option("--cluster"));
  parser->footer(
      "KEPT are the IDs that nobody holds, and that are kept from others for a reuse delay or a\n"
      "cool-down; FREE those that may be granted. HOLDING BACK says for how long nothing is "
      "granted,\n"
      "because the store may have lost data.\n"
      "\n"
      "Examples:\n"
      "  workerid clusters --store redis://db:6379\n"
      "  workerid clusters --output json | jq -r '.clusters[].cluster'\n");
  return {parser, [&invocation] { return clusters(invocation.common); }};
}

}  // namespace workerid::cli
