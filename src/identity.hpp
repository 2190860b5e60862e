// SPDX-License-Identifier: MIT
//
// The identity file: a random name that whoever holds its lock may use.
#pragma once

#include "former_tokens.hpp"

#include <workerid/token.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace workerid::detail {

// What an identity file says. Pure.
struct IdentityText {
  std::string name;           // random, and kept by every copy: a wish for the former ID
  std::string place;          // on which boot and in which file the tokens were written
  std::vector<Token> tokens;  // Takeover::most_tokens at most

  // Always of one size, so that it is written in place, in one write.
  std::string text() const;

  // Of a text that was written in part, or in the first form, only the name; of an empty one, or of
  // the zeros that a loss of power leaves, nothing.
  // Errors: `corrupt_record` for a text of another kind.
  static IdentityText parse(std::string_view text);
};

// Locked as long as the object, or a process that inherited its descriptor, lives (flock(2)). So
// whoever gets the lock knows that the process which wrote the tokens while holding it is gone: on
// the same boot, and in the same file. A copy below the file system keeps inode and tokens, but not
// the device. Use from one thread at a time.
class Identity {
 public:
  explicit Identity(std::filesystem::path path);
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity();

  // Tries to get the lock; false if a live process has it. Never blocks.
  // Errors: `invalid_argument` or `denied` if the file cannot be used, `unsupported_server` if its
  // place is unfit, `corrupt_record` if it is not an identity file: it is then left as it is.
  bool lock();

  // Writes the token of an acquisition into the file, before its request is sent: a crash at any
  // later moment leaves it to whoever gets the lock next. Returns those of the leases whose holders
  // are known to be gone. Needs the lock, and that no other lease of this name is held.
  // Errors: `denied` or `invalid_argument` if the file cannot be written.
  std::vector<Token> add(const Token& token);

  // The name; empty before lock().
  const std::string& name() const noexcept { return name_; }
  int descriptor() const noexcept { return descriptor_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  bool open_and_lock();
  bool still_at_path() const;
  void read();
  void close() noexcept;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string name_;
  std::string place_;
  FormerTokens tokens_;
};

}  // namespace workerid::detail
