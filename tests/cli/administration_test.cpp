// SPDX-License-Identifier: MIT
//
// clusters, resize and evict, on each kind of store.
#include "cli/terminal.hpp"
#include "cli/tool.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using nlohmann::json;

class Administration : public ::testing::TestWithParam<std::string> {
 protected:
  Administration() {
    if (GetParam() == "redis") server = std::make_unique<RedisServer>();
  }

  std::string url() const {
    return server ? server->url() : "sqlite:" + (directory.path() / "leases.db").string();
  }

  TemporaryDirectory directory;
  std::unique_ptr<RedisServer> server;
  Tool tool{url()};
};

TEST_P(Administration, ClustersShowsRangesAndCounts) {
  EXPECT_EQ(tool({"clusters"}).output, "no cluster was used\n");
  EXPECT_EQ(tool.json({"clusters"}), (json{{"clusters", json::array()}}));
  ASSERT_EQ(tool({"get", "--max", "4"}).status, success);
  ASSERT_EQ(tool({"get", "--max", "4"}).status, success);
  ASSERT_EQ(tool({"get", "--cluster", "a/b", "--lease", "30s"}).status, success);

  const Result shown = tool({"clusters"});
  EXPECT_EQ(shown.status, success) << shown.errors;
  EXPECT_EQ(shown.output,
            "CLUSTER  WORKER IDS  LEASED  KEPT  FREE  LEASE  HOLDING BACK\n"
            "a/b      1 to 1000   1       0     999   30s    -\n"
            "test     1 to 4      2       0     2     5m     -\n");
  const json clusters = tool.json({"clusters"}).at("clusters");
  ASSERT_EQ(clusters.size(), 2U);
  EXPECT_EQ(clusters.at(1).at("cluster"), "test");
  EXPECT_EQ(clusters.at(1).at("configuration").at("max_worker_id"), 4);
  EXPECT_EQ(clusters.at(1).at("counts").at("leased"), 2);
  EXPECT_EQ(clusters.at(1).at("counts").at("never_granted"), 2);
}

TEST_P(Administration, GrowingNeedsNoQuestion) {
  const std::string token = tool.json({"get", "--max", "1"}).at("token");
  EXPECT_EQ(tool({"get", "--max", "2"}).status.code, 86);
  EXPECT_EQ(tool({"resize", "--max", "2"}).output,
            "resized cluster \"test\" from 1 to 1 to 1 to 2\n");
  EXPECT_EQ(tool.json({"get", "--max", "2"}).at("worker_id"), 2);
  EXPECT_EQ(tool({"get", "--max", "1"}).status.code, 86);
  EXPECT_EQ(tool({"renew", "1", token}).status, success);
  const json resized = tool.json({"resize", "--max", "3", "--min", "0"});
  EXPECT_EQ(resized.at("configuration").at("min_worker_id"), 0);
  EXPECT_EQ(resized.at("configuration").at("lease_ms"), 300'000);
  EXPECT_EQ(resized.at("former_max_worker_id"), 2);
  EXPECT_TRUE(resized.at("held_outside").empty());
}

TEST_P(Administration, ShrinkingLeavesHoldersAlone) {
  tool.json({"get", "--max", "3"});
  const std::string token = tool.json({"get", "--max", "3"}).at("token");
  const json resized = tool.json({"resize", "--max", "1", "--yes"});
  EXPECT_EQ(resized.at("held_outside"), json::array({2}));
  EXPECT_EQ(tool({"renew", "2", token}).status, success);
  EXPECT_EQ(tool.json({"inspect", "2"}).at("state"), "leased");
  EXPECT_EQ(tool({"get", "--max", "1", "--wait", "0s"}).status.code, 80);
  EXPECT_EQ(tool({"evict", "2", "--yes"}).status, success);
  EXPECT_EQ(tool({"renew", "2", token}).status.code, 84);
}

TEST_P(Administration, WhatCanHurtNeedsAnAnswer) {
  const std::string token = tool.json({"get", "--max", "3"}).at("token");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"evict", "1"}, {"resize", "--max", "2"}}) {
    const Result refused = tool(command);  // no terminal
    EXPECT_EQ(refused.status.code, 2);
    EXPECT_NE(refused.errors.find("--yes"), std::string::npos) << refused.errors;
  }
  EXPECT_EQ(tool({"renew", "1", token}).status, success);
  EXPECT_EQ(tool.json({"list"}).at("configuration").at("max_worker_id"), 3);
}

TEST_P(Administration, ATerminalIsAsked) {
  const std::string token = tool.json({"get", "--max", "3", "--instance", "blue"}).at("token");
  const auto answered = [&](const std::vector<std::string>& command, const std::string& question,
                            char answer) {
    Terminal terminal(Tool::words(command), tool.environment());
    EXPECT_TRUE(terminal.shows(question + " [y/N] ")) << terminal.shown();
    terminal.type(answer);
    terminal.type('\n');
    const bool yes = answer == 'y';
    EXPECT_TRUE(terminal.shows(yes ? "ed " : "nothing was changed")) << terminal.shown();
    EXPECT_EQ(terminal.wait(), yes ? 0 : 1) << terminal.shown();
  };
  answered({"evict", "1"}, "End this lease?", 'n');
  answered({"resize", "--max", "2"}, "Shrink it?", 'n');
  EXPECT_EQ(tool({"renew", "1", token}).status, success);
  EXPECT_EQ(tool.json({"list"}).at("configuration").at("max_worker_id"), 3);
  answered({"evict", "1"}, "End this lease?", 'y');
  answered({"resize", "--max", "2"}, "Shrink it?", 'y');
  EXPECT_EQ(tool({"renew", "1", token}).status.code, 84);
  EXPECT_EQ(tool.json({"list"}).at("configuration").at("max_worker_id"), 2);
}

TEST_P(Administration, EvictEndsTheLeaseAndFreesTheIdNoSooner) {
  const json got = tool.json({"get", "--max", "1"});
  const std::string token = got.at("token");
  const json evicted = tool.json({"evict", "1", "--yes"});
  EXPECT_EQ(evicted.at("epoch"), got.at("epoch"));
  EXPECT_GT(evicted.at("free_in_ms"), 300'000);
  EXPECT_LE(evicted.at("free_in_ms"), 450'000);
  EXPECT_EQ(tool.json({"inspect", "1"}).at("state"), "cooling_down");
  EXPECT_EQ(tool({"renew", "1", token}).status.code, 84);
  EXPECT_EQ(tool({"get", "--max", "1", "--wait", "0s"}).status.code, 80);
  EXPECT_EQ(tool({"evict", "1"}).status, success) << "it is over, there is nothing to ask";
}

TEST_P(Administration, WhoIsNotThereIsNotEvicted) {
  EXPECT_EQ(tool({"evict", "1", "--yes"}).status.code, 84);
  EXPECT_EQ(tool({"resize", "--max", "5"}).status.code, 2);
  tool.json({"get", "--max", "2"});
  EXPECT_EQ(tool({"evict", "2", "--yes"}).status.code, 84);
  EXPECT_EQ(tool({"evict", "3", "--yes"}).status.code, 81);
  EXPECT_EQ(tool({"evict", "x", "--yes"}).status.code, 2);
  EXPECT_EQ(tool({"resize"}).status.code, 2);
  EXPECT_EQ(tool({"resize", "--max", "0", "--yes"}).status.code, 2);
}

INSTANTIATE_TEST_SUITE_P(Stores, Administration, ::testing::Values("sqlite", "redis"),
                         [](const auto& place) { return place.param; });

// One that is damaged does not hide the others.
TEST(AdministrationOfDamage, IsToldBesideWhatIsGood) {
  const RedisServer server;
  const Tool tool{server.url()};
  ASSERT_EQ(tool({"get", "--max", "3", "--fresh"}).status, success);
  ASSERT_EQ(server.cli({"HSET", "{workerid:bad}:cluster", "", "short"}), "1");
  const Result shown = tool({"clusters"});
  EXPECT_EQ(shown.status.code, 92);
  EXPECT_NE(shown.output.find("test     1 to 3"), std::string::npos) << shown.output;
  EXPECT_NE(shown.errors.find("bad"), std::string::npos) << shown.errors;
}

}  // namespace
}  // namespace workerid::tests
