// SPDX-License-Identifier: MIT
//
// The identity file: a random name that whoever holds its lock may use.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace workerid::detail {

// Locked as long as the object, or a process that inherited its descriptor, lives (flock(2)).
// So the former process is gone when the lock is obtained. Use from one thread at a time.
//
// The name is random and written once, when the file is made: a crash at any moment leaves a name
// under which the store finds whatever ID the former process was granted, heard of or not.
class Identity {
 public:
  explicit Identity(std::filesystem::path path);
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity();

  // Tries to get the lock; false if a live process has it. Never blocks.
  // Errors: `invalid_argument` or `denied` if the file cannot be used, `corrupt_record` if it is
  // not an identity file: it is then left as it is.
  bool lock();

  // The name; empty before lock().
  const std::string& name() const noexcept { return name_; }
  int descriptor() const noexcept { return descriptor_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  bool still_at_path() const;
  void read_or_write_name();

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string name_;
};

}  // namespace workerid::detail
