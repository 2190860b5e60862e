// SPDX-License-Identifier: MIT
//
// The tool as a user runs it who is not root.
#pragma once

#include "cli/tool.hpp"
#include "support/temporary_directory.hpp"

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace workerid::tests {

/// An ordinary user with a directory, which has a copy of the tool: that of the build may lie where
/// only root gets. Needs root.
class OrdinaryUser {
 public:
  OrdinaryUser() {
    EXPECT_EQ(::geteuid(), 0U) << "these tests need root; scripts/test runs all others without";
    EXPECT_EQ(::chown(directory_.path().c_str(), nobody, nobody), 0);
    std::filesystem::permissions(directory_.path(), std::filesystem::perms{0755});
    std::filesystem::copy_file(WORKERID_TOOL_PATH, tool_);
  }

  const std::filesystem::path& directory() const noexcept { return directory_.path(); }

  /// The words that run a command of the tool as this user.
  std::vector<std::string> words(const std::vector<std::string>& arguments) const {
    const std::string id = std::to_string(nobody);
    std::vector<std::string> words{"setpriv", "--reuid",        id,   "--regid",
                                   id,        "--clear-groups", tool_};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }

  /// The tool of this user, on a file in the directory: whoever else it is, may not use that.
  Tool tool() const {
    return Tool{"sqlite:" + (directory() / "leases.db").string(), "test", words({})};
  }

 private:
  static constexpr uid_t nobody = 65534;
  TemporaryDirectory directory_;
  std::filesystem::path tool_ = directory_.path() / "workerid";
};

}  // namespace workerid::tests
