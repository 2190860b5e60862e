// SPDX-License-Identifier: MIT
//
// Internal: the file as the operating system sees it.
#pragma once

#include "file_place.hpp"

#include <filesystem>
#include <string>

namespace workerid::detail::sqlite {

/// Names the file as long as it exists, also after it was mounted anew.
std::string text(const FileIdentity& identity);

/// The file at a path, and whether it was made just now.
struct MadeFile {
  FileIdentity identity;
  bool is_new = false;
};

/// Makes the file and its folders, for this user alone whatever the umask, where they are missing;
/// returns which it is.
/// Errors: `denied`; `unavailable`; where check_place() refuses it, or a file that SQLite keeps beside it;
/// `corrupt_record` if something else than a file is there.
MadeFile make_file(const std::filesystem::path& path);

/// Checks the places of those that SQLite keeps beside the file at `path`. Errors: as check_place();
/// `denied` for symbolic links.
void check_side_files(const std::filesystem::path& path);

/// Whether a process that this one may look at has a file open that was deleted from this path.
bool open_though_deleted(const std::filesystem::path& path);

/// Whether this process may look at those of other PID namespaces: it is in none but the machine's.
bool sees_all_processes();

}  // namespace workerid::detail::sqlite
