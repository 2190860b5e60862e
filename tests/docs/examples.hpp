// SPDX-License-Identifier: MIT
//
// The programs of examples/.
#pragma once

#include <filesystem>
#include <string>

namespace workerid::tests {

inline std::string example(const std::string& name) {
  return (std::filesystem::path(WORKERID_EXAMPLES_FOLDER) / name).string();
}

}  // namespace workerid::tests
