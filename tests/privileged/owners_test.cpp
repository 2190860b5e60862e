// SPDX-License-Identifier: MIT
//
// Files of other users, links that they planted, and a host whose name is no text.
#include "cli/tool.hpp"
#include "support/forked_process.hpp"
#include "support/redis_server.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

namespace fs = std::filesystem;

constexpr uid_t stranger = 64'998;
constexpr int denied = 91;  // exit code

class Owners : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "these tests need root; scripts/test runs all others without";
  }

  // Everybody may write to it, and another user owns it.
  static void give_away(const fs::path& file) {
    ASSERT_EQ(::lchown(file.c_str(), stranger, stranger), 0);
    if (!fs::is_symlink(file)) fs::permissions(file, fs::perms{0666});
  }

  static void expect_refused(const Result& result, const fs::path& file) {
    EXPECT_EQ(result.status.code, denied) << result.errors;
    for (const std::string& word : {file.string(), std::to_string(stranger)}) {
      EXPECT_NE(result.errors.find(word), std::string::npos) << word << ": " << result.errors;
    }
  }

  // The same command as a user without privileges, who finds the tool in the test's own folder.
  Result as_stranger(std::vector<std::string> words) const {
    const fs::path copy = directory.path() / "workerid";
    fs::copy_file(WORKERID_TOOL_PATH, copy, fs::copy_options::skip_existing);
    const std::string id = std::to_string(stranger);
    words.insert(words.begin(),
                 {"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", copy.string()});
    Process process(words, tool.environment());
    return result_of(process);
  }

  TemporaryDirectory directory;
  fs::path file = directory.path() / "leases.db";
  Tool tool{"sqlite:" + file.string()};
};

TEST_F(Owners, ALeaseFileOfAnotherUserIsRefused) {
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  give_away(file);
  expect_refused(tool({"get"}), file);
  expect_refused(tool({"list"}), file);
  const Result doctor = tool({"doctor", "--seconds", "0"});
  EXPECT_EQ(doctor.status.code, 97);
  EXPECT_NE(doctor.output.find(std::to_string(stranger)), std::string::npos) << doctor.output;
}

TEST_F(Owners, AFileBesideALeaseFileOfAnotherUserIsRefused) {
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  for (const char* const end : {"-wal", "-shm"}) {
    const fs::path planted = file.string() + end;
    std::ofstream{planted};
    give_away(planted);
    expect_refused(tool({"get"}), planted);
    fs::remove(planted);
  }
  EXPECT_EQ(tool.count("leased"), 1);
}

// docs/stores.md says how.
TEST_F(Owners, SeveralUsersMayShareAFileOfRoots) {
  const fs::path folder = directory.path() / "shared";
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  fs::create_directory(folder);
  ASSERT_EQ(::chown(folder.c_str(), 0, stranger), 0);
  ASSERT_EQ(::chmod(folder.c_str(), 02770), 0);
  file = folder / "leases.db";
  tool = Tool{"sqlite:" + file.string()};
  ASSERT_EQ(tool({"get"}).status, ExitStatus{});
  ASSERT_EQ(::chmod(file.c_str(), 0660), 0);
  const Result got = as_stranger({"get"});
  EXPECT_EQ(got.status, ExitStatus{}) << got.errors;
  EXPECT_EQ(tool({"get"}).status, ExitStatus{});
  EXPECT_EQ(tool.count("leased"), 3);
}

TEST_F(Owners, ALinkThatAnotherUserMadeIsNotFollowed) {
  const fs::path target = directory.path() / "target";
  fs::create_symlink(target, file);
  ASSERT_EQ(::lchown(file.c_str(), stranger, stranger), 0);
  expect_refused(tool({"get"}), file);
  EXPECT_FALSE(fs::exists(target));
}

TEST_F(Owners, AnIdentityFileOfAnotherUserIsRefused) {
  const fs::path identity = directory.path() / "identity";
  std::ofstream{identity};
  give_away(identity);
  const std::vector<std::string> command{"run", "--identity-file", identity, "--", "true"};
  expect_refused(tool(command), identity);
  EXPECT_TRUE(fs::is_empty(identity));
  ASSERT_EQ(::chown(identity.c_str(), 0, 0), 0);
  EXPECT_EQ(tool(command).status, ExitStatus{});
}

// Nobody is refused an ID for the name of the host.
TEST(HostName, OfAnyBytesIsAnOwner) {
  ASSERT_EQ(::geteuid(), 0U) << "these tests need root; scripts/test runs all others without";
  const RedisServer server;
  ForkedProcess child([&] {
    const std::string name = "web\x1b[31m\n\x01\xff\xe2\x80\xae-1";
    if (::unshare(CLONE_NEWUTS) != 0) return 2;
    if (::sethostname(name.data(), name.size()) != 0) return 3;
    const TemporaryDirectory directory;
    for (const Tool& tool :
         {Tool{"sqlite:" + (directory.path() / "leases.db").string()}, Tool{server.url()}}) {
      const Result got = tool({"get", "--fresh"});
      EXPECT_EQ(got.status, ExitStatus{}) << got.errors;
      const std::string owner = tool.json({"inspect", "1"}).at("owner");
      EXPECT_EQ(owner.substr(0, owner.find('/')),
                "web?[31m???"
                "?-1");
    }
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), ExitStatus{});
}

}  // namespace
}  // namespace workerid::tests
