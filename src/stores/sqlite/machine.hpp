// SPDX-License-Identifier: MIT
//
// Internal: what names the clock that a lease file counts on.
#pragma once

#include <cstdint>
#include <string>

namespace workerid::detail::sqlite {

/// A run of a kernel and how this process sees its boot clock.
struct Machine {
  std::string boot_id;                  ///< Another one after every boot.
  std::string machine_id;               ///< Stays; empty where the system has none.
  std::int64_t boottime_offset_ns = 0;  ///< Of this process' time namespace (time_namespaces(7)).
};

/// The machine of this process. Errors: `unsupported_server` if it does not tell its boot ID, or if this
/// process is shown another boot clock than the kernel's.
Machine this_machine();

}  // namespace workerid::detail::sqlite
