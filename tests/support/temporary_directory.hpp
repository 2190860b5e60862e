// SPDX-License-Identifier: MIT
//
// A directory that lasts as long as the object.
#pragma once

#include <filesystem>

namespace workerid::tests {

/// A new, empty directory below the system's temporary one, removed with all its content at the
/// end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace workerid::tests
