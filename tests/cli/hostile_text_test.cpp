// SPDX-License-Identifier: MIT
//
// What strangers wrote reaches no terminal as it is: whoever can write to a lease file, a server, the
// name of a file.
#include "cli/tool.hpp"
#include "support/sqlite_file.hpp"
#include "support/temporary_directory.hpp"
#include "unit/redis_peer.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

// A title for the terminal's window, a new line, a right-to-left override, a line separator, a control
// character of ISO 6429 in one byte and in two, and bytes that are no UTF-8.
const std::string hostile =
    "\x1b]0;mine\x07\r\nworkerid: all is well \xe2\x80\xae\xe2\x80\xa8\x9b\xc2\x9b\xff";

bool ours(char character) {
  return character == '\n' || (character >= ' ' && character <= '~');
}

class HostileText : public ::testing::Test {
 protected:
  // Of these texts, whose letters are all ASCII, nothing else may be left.
  void expect_clean(const std::vector<std::string>& command, const std::string& named = "mine") {
    for (const char* const format : {"text", "json"}) {
      std::vector<std::string> words = command;
      words.insert(std::next(words.begin()), {"--output", format});
      const Result result = tool(words);
      for (const std::string& text : {result.output, result.errors}) {
        EXPECT_TRUE(std::all_of(text.begin(), text.end(), ours)) << command.front() << ": " << text;
        EXPECT_EQ(text.find("\nworkerid: all is well"), std::string::npos) << text;
        if (format == std::string{"json"} && !text.empty()) {
          EXPECT_TRUE(nlohmann::json::accept(text)) << text;
        }
      }
      EXPECT_NE((result.output + result.errors).find(named), std::string::npos)
          << command.front() << ": " << result.output << result.errors;
    }
  }

  TemporaryDirectory directory;
  std::filesystem::path file = directory.path() / "leases.db";
  Tool tool{"sqlite:" + file.string()};
};

TEST_F(HostileText, OfInstanceAndOwner) {
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  SqliteFile(file).run("UPDATE records SET instance = '" + hostile + "', owner = '" + hostile +
                       "'");
  expect_clean({"list"});
  expect_clean({"inspect", "1"});
  expect_clean({"evict", "1"});
}

TEST_F(HostileText, OfAMachineId) {
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  SqliteFile(file).run("UPDATE machine SET boot_id = 'x', machine_id = '" + hostile + "'");
  expect_clean({"list"});
  expect_clean({"doctor", "--seconds", "0"});
}

TEST_F(HostileText, OfAClusterName) {
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  SqliteFile(file).run("UPDATE clusters SET cluster = '" + hostile + "'");
  expect_clean({"clusters"});
}

TEST_F(HostileText, OfAClusterNameIsDamageAndHidesNoOtherCluster) {
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  ASSERT_EQ(tool({"get", "--cluster", "jobs"}).status, ExitStatus{});
  SqliteFile(file).run("UPDATE clusters SET cluster = 'no name' WHERE cluster = 'test'");
  const Result shown = tool({"clusters"});
  EXPECT_EQ(shown.status.code, 92) << shown.errors;
  EXPECT_NE(shown.errors.find("\"no name\""), std::string::npos) << shown.errors;
  EXPECT_NE(shown.output.find("\njobs "), std::string::npos) << shown.output;
}

TEST_F(HostileText, OfTheNameOfAFile) {
  const auto folder = directory.path() / hostile;
  std::filesystem::create_directory(folder);
  expect_clean({"run", "--identity-file", folder.string(), "--", "true"});
  std::filesystem::create_directory_symlink(folder, directory.path() / "link");
  tool = Tool{"sqlite:" + (directory.path() / "link").string()};
  expect_clean({"list"}, "control character");
  expect_clean({"doctor", "--seconds", "0"});
}

TEST_F(HostileText, OfAServersError) {
  const std::string line = "\x1b]0;mine\x07\xe2\x80\xae\x9b";
  const ScriptedServer server([&](Peer& peer, int) {
    while (!peer.read_command().empty()) peer.send("-ERR " + line + "\r\n");
  });
  tool = Tool{server.url()};
  expect_clean({"list"});
  expect_clean({"get"});
  expect_clean({"doctor", "--seconds", "0"});
}

}  // namespace
}  // namespace workerid::tests
