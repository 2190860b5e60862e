// SPDX-License-Identifier: MIT
//
// The console blocks of the documents, executed: each command prints what the document shows.
//
// A block is run by bash in a directory and home of its document's own, unless the line above it
// says why not: `<!-- not run here: … -->`. With `<!-- needs: redis -->` a server stands behind
// localhost:6379 and redis-cli. In what is shown, `…` stands for any text, and alone on a line for
// any lines. A command succeeds, unless the next one is `echo $?`.
#include "docs/documents.hpp"
#include "support/process.hpp"
#include "support/redis_server.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace workerid::tests {

namespace {

using Lines = std::vector<std::string>;

constexpr char separator = '\x1e';
const std::string ellipsis = "…";

struct Command {
  std::string text;
  Lines expected;
};

std::vector<Command> commands_of(const Block& block) {
  std::vector<Command> commands;
  bool continued = false;
  for (const std::string& line : block.lines) {
    if (continued) {
      commands.back().text += "\n" + line;
    } else if (line.compare(0, 2, "$ ") == 0) {
      commands.push_back({line.substr(2), {}});
    } else if (!commands.empty()) {
      commands.back().expected.push_back(line);
      continue;
    } else {
      ADD_FAILURE() << block.where << ": output before the first command";
      continue;
    }
    continued = line.back() == '\\';
  }
  return commands;
}

bool line_matches(const std::string& pattern, const std::string& line) {
  const std::size_t at = pattern.find(ellipsis);
  if (at == std::string::npos) return pattern == line;
  if (line.compare(0, at, pattern, 0, at) != 0) return false;
  const std::string rest = pattern.substr(at + ellipsis.size());
  for (std::size_t start = at; start <= line.size(); ++start) {
    if (line_matches(rest, line.substr(start))) return true;
  }
  return false;
}

bool output_matches(const Lines& expected, std::size_t e, const Lines& seen, std::size_t s) {
  if (e == expected.size()) return s == seen.size();
  if (expected[e] == ellipsis) {
    return output_matches(expected, e + 1, seen, s) ||
           (s < seen.size() && output_matches(expected, e, seen, s + 1));
  }
  return s < seen.size() && line_matches(expected[e], seen[s]) &&
         output_matches(expected, e + 1, seen, s + 1);
}

Lines split(const std::string& text, char at) {
  Lines parts;
  std::size_t start = 0;
  for (std::size_t end = text.find(at); end != std::string::npos; end = text.find(at, start)) {
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  if (start < text.size()) parts.push_back(text.substr(start));
  return parts;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// One bash for a whole block, so that a command sees what earlier ones left. After each command it
// prints a separator, the exit code, and another.
std::string script_of(const std::vector<Command>& commands) {
  std::string script = "exec 2>&1\nshopt -s expand_aliases\n";
  for (const Command& command : commands) {
    script += command.text + "\nstatus=$?; printf '\\x1e%d\\x1e' $status; (exit $status)\n";
  }
  return script;
}

// A home and, where a block needs it, a server, for all blocks of one document.
class Terminal {
 public:
  void run(const Block& block) {
    const std::vector<Command> commands = commands_of(block);
    ASSERT_FALSE(commands.empty()) << block.where << ": no command";
    std::string script = script_of(commands);
    if (block.marker == "needs: redis") use_redis(script);
    const auto file = home_.path() / "script";
    std::ofstream(file) << "unset WORKERID_STORE WORKERID_CLUSTER WORKERID_TOKEN\ncd "
                        << home_.path() << "\n"
                        << script;

    Process bash({"bash", file.string()}, environment());
    ASSERT_TRUE(bash.wait_for(std::chrono::seconds{60})) << block.where << ": still runs";
    const Lines seen = split(bash.output(), separator);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      SCOPED_TRACE(block.where + ": $ " + commands[i].text);
      ASSERT_LT(2 * i + 1, seen.size()) << "bash ended early: " << bash.errors();
      EXPECT_TRUE(output_matches(commands[i].expected, 0, split(seen[2 * i], '\n'), 0))
          << "it printed:\n"
          << seen[2 * i];
      const bool may_fail = i + 1 < commands.size() && commands[i + 1].text == "echo $?";
      if (!may_fail) {
        EXPECT_EQ(seen[2 * i + 1], "0") << "it printed:\n" << seen[2 * i];
      }
    }
  }

 private:
  Environment environment() const {
    return {{"HOME", home_.path().string()},
            {"XDG_STATE_HOME", (home_.path() / "state").string()},
            {"PATH", WORKERID_TOOL_FOLDER ":/usr/local/bin:/usr/bin:/bin"}};
  }

  void use_redis(std::string& script) {
    if (!redis_) redis_ = std::make_unique<RedisServer>();
    const std::string port = std::to_string(redis_->port());
    replace_all(script, "localhost:6379", "127.0.0.1:" + port);
    script = "redis-cli() { command redis-cli -p " + port + " \"$@\"; }\n" + script;
  }

  TemporaryDirectory home_;
  std::unique_ptr<RedisServer> redis_;
};

}  // namespace

TEST(ConsoleBlocks, PrintWhatTheDocumentsShow) {
  int run = 0;
  for (const Document& document : all_documents()) {
    Terminal terminal;
    for (const Block& block : document.blocks) {
      if (block.language != "console" || block.marker.compare(0, 12, "not run here") == 0) continue;
      ++run;
      terminal.run(block);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(run, 5);
}

TEST(ConsoleBlocks, NameProgramsOfTheProjectThatExist) {
  int scripts = 0;
  for (const Document& document : all_documents()) {
    for (const Block& block : document.blocks) {
      if (block.language != "console") continue;
      for (const Command& command : commands_of(block)) {
        if (command.text.compare(0, 8, "scripts/") != 0) continue;
        ++scripts;
        const auto path = source_root() / command.text.substr(0, command.text.find(' '));
        ASSERT_TRUE(std::filesystem::exists(path)) << block.where << ": " << path;
        EXPECT_NE(std::filesystem::status(path).permissions() & std::filesystem::perms::owner_exec,
                  std::filesystem::perms::none)
            << path;
      }
    }
  }
  EXPECT_GT(scripts, 1);
}

TEST(ConsoleBlocks, TheComparisonSeesADifference) {
  EXPECT_TRUE(output_matches({"a … c", "…", "z"}, 0, {"a bb c", "1", "2", "z"}, 0));
  EXPECT_TRUE(output_matches({}, 0, {}, 0));
  EXPECT_FALSE(output_matches({}, 0, {"unexpected"}, 0));
  EXPECT_FALSE(output_matches({"a … c"}, 0, {"a bb d"}, 0));
  EXPECT_FALSE(output_matches({"a", "z"}, 0, {"a"}, 0));
}

}  // namespace workerid::tests
