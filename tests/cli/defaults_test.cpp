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

class Defaults : public ::testing::Test {
 protected:
  // Without the variables of the tool.
  static Result run(const std::vector<std::string>& arguments, const std::string& home,
                    const std::string& state = "") {
    std::vector<std::string> words{"env", "-u", "WORKERID_STORE", "-u", "WORKERID_CLUSTER"};
    const auto command = Tool::words(arguments);
    words.insert(words.end(), command.begin(), command.end());
    Process process(words, {{"HOME", home}, {"XDG_STATE_HOME", state}});
    return result_of(process);
  }

  TemporaryDirectory directory;
  fs::path root = directory.path();
  Tool tool{(root / "leases.db").string()};
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

TEST_F(Defaults, AnEmptyVariableIsNoDefault) {
  for (const char* const variable : {"WORKERID_STORE", "WORKERID_CLUSTER"}) {
    const Result got = tool({"get"}, {{"HOME", root.string()}, {variable, ""}});
    EXPECT_EQ(got.status.code, 2);
    EXPECT_NE(got.errors.find(variable), std::string::npos) << got.errors;
    EXPECT_EQ(got.output, "");
  }
  EXPECT_TRUE(fs::is_empty(root)) << "a store was made";
  const Result renewed = tool({"renew", "1"}, {{"WORKERID_TOKEN", ""}});
  EXPECT_EQ(renewed.status.code, 2);
  EXPECT_NE(renewed.errors.find("WORKERID_TOKEN"), std::string::npos) << renewed.errors;
}

TEST_F(Defaults, AnEmptyVariableDoesNoHarmWhereItIsNotAsked) {
  const Environment empty{{"WORKERID_STORE", ""}, {"WORKERID_CLUSTER", ""}};
  EXPECT_EQ(tool({"--help"}, empty).status, success);
  EXPECT_EQ(tool({"decode", "1"}, empty).status, success);
  const std::string store = root / "leases.db";
  EXPECT_EQ(tool({"get", "--store", store, "--cluster", "jobs"}, empty).status, success);
}

TEST_F(Defaults, APathIsAStore) {
  const std::string path = root / "leases.db";
  EXPECT_EQ(run({"get", "--store", path}, "").status, success);
  EXPECT_NE(run({"list", "--store", "sqlite:" + path}, "").output.find("1 leased"),
            std::string::npos);
}

TEST_F(Defaults, NothingElseBecomesAFile) {
  const std::string path = root / "leases.db";
  const std::vector<std::string> stores{path + "\n",
                                        "\t" + path,
                                        " " + path,
                                        path + " ",
                                        "sqlite:" + path + "\r",
                                        "sqlite: " + path,
                                        "./\x7f",
                                        "redis//host",
                                        "localhost/0",
                                        "~/leases.db",
                                        "folder/leases.db",
                                        "leases.db",
                                        ".",
                                        "sqlite://x/y",
                                        "sqlite://" + path,
                                        "sqlite://",
                                        "sqlite:",
                                        "redis://localhost\n"};
  for (const std::string& store : stores) {
    const Result got = run({"get", "--store", store}, root);
    EXPECT_EQ(got.status.code, 2) << store;
    EXPECT_NE(got.errors.find("--store: "), std::string::npos) << got.errors;
    EXPECT_EQ(tool({"get"}, {{"WORKERID_STORE", store}}).status.code, 2) << store;
  }
  EXPECT_TRUE(fs::is_empty(root));
  EXPECT_FALSE(fs::exists("redis")) << "in the test's own folder";
  EXPECT_FALSE(fs::exists("folder"));
}

TEST_F(Defaults, APasswordInAMistypedUrlIsNotRepeated) {
  for (const char* const store :
       {"redis//user:secret@host", "redis://user:secret@host\n", "user:secret@host/0"}) {
    const Result got = run({"list", "--store", store}, "");
    EXPECT_EQ(got.status.code, 2);
    EXPECT_EQ(got.errors.find("secret"), std::string::npos) << got.errors;
  }
}

}  // namespace
}  // namespace workerid::tests
