// SPDX-License-Identifier: MIT
//
// workerid bench: every figure that is asked for is there, and nothing is left behind.
#include "cli/tool.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using Words = std::vector<std::string>;

// A bench of a few operations, and more options.
Words bench(const std::string& store, Words more = {}) {
  Words words{"bench", "--store",       store, "--pool", "8",   "--pool",   "32", "--fill",
              "0",     "--fill",        "50",  "--fill", "100", "--rounds", "2",  "--operations",
              "16",    "--connections", "2",   "--herd", "8",   "--crowd",  "8",  "--seconds",
              "600"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

nlohmann::json result_of_bench(const std::string& store) {
  const Result result = Tool{"unused"}(bench(store, {"--output", "json"}));
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  EXPECT_EQ(result.errors, "");
  return nlohmann::json::parse(result.output);
}

// Two rounds of eight processes, each with a worker ID of its own.
void expect_a_good_herd(const nlohmann::json& herd) {
  EXPECT_EQ(herd.at("processes"), 8);
  EXPECT_EQ(herd.at("rounds"), 2);
  EXPECT_EQ(herd.at("granted"), 16);
  EXPECT_EQ(herd.at("duplicates"), 0);
  EXPECT_EQ(herd.at("failed"), nlohmann::json::object());
  EXPECT_TRUE(herd.at("first_failure").is_null());
  EXPECT_EQ(herd.at("latency_us").at("samples"), 16);
  for (const char* const figure : {"seconds", "floor_seconds", "ratio"}) {
    EXPECT_GT(herd.at(figure).at("min"), 0) << figure;
    EXPECT_LE(herd.at(figure).at("median"), herd.at(figure).at("max")) << figure;
  }
}

// Every figure of every combination that was asked for: those of the floor and of a server where there
// is one.
void expect_every_figure(const nlohmann::json& found, bool has_floor, bool has_server) {
  for (const char* const fact : {"kind", "store", "library", "processor", "processors", "time"}) {
    EXPECT_TRUE(found.at("environment").contains(fact)) << fact;
  }
  EXPECT_EQ(found.at("left_out"), nlohmann::json::array());
  EXPECT_EQ(found.at("herd").is_object(), has_floor);
  if (has_floor) expect_a_good_herd(found.at("herd"));
  EXPECT_EQ(found.at("crowd").at("connections"), 8);
  EXPECT_EQ(found.at("crowd").at("granted"), 8);
  EXPECT_EQ(found.at("crowd").at("duplicates"), 0);
  EXPECT_EQ(found.at("crowd").at("failed"), nlohmann::json::object());
  EXPECT_EQ(found.at("crowd").at("latency_us").at("samples"), 8);
  EXPECT_EQ(found.at("many_leases").at("leases"), 8);
  ASSERT_EQ(found.at("pools").size(), 2U);
  for (const auto& pool : found.at("pools")) {
    EXPECT_GT(pool.at("first_use").at("latency_us").at("median"), 0);
    EXPECT_EQ(pool.at("bytes_per_lease").is_number(), has_server);
    EXPECT_TRUE(pool.at("fill_seconds").is_number());
  }
  Words combinations;
  for (const auto& result : found.at("results")) {
    combinations.push_back(result.at("pool").dump() + "/" + result.at("fill").dump());
    EXPECT_EQ(result.at("rounds"), 2);
    EXPECT_EQ(result.at("acquire_outcome"), result.at("fill") == 100 ? "refused" : "granted");
    for (const char* const operation : {"acquire", "renew", "release"}) {
      const auto& figures = result.at(operation);
      EXPECT_GE(figures.at("latency_us").at("samples"), 16) << operation;
      EXPECT_LE(figures.at("latency_us").at("p50"), figures.at("latency_us").at("p999"));
      EXPECT_GT(figures.at("throughput_per_s").at("median"), 0) << operation;
      EXPECT_EQ(figures.at("server_cpu_us").is_object(), has_server) << operation;
      EXPECT_EQ(figures.at("server_cpu_ratio").is_object(), has_server) << operation;
      EXPECT_EQ(figures.at("latency_ratio").is_object(), has_floor) << operation;
      EXPECT_EQ(figures.at("throughput_ratio").is_object(), has_floor) << operation;
    }
    EXPECT_EQ(result.at("floor").at("latency_us").is_object(), has_floor);
  }
  EXPECT_EQ(combinations, (Words{"8/0", "8/50", "8/100", "32/0", "32/50", "32/100"}));
}

std::vector<std::string> files_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

TEST(Bench, MeasuresRedisAndLeavesNoKey) {
  const RedisServer server;
  expect_every_figure(result_of_bench(server.url()), true, true);
  EXPECT_EQ(server.cli({"DBSIZE"}), "0");
}

TEST(Bench, MeasuresRedisOverALocalSocketWithAPassword) {
  const RedisServer server({"--requirepass", "hunter2"});
  const std::string url = "unix://:hunter2@" + server.socket().string() + "?db=3";
  const nlohmann::json found = result_of_bench(url);
  EXPECT_EQ(found.dump().find("hunter2"), std::string::npos);
  expect_every_figure(found, true, true);
}

TEST(Bench, LeavesTheOtherKeysAlone) {
  const RedisServer server;
  const Tool shop{server.url(), "shop"};
  ASSERT_EQ(shop({"get", "--fresh"}).status, (ExitStatus{}));
  const std::string before = server.cli({"DBSIZE"});
  result_of_bench(server.url());
  EXPECT_EQ(server.cli({"DBSIZE"}), before);
}

TEST(Bench, MeasuresSqliteAndLeavesNoFile) {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "leases.db").string();
  expect_every_figure(result_of_bench(file), true, false);
  EXPECT_EQ(files_in(directory.path()), Words{});
}

TEST(Bench, MeasuresMemory) {
  expect_every_figure(result_of_bench("memory:"), false, false);
}

TEST(Bench, PrintsATableForPeople) {
  const TemporaryDirectory directory;
  const Result result = Tool{"unused"}(bench((directory.path() / "leases.db").string()));
  EXPECT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  for (const char* const words :
       {"\nherd: 8 processes, ", " times the floor, rounds: 2, 16 granted, 0 duplicates\n",
        "\ncrowd: 8 connections of one process ", " s, 8 granted, 0 duplicates\n",
        "\none process with 8 leases", "\nPOOL  FILL", "\n8     0 %    acquire",
        "\n32    100 %  refused", "\n32    50 %   release"}) {
    EXPECT_NE(result.output.find(words), std::string::npos) << words << "\n" << result.output;
  }
}

TEST(Bench, SaysWhatItLeavesOut) {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "leases.db").string();
  const nlohmann::json found = Tool{file}.json({"bench", "--pool", "1048576", "--fill", "100",
                                                "--seconds", "1", "--herd", "0", "--crowd", "0"});
  EXPECT_EQ(found.at("left_out"),
            nlohmann::json::array({"pool 1048576, 100 %: the time was over (--seconds)"}));
  EXPECT_EQ(found.at("results"), nlohmann::json::array());
  EXPECT_TRUE(found.at("herd").is_null());
  EXPECT_TRUE(found.at("crowd").is_null());
  EXPECT_EQ(files_in(directory.path()), Words{});
}

TEST(Bench, RefusesWhatCannotBe) {
  const std::vector<std::pair<Words, std::string>> refused{
      {{"--pool", "0"}, "--pool: 0 is not from 1 to 1048576"},
      {{"--pool", "1048577"}, "--pool: 1048577 is not from 1 to 1048576"},
      {{"--pool", "many"}, "--pool: \"many\" is not a whole number"},
      {{"--fill", "101"}, "--fill: 101 is not from 0 to 100"},
      {{"--rounds", "0"}, "--rounds"},
      {{"--operations", "0"}, "--operations"},
      {{"--connections", "0"}, "--connections"},
      {{"--herd", "-1"}, "--herd"},
      {{"--crowd", "20001"}, "--crowd"},
      {{"--seconds", "0"}, "--seconds"},
      {{"--cluster", "shop"}, "--cluster"},
      {{"--store", "/nowhere/at/all/leases.db"}, "/nowhere/at/all is no directory"},
      {{"--store", "redis+cluster://db"}, "one server is needed"},
      {{"--store", "mysql://db"}, "is no known kind of store"}};
  for (const auto& [options, text] : refused) {
    Words words{"bench"};
    words.insert(words.end(), options.begin(), options.end());
    const Result result = Tool{"memory:"}(words);
    EXPECT_EQ(result.status, (ExitStatus{2, 0})) << text;
    EXPECT_NE(result.errors.find(text), std::string::npos) << result.errors;
    EXPECT_EQ(result.output, "") << text;
  }
  const Result result = Tool{""}({"bench"});
  EXPECT_EQ(result.status, (ExitStatus{2, 0}));
  EXPECT_NE(result.errors.find("--store is missing"), std::string::npos) << result.errors;
}

TEST(Bench, AServerThatIsNotThereIsUnavailable) {
  const Result result =
      Tool{"redis://127.0.0.1:" + std::to_string(free_port())}({"bench", "--pool", "8"});
  EXPECT_EQ(result.status, (ExitStatus{87, 0})) << result.errors;
}

// Interrupts a bench that has begun to write, which `has_begun` sees.
template <typename Condition>
void interrupt(const std::string& store, Condition has_begun) {
  Process process(Tool::words({"bench", "--store", store, "--seconds", "1000", "--rounds", "1000",
                               "--herd", "0", "--crowd", "0", "--output", "json"}));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!has_begun()) ASSERT_LT(std::chrono::steady_clock::now(), end) << process.errors();
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), (ExitStatus{128 + SIGINT, 0})) << process.errors();
  const std::string left_out = nlohmann::json::parse(process.output()).at("left_out").dump();
  EXPECT_NE(left_out.find("it was interrupted"), std::string::npos) << left_out;
}

TEST(Bench, AnInterruptedOneLeavesNoKey) {
  const RedisServer server;
  interrupt(server.url(), [&] { return server.cli({"DBSIZE"}) != "0"; });
  EXPECT_EQ(server.cli({"DBSIZE"}), "0");
}

TEST(Bench, AnInterruptedOneLeavesNoFile) {
  const TemporaryDirectory directory;
  interrupt((directory.path() / "leases.db").string(),
            [&] { return !files_in(directory.path()).empty(); });
  EXPECT_EQ(files_in(directory.path()), Words{});
}

TEST(Bench, SaysWhatToRaiseForSoManyConnections) {
  const RedisServer server({"--maxclients", "50"});
  const Words words{"bench", "--store",  server.url(), "--pool",       "8",   "--fill",
                    "0",     "--herd",   "100",        "--crowd",      "100", "--rounds",
                    "1",     "--output", "json",       "--operations", "1",   "--connections",
                    "1"};
  const Result result = Tool{"unused"}(words);
  ASSERT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  const nlohmann::json found = nlohmann::json::parse(result.output);
  ASSERT_EQ(found.at("left_out").size(), 2U) << found.at("left_out");
  for (const auto& [index, what] : {std::pair{0, "herd: "}, {1, "crowd: "}}) {
    const auto line = found.at("left_out").at(static_cast<std::size_t>(index)).get<std::string>();
    EXPECT_EQ(line.find(what), 0U) << line;
    EXPECT_NE(line.find("it needs 100 connections"), std::string::npos) << line;
    EXPECT_NE(line.find("raise its maxclients"), std::string::npos) << line;
  }
  EXPECT_TRUE(found.at("herd").is_null());
  EXPECT_TRUE(found.at("crowd").is_null());
  EXPECT_EQ(found.at("results").size(), 1U);
  EXPECT_EQ(server.cli({"DBSIZE"}), "0");
}

TEST(Bench, SaysWhatToRaiseForSoManyFiles) {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "leases.db").string();
  Process process({"sh",
                   "-c",
                   "ulimit -n 200; exec \"$@\"",
                   "sh",
                   WORKERID_TOOL_PATH,
                   "bench",
                   "--store",
                   file,
                   "--pool",
                   "8",
                   "--fill",
                   "0",
                   "--herd",
                   "0",
                   "--crowd",
                   "1000",
                   "--rounds",
                   "1",
                   "--operations",
                   "1",
                   "--connections",
                   "1"});
  const Result result = result_of(process);
  ASSERT_EQ(result.status, (ExitStatus{0, 0})) << result.errors;
  EXPECT_NE(result.output.find("left out: crowd: it needs 3064 open files, and this process may "
                               "have 200; raise it (ulimit -n)\n"),
            std::string::npos)
      << result.output;
}

// The processes that `parent` has started and that are there.
std::vector<pid_t> children_of(pid_t parent) {
  const std::string name = std::to_string(parent);
  std::istringstream pids{read_file("/proc/" + name + "/task/" + name + "/children")};
  return {std::istream_iterator<pid_t>{pids}, {}};
}

// What has ended but was not waited for counts as gone: that is for whoever adopted it.
bool is_gone(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.at(name_end + 2) == 'Z';
}

// A bench whose herd has begun, and one of it.
class BenchOfAHerd : public ::testing::Test {
 protected:
  BenchOfAHerd() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (herd.size() < 2 && std::chrono::steady_clock::now() < end) {
      herd = children_of(bench.pid());
    }
  }

  const RedisServer server;
  Process bench{Tool::words({"bench", "--store", server.url(), "--herd", "100", "--rounds", "1000",
                             "--seconds", "1000", "--output", "json"})};
  std::vector<pid_t> herd;
};

TEST_F(BenchOfAHerd, LeavesNobodyWhenItIsInterrupted) {
  ASSERT_GE(herd.size(), 2U) << bench.errors();
  bench.signal(SIGINT);
  EXPECT_EQ(bench.wait(), (ExitStatus{128 + SIGINT, 0})) << bench.errors();
  for (const pid_t pid : herd) EXPECT_TRUE(is_gone(pid)) << pid;
  const auto left_out = nlohmann::json::parse(bench.output()).at("left_out");
  EXPECT_NE(left_out.dump().find("it was interrupted"), std::string::npos) << left_out;
  EXPECT_EQ(server.cli({"DBSIZE"}), "0");
}

TEST_F(BenchOfAHerd, LeavesNobodyWhenItIsKilled) {
  ASSERT_GE(herd.size(), 2U) << bench.errors();
  bench.signal(SIGKILL);
  EXPECT_EQ(bench.wait(), (ExitStatus{0, SIGKILL}));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  for (const pid_t pid : herd) {
    while (!is_gone(pid) && std::chrono::steady_clock::now() < end) {
    }
    EXPECT_TRUE(is_gone(pid)) << pid;
  }
}

}  // namespace
}  // namespace workerid::tests
