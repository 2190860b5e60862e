// SPDX-License-Identifier: MIT
//
// What doctor finds in a SQLite file and around it. Asks nothing itself.
#pragma once

#include "doctor/finding.hpp"
#include "file_place.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace workerid::cli {

/// The kind of file system, as statfs(2) has it, and what is wrong with the file's place.
Finding judge_place(std::uint32_t magic, const std::optional<detail::UnfitPlace>& unfit);

/// Room for a user without privileges.
Finding judge_space(std::uintmax_t free_bytes);

/// A file, or a folder, and what this user may do with it.
struct Permissions {
  std::filesystem::path path;
  std::filesystem::perms mode{};
  bool writable = false;
};

/// Whether the file, those beside it and their folder can be written by this user, and not by everybody.
Findings judge_permissions(const Permissions& folder, const std::vector<Permissions>& files);

/// The journal mode that the file was found in, as SQLite names it.
Finding judge_journal(const std::string& mode);

/// What PRAGMA quick_check said.
Finding judge_check(const std::string& answer);

/// Which run of which machine wrote the file last.
struct Boot {
  std::string boot_id;
  std::string machine_id;
};
Finding judge_boot(const Boot& file, const Boot& here);

}  // namespace workerid::cli
