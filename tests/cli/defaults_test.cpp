// SPDX-License-Identifier: MIT
//
// Where the store and the cluster come from when nobody names them.
#include "cli/tool.hpp"
#include "support/temporary_directory.hpp"

#include <filesystem>
#include <gtest/gtest.h>
#include <string>

namespace workerid::tests {
namespace {

namespace fs = std::filesystem;

constexpr ExitStatus success{0, 0};

class Defaults : public ::testing::Test {
 protected:
  Result run(std::vector<std::string> arguments, const std::string& home,
             const std::string& state = "") const {
    return tool(std::move(arguments),
                {{"WORKERID_CLUSTER", ""}, {"HOME", home}, {"XDG_STATE_HOME", state}});
  }

  TemporaryDirectory directory;
  fs::path root = directory.path();
  Tool tool{""};  // an empty variable is as good as none
};

TEST_F(Defaults, TheStoreIsAFileBelowTheHomeDirectory) {
  const Result got = run({"get"}, root);
  EXPECT_EQ(got.status, success) << got.errors;
  EXPECT_TRUE(fs::exists(root / ".local/state/workerid/workerid.db"));
  EXPECT_NE(run({"list"}, root).output.find("cluster \"default\": 1 leased"), std::string::npos);
}

TEST_F(Defaults, TheStateDirectoryMayBeElsewhere) {
  EXPECT_EQ(run({"get"}, root / "home", root / "state").status, success);
  EXPECT_TRUE(fs::exists(root / "state/workerid/workerid.db"));
  EXPECT_FALSE(fs::exists(root / "home"));
}

TEST_F(Defaults, ARelativeStateDirectoryIsIgnored) {
  EXPECT_EQ(run({"get"}, root, "state").status, success);
  EXPECT_TRUE(fs::exists(root / ".local/state/workerid/workerid.db"));
}

TEST_F(Defaults, TheFileIsForThisUserAlone) {
  ASSERT_EQ(run({"get"}, root).status, success);
  for (const char* const path : {".local/state/workerid", ".local/state/workerid/workerid.db"}) {
    const fs::perms permissions = fs::status(root / path).permissions();
    EXPECT_EQ(permissions & (fs::perms::group_all | fs::perms::others_all), fs::perms::none)
        << path;
  }
}

TEST_F(Defaults, WithoutAHomeTheStoreMustBeNamed) {
  const Result got = run({"get"}, "");
  EXPECT_EQ(got.status.code, 2);
  EXPECT_NE(got.errors.find("HOME"), std::string::npos) << got.errors;
  EXPECT_EQ(run({"get", "--store", (root / "leases.db").string()}, "").status, success);
}

TEST_F(Defaults, OptionsOverrideVariables) {
  const Environment variables{{"WORKERID_STORE", (root / "a.db").string()},
                              {"WORKERID_CLUSTER", "variable"}};
  EXPECT_EQ(tool({"get"}, variables).status, success);
  const std::string other = "sqlite:" + (root / "b.db").string();
  EXPECT_EQ(tool({"get", "--cluster", "option", "--store", other}, variables).status, success);
  EXPECT_NE(tool({"list"}, variables).output.find("\"variable\": 1 leased"), std::string::npos);
  EXPECT_NE(tool({"list", "--cluster", "option"}, variables).output.find("never used"),
            std::string::npos);
  EXPECT_NE(tool({"list", "--store", other, "--cluster", "option"}, variables)
                .output.find("\"option\": 1 leased"),
            std::string::npos);
}

TEST_F(Defaults, APathWithASlashIsAStore) {
  const std::string path = root / "leases.db";
  EXPECT_EQ(run({"get", "--store", path}, "").status, success);
  EXPECT_NE(run({"list", "--store", "sqlite:" + path}, "").output.find("1 leased"),
            std::string::npos);
}

}  // namespace
}  // namespace workerid::tests
