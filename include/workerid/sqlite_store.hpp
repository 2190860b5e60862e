// SPDX-License-Identifier: MIT
//
// The store of one machine: a SQLite file that all its processes share.
#pragma once

#include <workerid/store.hpp>

#include <filesystem>
#include <memory>

namespace workerid {

/// Opens the file at `path`, and makes it and its folder (for this user alone) where they are
/// missing. Deadlines are on `CLOCK_BOOTTIME`, so a step of the wall clock changes nothing, and a
/// reboot, which ends every holder, frees every ID.
///
/// Errors: `invalid_argument` for a path that names no file, is too long or has a control character;
/// `unavailable` if the file cannot be opened, read or written now (the text says why); `denied`
/// without permission, and for a file of another user than root; `unsupported_server` for a file on a
/// network file system, of another machine, or of a schema this version does not know, and for a boot
/// clock that is not the kernel's; `corrupt_record` for a file that is no database or another
/// program's.
/// Blocks for up to 5 s while another process sets the file up. The store is thread-safe.
std::shared_ptr<Store> open_sqlite_store(const std::filesystem::path& path,
                                         std::shared_ptr<Clock> clock = boottime_clock());

}  // namespace workerid
