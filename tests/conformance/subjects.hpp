// SPDX-License-Identifier: MIT
//
// The stores that are put through the conformance suite.
#pragma once

#include <workerid/testing/store_conformance.hpp>

#include <array>
#include <iosfwd>

namespace workerid::tests {

/// A store, and what makes its time pass.
enum class Backend {
  memory,        ///< On a manual clock.
  memory_clock,  ///< On the machine's clock.
  sqlite,        ///< A file, on a manual clock.
  sqlite_clock,  ///< A file, on the machine's clock.
  redis,         ///< A server of this process's own.
};

inline constexpr std::array all_backends{Backend::memory, Backend::memory_clock, Backend::sqlite,
                                         Backend::sqlite_clock, Backend::redis};

std::string name(Backend backend);
std::ostream& operator<<(std::ostream& output, Backend backend);

/// A store of that kind with nothing in it; Redis: with nothing in the clusters of a new name.
testing::StoreSubject make_subject(Backend backend);

}  // namespace workerid::tests
