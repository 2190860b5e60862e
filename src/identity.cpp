// SPDX-License-Identifier: MIT
#include "identity.hpp"

#include <workerid/error.hpp>
#include <workerid/token.hpp>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace workerid::detail {

namespace {

constexpr std::string_view heading = "workerid identity 1\n";

bool is_token(std::string_view text) {
  try {
    Token::parse(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, int error) {
  const ErrorCode code = error == EACCES || error == EPERM || error == EROFS
                             ? ErrorCode::denied
                             : ErrorCode::invalid_argument;
  throw Error(code, "identity file " + path.string() + ": " + what + ": " +
                        std::generic_category().message(error));
}

}  // namespace

Identity::Identity(std::filesystem::path path) : path_(std::move(path)) {}

Identity::~Identity() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Identity::lock() {
  if (!name_.empty()) return true;
  for (;;) {
    constexpr mode_t owner_only = 0600;
    const int descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, owner_only);
    if (descriptor < 0) fail(path_, "it cannot be opened", errno);
    descriptor_ = descriptor;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && still_at_path()) {
      read_or_write_name();
      return true;
    }
    const int error = errno;
    ::close(descriptor);
    descriptor_ = -1;
    if (error == EWOULDBLOCK) return false;
    if (error != 0 && error != EINTR && error != ENOENT) fail(path_, "it cannot be locked", error);
  }
}

// Between open and flock the file may have been deleted and made anew by another process.
bool Identity::still_at_path() const {
  struct stat opened {};
  struct stat present {};
  errno = 0;
  return ::fstat(descriptor_, &opened) == 0 && ::stat(path_.c_str(), &present) == 0 &&
         opened.st_ino == present.st_ino && opened.st_dev == present.st_dev;
}

void Identity::read_or_write_name() {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail(path_, "its status cannot be read", errno);
  // A copy has another inode, and its original may be in use: it does not keep the name.
  const std::string inode = "inode " + std::to_string(status.st_ino) + "\n";

  constexpr std::size_t more_than_any = 256;
  std::array<char, more_than_any> buffer{};
  const ssize_t length = ::pread(descriptor_, buffer.data(), buffer.size(), 0);
  if (length < 0) fail(path_, "it cannot be read", errno);
  const std::string content(buffer.data(), static_cast<std::size_t>(length));

  const std::size_t name_end = heading.size() + Token::text_length;
  if (!content.empty()) {
    if (content.compare(0, heading.size(), heading) != 0 || content.size() <= name_end ||
        content[name_end] != '\n' ||
        !is_token(std::string_view{content}.substr(heading.size(), Token::text_length))) {
      throw Error(ErrorCode::corrupt_record,
                  "identity file " + path_.string() +
                      ": it is not one; name another path, or delete it if it is not needed");
    }
    if (content.compare(name_end + 1, std::string::npos, inode) == 0) {
      name_ = content.substr(heading.size(), Token::text_length);
      return;
    }
  }

  const std::string name = Token::random().text();
  const std::string written = std::string{heading} + name + "\n" + inode;
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, written.data(), written.size(), 0) !=
          static_cast<ssize_t>(written.size()) ||
      ::fsync(descriptor_) != 0) {
    fail(path_, "it cannot be written", errno);
  }
  name_ = name;
}

}  // namespace workerid::detail
