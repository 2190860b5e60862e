// SPDX-License-Identifier: MIT
//
// The workerid tool as a test sees it: a program. WORKERID_TOOL_PATH is defined by the build.
#pragma once

#include "support/process.hpp"

#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace workerid::tests {

/// What a program that ended has left.
struct Result {
  ExitStatus status;
  std::string output;
  std::string errors;
};

inline Result result_of(Process& process) {
  const ExitStatus status = process.wait();
  return {status, process.output(), process.errors()};
}

/// The tool on one store and cluster. The test's own WORKERID_ variables do not reach it.
class Tool {
 public:
  /// An empty `store` leaves it to the tool. `command` runs it, as another user perhaps.
  explicit Tool(const std::string& store, const std::string& cluster = "test",
                std::vector<std::string> command = words({}))
      : environment_{{"WORKERID_CLUSTER", cluster}, {"WORKERID_TOKEN", ""}},
        command_(std::move(command)) {
    if (!store.empty()) environment_.emplace_back("WORKERID_STORE", store);
  }

  /// The words of a command of the tool.
  static std::vector<std::string> words(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), WORKERID_TOOL_PATH);
    return arguments;
  }

  const Environment& environment() const noexcept { return environment_; }

  /// Runs a command of the tool to its end.
  Result operator()(std::vector<std::string> arguments, const Environment& more = {}) const {
    Environment environment = environment_;
    environment.insert(environment.end(), more.begin(), more.end());
    arguments.insert(arguments.begin(), command_.begin(), command_.end());
    Process process(std::move(arguments), environment);
    return result_of(process);
  }

  /// What a command that succeeds prints as JSON.
  nlohmann::json json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--output", "json"});
    return nlohmann::json::parse((*this)(std::move(arguments)).output);
  }

  /// How many worker IDs are in `state`.
  int count(const std::string& state) const {
    const nlohmann::json counts = json({"list"}).value("counts", nlohmann::json::object());
    return counts.value(state, 0);
  }

 private:
  Environment environment_;
  std::vector<std::string> command_;
};

}  // namespace workerid::tests
