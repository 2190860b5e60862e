// SPDX-License-Identifier: MIT
//
// Internal: what names a run of the kernel.
#pragma once

#include <string>

namespace workerid::detail {

/// The first word of a file of the system's, fit for a record: printable, 64 bytes at the most. Empty
/// where there is none.
std::string system_word(const char* path);

/// Another text after every boot; empty where /proc does not tell. Reads a file.
std::string boot_id();

/// Names the boot clock that this process reads: that of a boot, as its time namespace shows it. Empty
/// where the boot is unknown. Read once.
const std::string& boot_clock_name();

}  // namespace workerid::detail
