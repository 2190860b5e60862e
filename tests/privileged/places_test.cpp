// SPDX-License-Identifier: MIT
//
// One file in several places: copied below the file system, mounted under another name, seen from
// another PID namespace. Everything is mounted in a mount namespace of the test's own.
#include "cli/tool.hpp"
#include "support/redis_server.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

namespace fs = std::filesystem;

constexpr int unsupported = 93;  // exit code

class Places : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "these tests need root; scripts/test runs all others without";
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << std::generic_category().message(errno);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }

  ~Places() override {
    for (auto place = mounted_.rbegin(); place != mounted_.rend(); ++place) {
      ::umount2(place->c_str(), MNT_DETACH);
    }
  }

  static void run(const std::vector<std::string>& words) {
    Process process(words);
    ASSERT_EQ(process.wait(), ExitStatus{}) << words.front() << ": " << process.errors();
  }

  void mount_image(const fs::path& image, const fs::path& folder) {
    fs::create_directories(folder);
    run({"mount", "-o", "loop", image, folder});
    mounted_.push_back(folder);
  }

  void unmount(const fs::path& folder) {
    run({"umount", folder});
    std::erase(mounted_, folder);
  }

  void bind(const fs::path& what, const fs::path& where) {
    ASSERT_EQ(::mount(what.c_str(), where.c_str(), nullptr, MS_BIND, nullptr), 0)
        << std::generic_category().message(errno);
    mounted_.push_back(where);
  }

  fs::path made_image() const {
    const fs::path image = directory.path() / "vm1.img";
    std::ofstream{image};
    fs::resize_file(image, 16 << 20);
    run({"mkfs.ext4", "-q", image});
    return image;
  }

  // A command that holds an ID until it gets SIGTERM, and has told which one.
  static std::unique_ptr<Process> holder(const Tool& tool, std::vector<std::string> options) {
    options.insert(options.begin(), "run");
    for (const char* const word :
         {"--lease", "1h", "--", "sh", "-c", "echo ID $WORKER_ID.; exec sleep 600"}) {
      options.emplace_back(word);
    }
    auto process = std::make_unique<Process>(Tool::words(options), tool.environment());
    EXPECT_TRUE(process->wait_for_output(".")) << process->errors();
    return process;
  }

  TemporaryDirectory directory;

 private:
  std::vector<fs::path> mounted_;
};

// P1 of the faults: a machine that was copied with its disk has the same inode, birth time and tokens.
TEST_F(Places, ACloneOfADiskIsNotTheSameIdentity) {
  const RedisServer server;
  const Tool tool{server.url()};
  const fs::path one = made_image();
  const fs::path other = directory.path() / "vm2.img";
  const fs::path first = directory.path() / "d1";
  const fs::path second = directory.path() / "d2";
  const std::vector<std::string> by_first{"--identity-file", first / "identity"};
  const std::vector<std::string> by_second{"--identity-file", second / "identity"};

  mount_image(one, first);
  EXPECT_EQ(
      tool({"run", "--lease", "1h", "--identity-file", first / "identity", "--", "true"}).status,
      ExitStatus{});
  unmount(first);
  fs::copy_file(one, other);
  mount_image(one, first);
  mount_image(other, second);
  const auto original = holder(tool, by_first);
  const auto clone = holder(tool, by_second);
  EXPECT_NE(original->output(), clone->output());

  // Copied while it holds: what its token says is true, and only the place speaks against it.
  run({"sync", "--file-system", first});
  const fs::path live = directory.path() / "vm3.img";
  const fs::path third = directory.path() / "d3";
  fs::copy_file(one, live);
  mount_image(live, third);
  const auto snapshot = holder(tool, {"--identity-file", third / "identity"});
  EXPECT_NE(snapshot->output(), original->output());
  EXPECT_NE(snapshot->output(), clone->output());
  EXPECT_EQ(tool.count("leased"), 3);

  // In its own place it gets its ID back at once, as ever.
  const std::string id = original->output();
  original->signal(SIGKILL);
  original->wait();
  EXPECT_EQ(holder(tool, by_first)->output(), id);
}

// P3 of the faults, as docker run -v FILE:FILE does it.
TEST_F(Places, AMountedFileIsRefusedAndAMountedFolderIsNot) {
  const fs::path served = directory.path() / "srv";
  const fs::path file = served / "l.db";
  const fs::path mounted_file = directory.path() / "m1" / "l.db";
  const fs::path mounted_folder = directory.path() / "m2";
  fs::create_directories(served);
  fs::create_directories(mounted_file.parent_path());
  fs::create_directories(mounted_folder);
  const auto here = holder(Tool{"sqlite:" + file.string()}, {});
  std::ofstream{mounted_file};
  bind(file, mounted_file);
  bind(served, mounted_folder);

  const Result refused = Tool{"sqlite:" + mounted_file.string()}({"get"});
  EXPECT_EQ(refused.status.code, unsupported);
  EXPECT_NE(refused.errors.find("mount the folder, not the file"), std::string::npos)
      << refused.errors;
  const Result examined =
      Tool{"sqlite:" + mounted_file.string()}({"doctor", "--seconds", "0", "--output", "json"});
  EXPECT_NE(examined.output.find("mount the folder, not the file"), std::string::npos);

  const auto there = holder(Tool{"sqlite:" + (mounted_folder / "l.db").string()}, {});
  EXPECT_NE(here->output(), there->output());

  const fs::path linked = directory.path() / "linked.db";
  fs::create_hard_link(file, linked);
  EXPECT_EQ(Tool{"sqlite:" + linked.string()}({"get"}).status.code, unsupported);
  EXPECT_EQ(Tool{"sqlite:" + file.string()}({"get"}).status.code, unsupported);
}

TEST_F(Places, AMountedIdentityFileIsRefused) {
  const fs::path file = directory.path() / "identity";
  const fs::path mounted = directory.path() / "mounted";
  std::ofstream{file};
  std::ofstream{mounted};
  bind(file, mounted);
  const Result refused = Tool{"sqlite:" + (directory.path() / "l.db").string()}(
      {"run", "--identity-file", mounted, "--", "true"});
  EXPECT_EQ(refused.status.code, unsupported);
  EXPECT_NE(refused.errors.find(mounted.string()), std::string::npos) << refused.errors;
}

// P10: whoever is in another PID namespace does not see who has a deleted file open.
TEST_F(Places, InAnotherPidNamespaceExclusivityIsConditional) {
  const Tool tool{"sqlite:" + (directory.path() / "l.db").string()};
  EXPECT_EQ(tool.json({"list"}).at("guarantee").at("exclusivity"),
            in_first_pid_namespace() ? "exact" : "conditional");
  std::vector<std::string> words{"unshare", "--pid", "--fork", "--mount-proc"};
  for (const std::string& word : Tool::words({"list", "--output", "json"})) words.push_back(word);
  Process process(words, tool.environment());
  const Result listed = result_of(process);
  const auto guarantee = nlohmann::json::parse(listed.output).at("guarantee");
  EXPECT_EQ(guarantee.at("exclusivity"), "conditional") << listed.output;
  EXPECT_NE(guarantee.dump().find("PID namespace"), std::string::npos);
}

}  // namespace
}  // namespace workerid::tests
