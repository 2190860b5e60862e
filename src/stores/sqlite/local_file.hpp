// SPDX-License-Identifier: MIT
//
// Internal: the file as the operating system sees it. Nothing here opens it: closing any descriptor
// of a file drops all POSIX locks that the process has on it, SQLite's too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace workerid::detail::sqlite {

/// Which file a path names at the moment. A number is used again when its file is gone; with the time
/// of its birth, where the file system keeps that, it is the same file.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t birth_ns = 0;

  /// Names the file as long as it exists.
  std::string text() const;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// The file that `path` names; nothing if that cannot be told.
std::optional<FileIdentity> identity_of(const std::filesystem::path& path);

/// The file at a path, and whether it was made just now.
struct MadeFile {
  FileIdentity identity;
  bool is_new = false;
};

/// Makes the file and its folders, for this user alone, where they are missing; returns which it is.
/// Errors: `denied`; `unavailable`; `unsupported_server` on a network file system; `corrupt_record`
/// if something else than a file is there.
MadeFile make_file(const std::filesystem::path& path);

/// Whether a process that this one may look at has a file open that was deleted from this path.
bool open_though_deleted(const std::filesystem::path& path);

/// The name of the file system with this magic number (statfs(2)) if several machines may share it,
/// or if its locks and shared memory cannot be relied on; else empty.
std::string_view unfit_file_system(std::uint32_t magic) noexcept;

}  // namespace workerid::detail::sqlite
