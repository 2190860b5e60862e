// SPDX-License-Identifier: MIT
//
// docs/tool.md knows the tool's options and exit codes, and no others.
#include "docs/documents.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace workerid::tests {

namespace {

std::string help(const std::vector<std::string>& words) {
  std::vector<std::string> argv{std::string(WORKERID_TOOL_FOLDER) + "/workerid"};
  argv.insert(argv.end(), words.begin(), words.end());
  argv.emplace_back("--help");
  Process tool(argv);
  EXPECT_EQ(tool.wait(), ExitStatus{}) << tool.errors();
  return tool.output();
}

std::string document() {
  return read_file(source_root() / "docs/tool.md");
}

std::set<std::string> long_options(const std::string& text) {
  std::set<std::string> options;
  const std::regex option("--[a-z][a-z-]*");
  for (std::sregex_iterator found(text.begin(), text.end(), option), end; found != end; ++found) {
    options.insert(found->str());
  }
  return options;
}

}  // namespace

TEST(ToolDocument, HasEveryOptionAndNoOther) {
  const std::string overview = help({});
  std::set<std::string> real = long_options(overview);
  const std::regex row("\n  ([a-z]+)  +[A-Z]");  // of the list of commands
  int commands = 0;
  for (std::sregex_iterator found(overview.begin(), overview.end(), row), end; found != end;
       ++found) {
    ++commands;
    real.merge(long_options(help({(*found)[1].str()})));
  }
  EXPECT_EQ(commands, 15);
  real.erase("--node");  // of the example command
  real.erase("--version");
  EXPECT_EQ(long_options(document()), real);
}

TEST(ToolDocument, HasEveryExitCode) {
  const std::string text = document();
  const std::string table = help({});
  const std::regex line("\n  ([89][0-9]) +([a-z_]+)(?=\n)");
  int codes = 0;
  for (std::sregex_iterator found(table.begin(), table.end(), line), end; found != end; ++found) {
    ++codes;
    const std::string row = "| " + (*found)[1].str() + " | `" + (*found)[2].str() + "` |";
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
  EXPECT_EQ(codes, 13);
}

}  // namespace workerid::tests
