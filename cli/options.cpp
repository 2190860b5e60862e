// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "parsed_option.hpp"
#include "values.hpp"

#include <cstdlib>
#include <iostream>

namespace workerid::cli {

namespace {

Output parse_output(const std::string& option, const std::string& text) {
  if (text == "text") return Output::text;
  if (text == "json") return Output::json;
  throw UsageError(option + ": \"" + text + "\" is not a format: use text or json");
}

// The value of a variable; nothing if it is unset. One that was meant to have a value and is empty names
// no default: each container would use a store of its own.
std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  if (*value == '\0') {
    throw UsageError(std::string{name} + " is set, but empty; give it a value, or unset it");
  }
  return value;
}

std::string read_token(const std::string& argument) {
  if (argument == "-") {
    std::string line;
    std::getline(std::cin, line);
    if (line.empty()) throw UsageError("TOKEN: standard input has no token");
    return line;
  }
  if (!argument.empty()) return argument;
  if (const auto token = variable("WORKERID_TOKEN")) return *token;
  throw UsageError(
      "TOKEN is missing: give it as an argument, as - to read it from standard input, "
      "or in the variable WORKERID_TOKEN");
}

}  // namespace

void CommonOptions::take_from_environment(const CLI::App& command) {
  const auto open = [&command](const char* option, bool given) {
    return !given && command.get_option_no_throw(option) != nullptr;
  };
  if (open("--store", store.has_value())) store = variable("WORKERID_STORE");
  if (open("--cluster", !cluster.empty())) {
    cluster = variable("WORKERID_CLUSTER").value_or("default");
  }
}

Options LeaseOptions::resolved() const {
  Options resolved = options;
  if (worker_bits) {
    const Options range = Options::worker_bits(*worker_bits);
    resolved.min_worker_id = range.min_worker_id;
    resolved.max_worker_id = range.max_worker_id;
  }
  return resolved;
}

Assignment AssignmentArguments::parse() const {
  return {parse_integer<WorkerId>("ID", worker_id), Token::parse(read_token(token))};
}

void add_common_options(CLI::App& command, CommonOptions& common) {
  add_parsed(command, "--store", common.store, parse_text, "URL",
             "sqlite:PATH, a path that begins with /, ./ or ../, redis://, rediss:// or unix:// "
             "(default: WORKERID_STORE, without it a file in this user's state directory)");
  add_parsed(command, "--cluster", common.cluster, parse_text, "NAME",
             "The pool of worker IDs (default: WORKERID_CLUSTER, without it \"default\")");
  add_output_option(command, common);
}

void add_output_option(CLI::App& command, CommonOptions& common) {
  add_parsed(command, "--output", common.output, parse_output, "FORMAT",
             "text (the default) or json");
}

void add_lease_options(CLI::App& command, LeaseOptions& lease) {
  Options& options = lease.options;
  CLI::Option* const low =
      add_parsed(command, "--min", options.min_worker_id, parse_integer<WorkerId>, "ID",
                 "The lowest worker ID of the cluster (default: 1)");
  CLI::Option* const high =
      add_parsed(command, "--max", options.max_worker_id, parse_integer<WorkerId>, "ID",
                 "The highest worker ID of the cluster (default: 1000)");
  CLI::Option* const bits =
      add_parsed(command, "--worker-bits", lease.worker_bits, parse_integer<int>, "BITS",
                 "All worker IDs of so many bits, 0 to 2^BITS - 1, instead of --min and --max");
  bits->excludes(low)->excludes(high);
  // Without this, --help lists the exclusions once more.
  low->option_text("ID");
  high->option_text("ID");
  bits->option_text("BITS");
  add_parsed(command, "--lease", options.max_lease_time, parse_duration, "TIME",
             "How long a lease lasts without being renewed (default: 5m)");
  add_parsed(command, "--reuse-delay", options.reuse_delay, parse_duration, "TIME",
             "How long the ID of an expired lease is kept from others (default: half of --lease)");
  add_parsed(command, "--cool-down", options.cool_down, parse_duration, "TIME",
             "How long a released ID is kept from others (default: 1s)");
  add_parsed(command, "--instance", options.instance, parse_text, "NAME",
             "A stable name that gets its former ID back, when nobody holds it");
  command.add_flag("--takeover", options.takeover,
                   "The process that has --instance now is certainly gone: resume its ID at once");
  command.add_flag(
      "--fresh", options.fresh,
      "Nobody holds an ID of the cluster if the store does not know it: do not hold back");
  add_parsed(command, "--wait", lease.wait, parse_duration, "TIME",
             "How long to wait for an ID that is about to come free (default: 2s)");
}

void add_assignment_arguments(CLI::App& command, AssignmentArguments& arguments) {
  command.add_option("ID", arguments.worker_id, "The worker ID")->required()->type_name("");
  command
      .add_option("TOKEN", arguments.token,
                  "The token that came with it; - reads it from standard input, and without it the "
                  "variable WORKERID_TOKEN has it: neither shows it in the list of processes")
      ->type_name("");
}

}  // namespace workerid::cli
