// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "doctor/cluster_findings.hpp"
#include "doctor/subject.hpp"
#include "exit_codes.hpp"
#include "store_url.hpp"
#include "values.hpp"

#include <workerid/memory_store.hpp>

namespace workerid::cli {

namespace {

Findings examine(const CommonOptions& common, std::chrono::seconds watch) {
  if (common.store == "memory:") return examine_memory();
  const auto [kind, place] = parse_store_url(common.store);
  const Examination examination{place, common.cluster, watch};
  if (kind == StoreAddress::Kind::redis) {
#if WORKERID_HAVE_REDIS
    return examine_redis(examination);
#endif
  } else {
#if WORKERID_HAVE_SQLITE
    return examine_sqlite(examination);
#endif
  }
  static_cast<void>(examination);
  open_store(common.store);  // says that this build lacks it
  throw UsageError("--store: this build of workerid has no such store");
}

int exit_code(Severity severity) {
  switch (severity) {
    case Severity::ok:
    case Severity::note:
      return exit_success;
    case Severity::warning:
      return exit_warnings;
    case Severity::error:
      break;
  }
  return exit_errors;
}

int doctor(const CommonOptions& common, std::chrono::seconds watch) {
  check_cluster_name(common.cluster);
  const Findings findings = examine(common, watch);
  const Severity verdict = worst(findings);
  print(common.output,
        to_text(findings) + "\nverdict: " + std::string{name(verdict)} + " (" + counts(findings) +
            ")\n",
        {{"cluster", common.cluster}, {"verdict", name(verdict)}, {"findings", to_json(findings)}});
  return exit_code(verdict);
}

}  // namespace

Findings examine_memory() {
  return {{Severity::ok, "store",
           "memory: leases live in the object that opened the store, serve the threads of its "
           "process and end with it; there is nothing to set up"},
          judge_guarantee(open_memory_store()->guarantee(call_timeout))};
}

Command add_doctor(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser =
      tool.add_subcommand("doctor", "Find what in a store's setup endangers leases");
  const auto watch = std::make_shared<std::chrono::seconds>(3);
  add_common_options(*parser, invocation.common);
  add_parsed(
      *parser, "--seconds", *watch,
      [](const std::string& name, const std::string& text) {
        return std::chrono::seconds{parse_integer<int>(name, text)};
      },
      "N", "How long clocks, latency and the number of leases are watched (default: 3)")
      ->check(CLI::Range(0, 3600))
      ->option_text("N");
  parser->footer(
      "Connects as a client does and writes nothing more. Each finding has a severity (ok, note,\n"
      "warning, error), its reason, and the setting to change. Exit code 0 without warnings, 96 "
      "with\n"
      "warnings, 97 with errors. What the user may not ask is said, and which permission shows "
      "it.\n"
      "\n"
      "Examples:\n"
      "  workerid doctor --store redis://db:6379 --cluster mycluster\n"
      "  workerid doctor --output json | jq '.findings[] | select(.severity == \"error\")'\n");
  return {parser, [&invocation, watch] { return doctor(invocation.common, *watch); }};
}

}  // namespace workerid::cli
