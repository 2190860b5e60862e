// SPDX-License-Identifier: MIT
//
// The options that several commands have.
#pragma once

#include <workerid/generator.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace workerid::cli {

enum class Output { text, json };

/// Where the cluster is and how results are written; every command has them.
struct CommonOptions {
  std::optional<std::string> store;
  std::string cluster;
  Output output = Output::text;

  /// Fills in what the options of `command`, which was parsed, leave open: from WORKERID_STORE and
  /// WORKERID_CLUSTER. Errors: UsageError for a variable that is empty.
  void take_from_environment(const CLI::App& command);
};

/// How long one call to a store may take, for the commands that make just one.
inline constexpr std::chrono::seconds call_timeout{5};

/// The range and the times of a cluster and how to get an ID; `get` and `run` have them.
struct LeaseOptions {
  Options options;
  std::optional<int> worker_bits;
  std::chrono::milliseconds wait = Generator::default_wait;

  /// The options for a Generator. Errors: `invalid_argument`.
  Options resolved() const;
};

/// A worker ID and its token, given as arguments; `renew` and `release` have them.
struct AssignmentArguments {
  std::string worker_id;
  std::string token;

  /// Errors: UsageError, `invalid_token`.
  Assignment parse() const;
};

void add_common_options(CLI::App& command, CommonOptions& common);
/// The last of the common ones, for commands that have no store.
void add_output_option(CLI::App& command, CommonOptions& common);
void add_lease_options(CLI::App& command, LeaseOptions& lease);
void add_assignment_arguments(CLI::App& command, AssignmentArguments& arguments);

}  // namespace workerid::cli
