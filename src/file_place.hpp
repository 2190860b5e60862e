// SPDX-License-Identifier: MIT
//
// Internal: where a file lives, and whether a lock on it means the same to every process that can
// use it. Nothing here opens a file: closing any descriptor of it drops all POSIX locks that the
// process has on it, SQLite's too.
#pragma once

#include <workerid/error.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace workerid::detail {

/// Which file a path names at the moment. A number is used again when its file is gone; with the time
/// of its birth, where the file system keeps that, it is the same file.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t birth_ns = 0;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// The file that `path` names, or that `descriptor` has open; nothing if that cannot be told.
std::optional<FileIdentity> identity_of(const std::filesystem::path& path);
std::optional<FileIdentity> identity_of(int descriptor);

/// The same path without symbolic links, as far as it exists: files beside it have one name then,
/// whichever link was followed. Errors: `invalid_argument` for links that lead in a circle; `denied` for
/// one in the file's place that another user than root made, since it chooses what is written to.
std::filesystem::path without_links(const std::filesystem::path& path);

/// Why two processes that use a file may not see each other's locks, or not have the same files beside
/// it; or why it is not to be trusted: another user than root owns it. And what to do.
struct UnfitPlace {
  std::string reason;
  std::string remedy;
  ErrorCode code = ErrorCode::unsupported_server;
};

/// What is wrong with the place of the file at `path`; nothing if it is fit, or not there. Of a folder:
/// with that of the files in it. Errors: `denied` or `unavailable` if it cannot be told.
std::optional<UnfitPlace> unfit_place(const std::filesystem::path& path);

/// Errors: `unsupported_server` with the path, if its place is unfit, `denied` for a file of another
/// user; as `unfit_place`.
void check_place(const std::filesystem::path& path);

/// The name of the file system with this magic number (statfs(2)) if several machines may share it,
/// or if its locks and shared memory cannot be relied on; else empty.
std::string_view unfit_file_system(std::uint32_t magic) noexcept;

}  // namespace workerid::detail
