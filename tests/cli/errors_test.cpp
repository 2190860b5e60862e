// SPDX-License-Identifier: MIT
//
// How the tool fails: one exit code for each error, and a sentence that names what is wrong.
#include "cli/tool.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using nlohmann::json;

class Errors : public ::testing::Test {
 protected:
  // Runs a command that fails with `code`; its message has `words`.
  static void expect_failure(const Result& result, int code,
                             const std::vector<std::string>& words) {
    EXPECT_EQ(result.status, (ExitStatus{code, 0})) << result.errors;
    EXPECT_EQ(result.output, "");
    for (const std::string& word : words) {
      EXPECT_NE(result.errors.find(word), std::string::npos) << word << "\n" << result.errors;
    }
  }

  std::string token() { return tool.json({"get", "--max", "3"}).at("token"); }

  TemporaryDirectory directory;
  std::filesystem::path file = directory.path() / "leases.db";
  Tool tool{"sqlite:" + file.string()};
};

TEST_F(Errors, NoAvailableIdNamesTheTimeOfTheNext) {
  tool({"get", "--max", "1"});
  expect_failure(tool({"get", "--max", "1"}), 80, {"no available ID", "may come free in", " ms"});
  const Result failed = tool({"get", "--max", "1", "--output", "json"});
  const json error = json::parse(failed.errors);
  EXPECT_EQ(error.at("error"), "no_available_id");
  EXPECT_GT(error.at("retry_after_ms"), 400'000);
  EXPECT_EQ(failed.output, "");
}

TEST_F(Errors, InvalidWorkerId) {
  const std::string owned = token();
  expect_failure(tool({"renew", "4", owned}), 81, {"worker ID 4", "1 to 3"});
  expect_failure(tool({"release", "9999999999", owned}), 81, {"9999999999"});
  expect_failure(tool({"inspect", "9999999999"}), 81, {"9999999999"});
}

TEST_F(Errors, TokenMismatch) {
  token();
  expect_failure(tool({"renew", "1", "AAAAAAAAAAAAAAAAAAAAAQ"}), 82, {"worker ID 1", "epoch"});
  expect_failure(tool({"release", "1", "AAAAAAAAAAAAAAAAAAAAAQ"}), 82, {"worker ID 1"});
}

TEST_F(Errors, TokenExpired) {
  const std::string owned = tool.json({"get", "--lease", "2s"}).at("token");
  while (tool.count("leased") != 0) {
  }
  expect_failure(tool({"renew", "1", owned}), 83, {"lease ended"});
  expect_failure(tool({"release", "1", owned}), 83, {"lease ended"});
}

TEST_F(Errors, NotAssigned) {
  expect_failure(tool({"renew", "1", "AAAAAAAAAAAAAAAAAAAAAQ"}), 84, {"no cluster of this name"});
  const std::string owned = token();
  expect_failure(tool({"release", "2", owned}), 84, {"never granted"});
}

TEST_F(Errors, InvalidTokenIsNotRepeated) {
  expect_failure(tool({"renew", "1", "secret-but-wrong"}), 85, {"22 characters"});
  EXPECT_EQ(tool({"renew", "1", "secret-but-wrong"}).errors.find("secret"), std::string::npos);
  expect_failure(tool({"renew", "1", "AAAAAAAAAAAAAAAAAAAAA!"}), 85, {"another character"});
}

TEST_F(Errors, ConfigurationMismatchNamesBoth) {
  token();
  expect_failure(tool({"get", "--max", "4"}), 86, {"1 to 3", "1 to 4"});
  expect_failure(tool({"run", "--max", "3", "--lease", "4m", "--", "true"}), 86,
                 {"300000 ms", "240000 ms"});
}

TEST_F(Errors, Unavailable) {
  const Tool nowhere{"redis://127.0.0.1:" + std::to_string(free_port())};
  expect_failure(nowhere({"get", "--wait", "0s"}), 87, {"127.0.0.1"});
  expect_failure(nowhere({"list"}), 87, {"127.0.0.1"});
  expect_failure(nowhere({"run", "--wait", "0s", "--", "true"}), 87, {"127.0.0.1"});
}

TEST_F(Errors, OutcomeUnknown) {
  const RedisServer server;
  const Tool stuck{server.url()};
  const std::string owned = stuck.json({"get"}).at("token");
  // It accepts connections, and the command, but does not answer that.
  server.cli({"CLIENT", "PAUSE", "600000", "WRITE"});
  expect_failure(stuck({"renew", "1", owned}), 88, {"same token"});
}

TEST_F(Errors, DeniedByTheServer) {
  const RedisServer server(
      {"--user", "default", "on", "nopass", "~*", "+@all", "-eval", "-evalsha"});
  expect_failure(Tool{server.url()}({"get", "--wait", "0s"}), 91, {"permission"});
}

TEST_F(Errors, DeniedByTheHolderOfTheIdentityFile) {
  const std::string identity = directory.path() / "identity";
  Process first(Tool::words({"run", "--identity-file", identity, "--", "sh", "-c",
                             "echo ready; exec sleep 1000"}),
                tool.environment());
  ASSERT_TRUE(first.wait_for_output("ready")) << first.errors();
  expect_failure(tool({"run", "--wait", "0s", "--identity-file", identity, "--", "true"}), 91,
                 {identity, "another live process"});
}

TEST_F(Errors, CorruptRecord) {
  std::ofstream{file} << std::string(8192, 'x');
  expect_failure(tool({"list"}), 92, {file.string()});
}

TEST_F(Errors, UnsupportedServer) {
  token();
  std::fstream database{file, std::ios::in | std::ios::out | std::ios::binary};
  constexpr std::streamoff user_version = 60;  // https://www.sqlite.org/fileformat.html
  database.seekp(user_version);
  database.write("\x7f\x7f\x7f\x7f", 4);
  database.close();
  std::filesystem::remove(file.string() + "-wal");
  expect_failure(tool({"list"}), 93, {file.string()});
}

struct BadInput {
  std::vector<std::string> arguments;
  std::string named;  // what the message must contain
};

// Each is refused before anything is touched: exit code 2 and a sentence that names it.
TEST_F(Errors, BadInputIsNamed) {
  const std::vector<BadInput> table{
      {{}, "no command"},
      {{"frobnicate"}, "frobnicate"},
      {{"--frobnicate"}, "--frobnicate"},
      {{"list", "--frobnicate"}, "--frobnicate"},
      {{"list", "surplus"}, "surplus"},
      {{"get", "surplus"}, "surplus"},
      {{"list", "--store"}, "--store"},
      {{"list", "--store", ""}, "--store"},
      {{"list", "--store", "localhost:6379"}, "localhost"},
      {{"list", "--store", "mysql://host"}, "mysql"},
      {{"list", "--store", "leases"}, "./leases"},
      {{"list", "--store", "sqlite:"}, "sqlite:PATH"},
      {{"list", "--store", "redis://host:port"}, "port"},
      {{"list", "--store", "redis://host/x"}, "x"},
      {{"list", "--store", "unix://"}, "unix://"},
      {{"list", "--store", "rediss://host?ca=/nonexistent/ca"}, "/nonexistent/ca"},
      {{"list", "--cluster", ""}, "--cluster"},
      {{"list", "--cluster", "a b"}, "a b"},
      {{"list", "--cluster", std::string(101, 'a')}, "101"},
      {{"list", "--output", "xml"}, "xml"},
      {{"list", "--output", "json", "--output", "text"}, "--output"},
      {{"get", "--min", "one"}, "--min: \"one\""},
      {{"get", "--min", ""}, "--min"},
      {{"get", "--min", "-1"}, "-1"},
      {{"get", "--min", "0x10"}, "0x10"},
      {{"get", "--min", "1.5"}, "1.5"},
      {{"get", "--min", "9", "--max", "8"}, "above max_worker_id"},
      {{"get", "--max", "2147483648"}, "2147483648"},
      {{"get", "--max", "99999999999999999999"}, "99999999999999999999"},
      {{"get", "--worker-bits", "0"}, "worker_bits is 0"},
      {{"get", "--worker-bits", "32"}, "worker_bits is 32"},
      {{"get", "--worker-bits", "99999999999"}, "99999999999"},
      {{"get", "--worker-bits", "4", "--max", "15"}, "--worker-bits"},
      {{"get", "--lease", "5"}, "--lease: \"5\""},
      {{"get", "--lease", "5 m"}, "5 m"},
      {{"get", "--lease", "5y"}, "\"y\""},
      {{"get", "--lease", "1s"}, "1000 ms"},
      {{"get", "--lease", "31d"}, "max_lease_time"},
      {{"get", "--lease", "99999999999999999999s"}, "99999999999999999999"},
      {{"get", "--lease", "9999999999999999d"}, "9999999999999999d"},
      {{"get", "--reuse-delay", "1s"}, "reuse_delay is 1000 ms"},
      {{"get", "--reuse-delay", "-1s"}, "-1s"},
      {{"get", "--cool-down", "31d"}, "cool_down"},
      {{"get", "--wait", "soon"}, "soon"},
      {{"get", "--instance", ""}, "--instance"},
      {{"get", "--instance", "a\tb"}, "control character 9"},
      {{"get", "--instance", std::string(201, 'a')}, "201"},
      {{"get", "--takeover"}, "without an instance"},
      {{"get", "--identity-file", "/tmp/x"}, "--identity-file"},
      {{"run"}, "no command"},
      {{"run", "--"}, "no command"},
      {{"run", "true"}, "true"},
      {{"run", "--grace", "long", "--", "true"}, "long"},
      {{"run", "--identity-file", "", "--", "true"}, "--identity-file"},
      {{"run", "--identity-file", "/nonexistent/identity", "--", "true"}, "/nonexistent/identity"},
      {{"renew"}, "ID"},
      {{"renew", "one", "AAAAAAAAAAAAAAAAAAAAAQ"}, "one"},
      {{"renew", "1"}, "TOKEN"},
      {{"renew", "1", "-"}, "standard input"},
      {{"renew", "1", "AAAAAAAAAAAAAAAAAAAAAQ", "surplus"}, "surplus"},
      {{"release"}, "ID"},
      {{"release", "1"}, "TOKEN"},
      {{"inspect"}, "ID"},
      {{"inspect", "one"}, "one"},
      {{"snowflake", "--count", "0"}, "--count: 0"},
      {{"snowflake", "--count", "1000001"}, "1000000"},
      {{"snowflake", "--layout", "41/10"}, "41/10"},
      {{"snowflake", "--layout", "41/10/13"}, "64"},
      {{"snowflake", "--epoch", "2026-02-30"}, "2026-02-30"},
      {{"snowflake", "--epoch", "soon"}, "soon"},
      {{"snowflake", "--form", "base64"}, "base64"},
      {{"snowflake", "--max", "1024"}, "1023"},
      {{"decode"}, "ID"},
      {{"decode", "one"}, "one"},
      {{"decode", "9223372036854775808"}, "9223372036854775807"},
      {{"decode", "9007199254740992", "--layout", "javascript"}, "9007199254740991"},
      {{"decode", "U", "--form", "base32"}, "U"},
      {{"torture", "surplus"}, "surplus"},
      {{"torture", "--seconds", "0"}, "--seconds"},
      {{"torture", "--seconds", "soon"}, "--seconds"},
      {{"torture", "--processes", "201"}, "--processes"},
      {{"torture", "--ids", "0"}, "--ids"},
      {{"torture", "--seed", "-1"}, "--seed: \"-1\""},
      {{"torture", "--lease", "1s"}, "max_lease_time is 1000 ms"},
      {{"torture", "--faults", ""}, "--faults"},
      {{"torture", "--faults", "kill,quake"}, "\"quake\" is no fault: use all, kill, stop"},
      {{"torture", "--faults", "partition"}, "partition needs a redis:// URL"},
      {{"torture", "--faults", "wipe"}, "wipe needs --server redis"},
      {{"torture", "--faults", "replace"}, "replace needs --server sqlite"},
      {{"torture", "--server", "redis", "--faults", "clock"}, "--step-clock"},
      {{"torture", "--server", "redis", "--faults", "promote"}, "the data replica"},
      {{"torture", "--server", "mysql"}, "mysql"},
      {{"torture", "--server", "redis", "--store", "redis://localhost"}, "--store"},
      {{"torture", "--server", "redis", "--server-data", "some"}, "some"},
      {{"torture", "--server-data", "none"}, "--server redis"},
      {{"torture", "--server", "redis", "--step-clock", "/nonexistent/x.so"}, "/nonexistent/x.so"},
      {{"torture", "--server", "redis", "--step-clock", "/etc/passwd"}, "does not step"},
      {{"torture", "--store", "redis://host.invalid"}, "host.invalid"},
      {{"torture", "--store", "mysql://host"}, "mysql"},
      {{"torture", "--cluster", "a b"}, "a b"},
      {{"completion"}, "SHELL"},
      {{"completion", "zsh"}, "zsh"},
  };
  for (const BadInput& bad : table) {
    std::string line;
    for (const std::string& argument : bad.arguments) line += "'" + argument + "' ";
    SCOPED_TRACE(line);
    expect_failure(tool(bad.arguments), 2, {bad.named});
  }
}

// It would see the leases of others end before their time.
TEST_F(Errors, AFakedBootClockIsRefusedForAFile) {
  const auto with_clock_ahead = [](const char* seconds) {
    return Environment{{"LD_PRELOAD", WORKERID_FAKE_BOOT_CLOCK},
                       {"ASAN_OPTIONS", "verify_asan_link_order=0"},
                       {"FAKE_BOOT_SECONDS", seconds}};
  };
  EXPECT_EQ(tool({"get", "--max", "1"}, with_clock_ahead("0")).status, ExitStatus{});
  for (const char* const seconds : {"3600", "1", "-1"}) {
    expect_failure(tool({"get", "--max", "1"}, with_clock_ahead(seconds)), 93,
                   {"another boot clock", seconds});
  }
  EXPECT_EQ(tool.count("leased"), 1);
}

TEST_F(Errors, BadUsageMayBeJson) {
  const Result failed = tool({"get", "--output", "json", "--max", "many"});
  EXPECT_EQ(failed.status.code, 2);
  EXPECT_EQ(json::parse(failed.errors).at("error"), "usage");
}

TEST_F(Errors, ClosedStandardStreamsAreNoFilesOfOurs) {
  Process closed({"sh", "-c", "exec \"$0\" get --max 3 >&-", WORKERID_TOOL_PATH},
                 tool.environment());
  expect_failure(result_of(closed), 1, {"standard output"});
  Process run(
      {"sh", "-c", "exec \"$0\" run --max 3 -- sh -c 'exit 7' <&- >&- 2>&-", WORKERID_TOOL_PATH},
      tool.environment());
  EXPECT_EQ(run.wait(), (ExitStatus{7, 0}));
}

// get and snowflake: AResultThatCannotBeWrittenIsGivenBack.
TEST_F(Errors, AResultThatCannotBeWrittenIsAFailure) {
  const std::string owned = token();
  for (const std::string& words :
       {std::string{"list"}, std::string{"list --output json"}, std::string{"inspect 1"},
        std::string{"clusters"}, std::string{"resize --max 4"}, std::string{"doctor --seconds 0"},
        std::string{"decode 5"}, std::string{"completion bash"}, std::string{"--version"},
        std::string{"--help"}, std::string{"run --help"}, "renew 1 " + owned,
        "release 1 " + owned}) {
    for (const char* const output : {"> /dev/full", ">&-"}) {
      Process process({"sh", "-c", "exec \"$0\" " + words + " " + output, WORKERID_TOOL_PATH},
                      tool.environment());
      const Result result = result_of(process);
      EXPECT_EQ(result.status, (ExitStatus{1, 0})) << words << output;
      EXPECT_NE(result.errors.find("standard output"), std::string::npos) << result.errors;
    }
  }
}

TEST_F(Errors, AStoreThatMayNotGrowIsUnavailable) {
  Process process({"sh", "-c", "ulimit -f 8; exec \"$0\" get --wait 0s", WORKERID_TOOL_PATH},
                  tool.environment());
  expect_failure(result_of(process), 87, {"unavailable"});
}

TEST_F(Errors, PasswordsAreNotRepeated) {
  const std::string url = "redis://user:hunter2@127.0.0.1:" + std::to_string(free_port());
  for (const std::string& store : {url, url + "/x", "redsi" + url.substr(5)}) {
    const Result failed = Tool{store}({"list"});
    EXPECT_NE(failed.status.code, 0);
    EXPECT_EQ(failed.errors.find("hunter2"), std::string::npos) << failed.errors;
  }
}

}  // namespace
}  // namespace workerid::tests
