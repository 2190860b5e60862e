// SPDX-License-Identifier: MIT
//
// As many processes at once as there are worker IDs, and one more.
#include "cli/tool.hpp"
#include "support/redis_server.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

TEST(RunCrowd, EveryProcessHoldsAnIdOfItsOwnAndOneMoreFails) {
  constexpr int crowd = WORKERID_CROWD;
  const RedisServer server;
  const Tool tool{server.url()};
  const std::string max = std::to_string(crowd);

  std::vector<std::unique_ptr<Process>> processes;
  for (int index = 0; index < crowd; ++index) {
    processes.push_back(std::make_unique<Process>(
        Tool::words({"run", "--max", max, "--lease", "30m", "--wait", "5m", "--", "sh", "-c",
                     "echo $WORKER_ID; exec sleep 1000"}),
        tool.environment()));
  }
  std::set<std::string> worker_ids;
  for (const auto& process : processes) {
    ASSERT_TRUE(process->wait_for_output("\n", std::chrono::minutes{3})) << process->errors();
    worker_ids.insert(process->output());
  }
  EXPECT_EQ(worker_ids.size(), static_cast<std::size_t>(crowd));

  // Waiting is of no use: no lease ends before.
  const Result one_more =
      tool({"run", "--max", max, "--lease", "30m", "--wait", "10m", "--", "true"});
  EXPECT_EQ(one_more.status, (ExitStatus{80, 0})) << one_more.errors;
  EXPECT_NE(one_more.errors.find("may come free in "), std::string::npos) << one_more.errors;

  EXPECT_EQ(tool.count("leased"), crowd);
  EXPECT_EQ(tool.json({"list"}).at("leases").size(), static_cast<std::size_t>(crowd));

  for (const auto& process : processes) process->signal(SIGTERM);
  for (const auto& process : processes) EXPECT_EQ(process->wait(), (ExitStatus{128 + SIGTERM, 0}));
  EXPECT_EQ(tool.count("leased"), 0);
}

}  // namespace
}  // namespace workerid::tests
