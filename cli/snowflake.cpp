// SPDX-License-Identifier: MIT
#include "acquisition.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "signals.hpp"
#include "snowflake_format.hpp"
#include "values.hpp"

#include <workerid/generator.hpp>

#include <vector>

namespace workerid::cli {

namespace {

constexpr std::int64_t most_ids = 1'000'000;

struct SnowflakeArguments {
  LeaseOptions lease;
  SnowflakeFormat format;
  std::int64_t count = 1;
};

// While there is time to change to another one.
void warn_if_it_runs_out(Output output, const SnowflakeLayout& layout) {
  constexpr std::chrono::days early{365};
  const WallTime end = layout.runs_out();
  if (boottime_clock()->wall() < end - early) return;
  say(output, "the layout has no timestamps from " + utc_text(end) + " on");
}

int snowflake(const CommonOptions& common, const SnowflakeArguments& arguments) {
  if (arguments.count < 1 || arguments.count > most_ids) {
    throw UsageError("--count: " + std::to_string(arguments.count) + " is not 1 to " +
                     std::to_string(most_ids));
  }
  const SnowflakeLayout layout = arguments.format.layout();
  warn_if_it_runs_out(common.output, layout);
  const auto store = std::make_shared<AcquisitionStore>(common.store);
  const SignalTaker taker{[&] { store->give_back(); }};
  Generator generator{store, common.cluster, arguments.lease.resolved()};
  Snowflake snowflake{generator.lease(arguments.lease.wait), {.layout = layout}};
  std::vector<std::int64_t> ids(static_cast<std::size_t>(arguments.count));
  snowflake.next(ids);
  snowflake.release();  // with the last timestamp used, before anybody sees it

  std::string lines;
  Json texts = Json::array();
  for (const std::int64_t id : ids) {
    const std::string text = to_text(id, arguments.format.form);
    if (common.output == Output::text) {
      lines += text + "\n";
    } else {
      texts.push_back(text);
    }
  }
  print(common.output, lines,
        {{"cluster", common.cluster}, {"worker_id", snowflake.worker_id()}, {"ids", texts}});
  return exit_success;
}

}  // namespace

Command add_snowflake(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("snowflake", "Generate unique 64-bit IDs");
  const auto arguments = std::make_shared<SnowflakeArguments>();
  add_common_options(*parser, invocation.common);
  add_lease_options(*parser, arguments->lease);
  add_parsed(*parser, "--count", arguments->count, parse_integer<std::int64_t>, "N",
             "How many, up to 1000000 (default: 1)");
  add_snowflake_format(*parser, arguments->format);
  parser->footer(
      "Leases a worker ID, generates with it, and gives it back: no ID comes twice, as long as "
      "all\n"
      "generators of a cluster use one layout and epoch. In JSON the IDs are texts, because many\n"
      "readers take numbers for doubles.\n"
      "\n"
      "Examples:\n"
      "  workerid snowflake\n"
      "  workerid snowflake --count 1000 --form base62\n");
  return {parser, [&invocation, arguments] { return snowflake(invocation.common, *arguments); }};
}

}  // namespace workerid::cli
