// SPDX-License-Identifier: MIT
//
// The tool's command line: it is read or refused, and nothing is performed.
#define main tool_main  // NOLINT(readability-identifier-naming): what is tested stands beside it
#include "main.cpp"
#undef main

#include "fuzz/require.hpp"

using namespace workerid;

namespace {

// Words end with a line feed.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream lines{text};
  for (std::string word; std::getline(lines, word);) words.push_back(word);
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  if (text.find('\0') != std::string::npos) return 0;
  std::vector<std::string> words = words_of(text);
  if (words.empty()) return 0;
  CLI::App tool{"", "workerid"};
  tool.set_version_flag("--version", "workerid", "");
  tool.set_help_flag("--help,-h", "");
  tool.require_subcommand(0, 1);
  cli::Invocation invocation{.common = {}, .command_line = {}};
  const std::vector<cli::Command> commands{cli::add_run(tool, invocation),
                                           cli::add_get(tool, invocation),
                                           cli::add_renew(tool, invocation),
                                           cli::add_release(tool, invocation),
                                           cli::add_list(tool, invocation),
                                           cli::add_inspect(tool, invocation),
                                           cli::add_clusters(tool, invocation),
                                           cli::add_resize(tool, invocation),
                                           cli::add_evict(tool, invocation),
                                           cli::add_torture(tool, invocation),
                                           cli::add_torture_holder(tool, invocation),
                                           cli::add_completion(tool, invocation)};
  const auto mark = std::find(words.begin(), words.end(), "--");
  const bool is_run = words.front() == "run" && mark != words.end();
  const std::vector<std::string> of_command =
      is_run ? std::vector<std::string>{std::next(mark), words.end()} : std::vector<std::string>{};
  try {
    std::vector<std::string> arguments =
        cli::parser_arguments(std::move(words), invocation.command_line);
    fuzz::require(invocation.command_line == of_command, "what stands behind -- is left as it is");
    std::reverse(arguments.begin(), arguments.end());
    tool.parse(std::move(arguments));
    fuzz::require(!invocation.common.store || !invocation.common.store->empty(),
                  "a store that is given is not empty");
  } catch (const CLI::Error&) {  // refused, or help
  } catch (const cli::UsageError& error) {
    fuzz::require(fuzz::contains(error.what(), ": "), "the message names an option");
  }
  return 0;
}
