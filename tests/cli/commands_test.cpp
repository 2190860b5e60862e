// SPDX-License-Identifier: MIT
//
// get, renew, release, list and inspect, on each store.
#include "cli/tool.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/token.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>
#include <unistd.h>

namespace workerid::tests {
namespace {

using nlohmann::json;

// A place for a store, and what has to run for it.
class StorePlace {
 public:
  explicit StorePlace(const std::string& kind) {
    if (kind == "sqlite") {
      url_ = "sqlite:" + (directory_.path() / "leases.db").string();
    } else {
      server_ = std::make_unique<RedisServer>();
      url_ = kind == "redis" ? server_->url() : server_->socket_url();
    }
  }

  const std::string& url() const noexcept { return url_; }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<RedisServer> server_;
  std::string url_;
};

class Commands : public ::testing::TestWithParam<std::string> {
 protected:
  StorePlace place{GetParam()};
  Tool tool{place.url()};
};

TEST_P(Commands, GetPrintsTheIdAndItsToken) {
  const Result got = tool({"get", "--max", "3"});
  EXPECT_EQ(got.status, success) << got.errors;
  std::istringstream line{got.output};
  int worker_id = 0;
  std::string token;
  line >> worker_id >> token;
  EXPECT_EQ(worker_id, 1);
  EXPECT_NO_THROW(Token::parse(token)) << got.output;
  EXPECT_EQ(got.output, "1 " + token + "\n");
  EXPECT_EQ(got.errors, "");
}

TEST_P(Commands, GetPrintsJson) {
  const json got = tool.json({"get", "--min", "5", "--max", "6", "--lease", "30s"});
  EXPECT_EQ(got.at("cluster"), "test");
  EXPECT_EQ(got.at("worker_id"), 5);
  EXPECT_EQ(got.at("lease_ms"), 30'000);
  EXPECT_GT(got.at("epoch").get<std::uint64_t>(), 0U);
  EXPECT_NO_THROW(Token::parse(got.at("token").get<std::string>()));
  EXPECT_EQ(tool.json({"inspect", "5"}).at("epoch"), got.at("epoch"));
}

TEST_P(Commands, GetGivesDistinctIdsOfAWidthInBits) {
  EXPECT_EQ(tool.json({"get", "--worker-bits", "1"}).at("worker_id"), 0);
  EXPECT_EQ(tool.json({"get", "--worker-bits", "1"}).at("worker_id"), 1);
  EXPECT_EQ(tool({"get", "--worker-bits", "1"}).status.code, 80);
}

TEST_P(Commands, RenewExtendsWhateverTheConfigurationIs) {
  const json got = tool.json({"get", "--max", "3", "--lease", "90s", "--reuse-delay", "2m"});
  const std::string token = got.at("token");
  const Result renewed = tool({"renew", "1", token});
  EXPECT_EQ(renewed.output, "renewed 1 for 1m30s\n");
  EXPECT_EQ(renewed.status, success) << renewed.errors;
  const json again = tool.json({"renew", "1", token});
  EXPECT_EQ(again.at("lease_ms"), 90'000);
  EXPECT_EQ(again.at("epoch"), got.at("epoch"));
}

TEST_P(Commands, ReleaseGivesBackAndMayBeRepeated) {
  const std::string token = tool.json({"get", "--max", "3"}).at("token");
  EXPECT_EQ(tool({"release", "1", token}).output, "released 1\n");
  EXPECT_EQ(tool.count("leased"), 0);
  EXPECT_EQ(tool.json({"release", "1", token}).at("worker_id"), 1);
  EXPECT_EQ(tool({"renew", "1", token}).status.code, 84);
}

TEST_P(Commands, TheTokenComesFromTheEnvironmentOrFromStandardInput) {
  const std::string token = tool.json({"get", "--max", "3"}).at("token");
  EXPECT_EQ(tool({"renew", "1"}, {{"WORKERID_TOKEN", token}}).status, success);
  Environment environment = tool.environment();
  environment.emplace_back("TOKEN", token);
  Process piped({"sh", "-c", "printf '%s\\n' \"$TOKEN\" | \"$0\" renew 1 -", WORKERID_TOOL_PATH},
                environment);
  const Result renewed = result_of(piped);
  EXPECT_EQ(renewed.status, success) << renewed.errors;
}

TEST_P(Commands, ListShowsHoldersAndCountsButNoToken) {
  const std::string first = tool.json({"get", "--max", "5", "--instance", "blue"}).at("token");
  const std::string second = tool.json({"get", "--max", "5"}).at("token");
  ASSERT_EQ(tool({"release", "2", second}).status, success);

  const Result listed = tool({"list"});
  EXPECT_EQ(listed.status, success) << listed.errors;
  EXPECT_EQ(listed.output.find("ID  STATE"), 0U) << listed.output;
  for (const std::string expected : {"blue", "leased", " 4m", "1 leased", "worker IDs 1 to 5"}) {
    EXPECT_NE(listed.output.find(expected), std::string::npos) << expected << "\n" << listed.output;
  }
  EXPECT_EQ(listed.output.find(first), std::string::npos);

  const json view = tool.json({"list", "--all"});
  EXPECT_EQ(view.at("configuration").at("max_worker_id"), 5);
  EXPECT_EQ(view.at("configuration").at("lease_ms"), 300'000);
  EXPECT_EQ(view.at("counts").at("leased"), 1);
  EXPECT_EQ(view.at("counts").at("never_granted"), 3);
  ASSERT_EQ(view.at("leases").size(), 2U);
  EXPECT_EQ(view.at("leases").at(0).at("instance"), "blue");
  EXPECT_NE(view.at("leases").at(0).at("owner"), "");
  EXPECT_EQ(view.dump().find(first), std::string::npos);
}

TEST_P(Commands, ListSaysThatAClusterWasNeverUsed) {
  const Result listed = tool({"list"});
  EXPECT_EQ(listed.status, success) << listed.errors;
  const bool sees_all = GetParam() != "sqlite" || in_first_pid_namespace();
  const std::string level = sees_all ? "exact" : "conditional";
  EXPECT_EQ(listed.output.find("cluster \"test\" was never used\nguarantee: exclusivity " + level +
                               ", timestamps conditional"),
            0U)
      << listed.output;
  const json view = tool.json({"list"});
  EXPECT_EQ(view.at("guarantee").at("exclusivity"), level);
  EXPECT_FALSE(view.at("guarantee").at("reasons").empty());
  EXPECT_TRUE(view.at("configuration").is_null());
  EXPECT_TRUE(view.at("leases").empty());
}

TEST_P(Commands, ListLeavesOutWhatIsFreeAgainUnlessAsked) {
  const std::string token = tool.json({"get", "--max", "5", "--cool-down", "0s"}).at("token");
  ASSERT_EQ(tool({"release", "1", token}).status, success);
  EXPECT_TRUE(tool.json({"list"}).at("leases").empty());
  EXPECT_EQ(tool.json({"list", "--all"}).at("leases").at(0).at("state"), "free");
}

TEST_P(Commands, InspectShowsOneId) {
  tool.json({"get", "--max", "5", "--instance", "blue"});
  const json held = tool.json({"inspect", "1"});
  EXPECT_EQ(held.at("state"), "leased");
  EXPECT_EQ(held.at("instance"), "blue");
  EXPECT_GT(held.at("lease_left_ms"), 200'000);
  EXPECT_GT(held.at("free_in_ms"), held.at("lease_left_ms"));
  EXPECT_GE(held.at("reserved_last_ms"), held.at("reserved_first_ms"));
  const std::string text = tool({"inspect", "1"}).output;
  EXPECT_NE(text.find("instance    blue"), std::string::npos) << text;

  EXPECT_EQ(tool.json({"inspect", "2"}).at("state"), "never_granted");
  EXPECT_EQ(tool({"inspect", "6"}).status.code, 81);
}

// A full disk, a reader that has gone, a closed stream, a file that may not grow.
TEST_P(Commands, AResultThatCannotBeWrittenIsGivenBack) {
  const TemporaryDirectory directory;
  const std::string large = directory.path() / "large";
  std::ofstream(large) << std::string(4 << 20, '.');
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ::close(pipe[0]);
  int clusters = 0;
  for (const std::string& output : {std::string{"> /dev/full"}, ">&" + std::to_string(pipe[1]),
                                    std::string{">&-"}, ">> " + large}) {
    for (const char* const words :
         {"get", "get --output json", "snowflake", "snowflake --output json --count 10000"}) {
      const Tool own{place.url(), std::to_string(++clusters)};
      Process full({"bash", "-c",  // in KiB
                    "ulimit -f 4096; exec \"$0\" " + std::string{words} + " --max 9 " + output,
                    WORKERID_TOOL_PATH},
                   own.environment());
      const Result got = result_of(full);
      EXPECT_EQ(got.status, (ExitStatus{1, 0})) << words << " " << output;
      EXPECT_NE(got.errors.find("standard output"), std::string::npos) << got.errors;
      EXPECT_EQ(own.count("leased"), 0) << words << " " << output;
    }
  }
  ::close(pipe[1]);
}

TEST_P(Commands, SnowflakeGeneratesIdsInIncreasingOrder) {
  const json first = tool.json({"snowflake", "--count", "10000", "--cool-down", "0s"});
  const json second = tool.json({"snowflake", "--cool-down", "0s", "--form", "base32"});
  EXPECT_EQ(first.at("cluster"), "test");
  EXPECT_EQ(first.at("worker_id"), 1);
  EXPECT_EQ(first.at("ids").size(), 10'000U);
  std::int64_t before = 0;
  for (const json& id : first.at("ids")) {
    const std::int64_t number = std::stoll(id.get<std::string>());
    ASSERT_GT(number, before);
    before = number;
  }
  EXPECT_EQ(second.at("ids").at(0).get<std::string>().size(), 13U);
  const Result text = tool({"snowflake", "--count", "2", "--cool-down", "0s"});
  EXPECT_EQ(text.status, success) << text.errors;
  EXPECT_EQ(std::count(text.output.begin(), text.output.end(), '\n'), 2);
  EXPECT_EQ(text.errors, "");
  EXPECT_EQ(tool.json({"list"}).at("leases").size(), 0U);
}

TEST_P(Commands, SnowflakeWarnsOfALayoutThatRunsOut) {
  const std::chrono::year_month_day today{
      std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now())};
  const std::string epoch = std::to_string(static_cast<int>(today.year())) + "-" +
                            std::to_string(static_cast<unsigned>(today.month())) + "-" +
                            std::to_string(static_cast<unsigned>(today.day()));
  // 34 bits of milliseconds are 198 days, 36 are 795.
  const Result soon = tool({"snowflake", "--layout", "34/10/12", "--epoch", epoch});
  EXPECT_EQ(soon.status, success) << soon.errors;
  EXPECT_NE(soon.errors.find("the layout has no timestamps from"), std::string::npos);
  const Result late = tool({"snowflake", "--layout", "36/10/12", "--epoch", epoch});
  EXPECT_EQ(late.status, success) << late.errors;
  EXPECT_EQ(late.errors, "");
}

TEST_P(Commands, DecodeShowsWhatAnIdConsistsOf) {
  const json parts = tool.json({"decode", "1541815603606036480", "--layout", "twitter"});
  EXPECT_EQ(parts.at("time"), "2022-06-28T16:07:40.105Z");
  EXPECT_EQ(parts.at("time_ms"), 1'656'432'460'105);
  EXPECT_EQ(parts.at("worker_id"), 378);
  EXPECT_EQ(parts.at("sequence"), 0);
  const std::string base62 = parts.at("base62").get<std::string>();
  const Result text = tool({"decode", base62, "--form", "base62", "--layout", "twitter"});
  EXPECT_EQ(text.status, success) << text.errors;
  EXPECT_NE(text.output.find("1541815603606036480"), std::string::npos) << text.output;
}

INSTANTIATE_TEST_SUITE_P(Stores, Commands, ::testing::Values("sqlite", "redis", "socket"),
                         [](const auto& place) { return place.param; });

// A token may begin with '-'; it is never taken for an option.
TEST(Tokens, ThatLookLikeOptionsAreTokens) {
  const TemporaryDirectory directory;
  const Tool tool{"sqlite:" + (directory.path() / "leases.db").string()};
  ASSERT_EQ(tool({"get"}).status, success);
  for (const std::string token : {"-AAAAAAAAAAAAAAAAAAAAA", "--AAAAAAAAAAAAAAAAAAAA"}) {
    ASSERT_NO_THROW(Token::parse(token));
    EXPECT_EQ(tool({"renew", "1", token, "--output", "json"}).status.code, 82);
    EXPECT_EQ(tool({"release", "--output", "json", "1", token}).status.code, 82);
  }
}

}  // namespace
}  // namespace workerid::tests
