// SPDX-License-Identifier: MIT
//
// What the tool says of itself: --help, the man page and the completion agree with each other.
#include "cli/tool.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/version.hpp>

#include <gtest/gtest.h>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

const std::vector<std::string> all_commands{
    "run",   "get",    "renew",     "release", "list",    "inspect", "clusters",  "resize",
    "evict", "doctor", "snowflake", "decode",  "torture", "bench",   "completion"};

std::string help(const std::vector<std::string>& command) {
  std::vector<std::string> words = command;
  words.push_back("--help");
  const Result result = Tool{"unused"}(words);
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  EXPECT_EQ(result.errors, "");
  return result.output;
}

// The long options that a text lists at the beginning of its lines.
std::set<std::string> options_of(const std::string& help) {
  std::set<std::string> options;
  const std::regex option{"(^|\n)  (-h,)?(--[a-z-]+)"};
  for (std::sregex_iterator found{help.begin(), help.end(), option}, end; found != end; ++found) {
    options.insert(found->str(3));
  }
  return options;
}

std::set<std::string> completions(const std::vector<std::string>& words) {
  std::string typed;
  for (const std::string& word : words) typed += " '" + word + "'";
  const std::string script =
      "set -eu; source <(\"$0\" completion bash); COMP_WORDS=(" + typed +
      "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _workerid; printf '%s\\n' \"${COMPREPLY[@]}\"";
  Process bash({"bash", "-c", script, WORKERID_TOOL_PATH});
  const Result result = result_of(bash);
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  std::istringstream lines{result.output};
  std::set<std::string> completions;
  for (std::string line; std::getline(lines, line);) completions.insert(line);
  return completions;
}

TEST(Help, ListsTheCommandsAndTheExitCodes) {
  const std::string text = help({});
  for (const std::string& command : all_commands) {
    EXPECT_NE(text.find("\n  " + command), std::string::npos) << command;
  }
  for (const int code : {0,  1,  2,  80, 81, 82, 83, 84, 85, 86,  87, 88,
                         89, 91, 92, 93, 94, 95, 96, 97, 98, 126, 127}) {
    EXPECT_NE(text.find("\n  " + std::to_string(code) + " "), std::string::npos) << code;
  }
}

TEST(Help, OfEachCommandHasExamplesAndNoLongLines) {
  for (const std::string& command : all_commands) {
    const std::string text = help({command});
    EXPECT_NE(text.find("Example"), std::string::npos) << command;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST(Help, RunShowsWhereTheCommandStands) {
  EXPECT_NE(help({"run"}).find("workerid run [OPTIONS] -- COMMAND [ARGUMENT...]"),
            std::string::npos);
}

TEST(Version, IsTheLibrarys) {
  const Result result = Tool{"unused"}({"--version"});
  EXPECT_EQ(result.status, (ExitStatus{0, 0}));
  EXPECT_EQ(result.output, "workerid " WORKERID_VERSION "\n");
}

TEST(Completion, KnowsEveryCommandAndOption) {
  std::set<std::string> first(all_commands.begin(), all_commands.end());
  first.merge(options_of(help({})));
  EXPECT_EQ(completions({"workerid", ""}), first);
  EXPECT_EQ(completions({"workerid", "re"}), (std::set<std::string>{"release", "renew", "resize"}));
  for (const std::string& command : all_commands) {
    EXPECT_EQ(completions({"workerid", command, "--"}), options_of(help({command}))) << command;
  }
  EXPECT_EQ(completions({"workerid", "list", "--output", "j"}), (std::set<std::string>{"json"}));
  EXPECT_EQ(completions({"workerid", "completion", "b"}), (std::set<std::string>{"bash"}));
}

TEST(Completion, CompletesTheCommandBehindTheDashes) {
  EXPECT_TRUE(completions({"workerid", "run", "--", "sle"}).count("sleep") == 1);
  const TemporaryDirectory directory;
  const std::string path = directory.path().string();
  EXPECT_EQ(completions({"workerid", "run", "--", "ls", path}), (std::set<std::string>{path}));
}

TEST(ManPage, IsWellFormed) {
  Process groff({"groff", "-man", "-ww", "-Tutf8", "-z", WORKERID_MAN_PAGE});
  const Result result = result_of(groff);
  EXPECT_EQ(result.status, (ExitStatus{0, 0}));
  EXPECT_EQ(result.errors, "");
}

TEST(ManPage, HasEveryCommandOptionAndExitCode) {
  Process groff({"groff", "-man", "-Tascii", "-P-cbou", WORKERID_MAN_PAGE});
  const std::string page = result_of(groff).output;
  for (const std::string& command : all_commands) {
    EXPECT_NE(page.find("\n       " + command), std::string::npos) << command;
    for (const std::string& option : options_of(help({command}))) {
      EXPECT_NE(page.find(option), std::string::npos) << option;
    }
  }
  std::istringstream lines{help({})};
  for (std::string line; std::getline(lines, line) && line != "Exit codes:";) {
  }
  for (std::string code; lines >> code && code != "Otherwise"; std::getline(lines, code)) {
    EXPECT_NE(page.find("\n       " + code), std::string::npos) << code;
  }
}

}  // namespace
}  // namespace workerid::tests
