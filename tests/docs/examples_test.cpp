// SPDX-License-Identifier: MIT
//
// Each example does what it says.
#include "docs/examples.hpp"

#include "support/process.hpp"
#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>
#include <string>

namespace workerid::tests {

TEST(Examples, MemoryGetsRenewsAndReleases) {
  Process process({example("memory")});
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.errors();
  EXPECT_NE(process.output().find("worker 5: ID 5\n"), std::string::npos) << process.output();
  EXPECT_NE(process.output().find("Released worker ID 6\nGot worker ID 7\n"), std::string::npos)
      << process.output();
}

TEST(Examples, SnowflakeHandsItsWorkerIdOver) {
  Process process({example("snowflake")});
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.errors();
  EXPECT_NE(process.output().find("has worker ID 1 too; its first ID is above the last one\n"),
            std::string::npos)
      << process.output();
}

TEST(Examples, CustomStorePassesTheConformanceSuite) {
  Process process({example("custom_store")});
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.output();
  EXPECT_NE(process.output().find("ok    ids_are_distinct_and_in_range (G1)"), std::string::npos)
      << process.output();
}

TEST(Examples, SqliteGivesThreeProcessesThreeIds) {
  const TemporaryDirectory directory;
  Process process({example("sqlite"), (directory.path() / "ids.db").string()});
  EXPECT_EQ(process.wait(), ExitStatus{}) << process.errors();
  for (const char* id : {"1", "2", "3"}) {
    EXPECT_NE(process.output().find(std::string("holds worker ID ") + id + "\n"), std::string::npos)
        << process.output();
  }
}

TEST(Examples, SqliteExplainsHowItIsCalled) {
  Process process({example("sqlite")});
  EXPECT_EQ(process.wait(), (ExitStatus{.code = 2}));
  EXPECT_EQ(process.errors(), "usage: sqlite FILE\n");
}

}  // namespace workerid::tests
