// SPDX-License-Identifier: MIT
#include "local_file.hpp"

#include "system_error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <system_error>

namespace workerid::detail::sqlite {

namespace {

Error system_failure(const std::string& doing, const std::filesystem::path& path, int error) {
  return {code_of_system_error(error),
          "cannot " + doing + " " + path.string() + ": " + system_text(error)};
}

// Of what was made just now: the umask took bits away that are needed. False on a file system without
// modes, which is left as it is.
bool set_mode(const std::filesystem::path& path, mode_t mode) noexcept {
  return ::fchmodat(AT_FDCWD, path.c_str(), mode, AT_SYMLINK_NOFOLLOW) == 0;
}

void make_folder(const std::filesystem::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) == 0) return;
  if (folder.has_relative_path()) make_folder(folder.parent_path());
  constexpr mode_t for_this_user = 0700;
  if (::mkdir(folder.c_str(), for_this_user) == 0) {
    set_mode(folder, for_this_user);
  } else if (errno != EEXIST) {
    throw system_failure("make the folder", folder, errno);
  }
}

}  // namespace

std::string text(const FileIdentity& identity) {
  const auto& [device, inode, birth_ns] = identity;
  // Some file systems get another device number with each mount.
  return birth_ns != 0 ? std::to_string(inode) + "@" + std::to_string(birth_ns)
                       : std::to_string(device) + ":" + std::to_string(inode);
}

void check_side_files(const std::filesystem::path& path) {
  struct stat status {};
  // Where a group shares a file of root's, whoever came first made those beside it.
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IWGRP) != 0) return;
  for (const char* const end : {"-wal", "-shm"}) {
    const std::filesystem::path file = path.string() + end;
    std::error_code unknown;
    if (std::filesystem::is_symlink(file, unknown)) {
      throw Error(ErrorCode::denied, file.string() +
                                         " is a symbolic link, which SQLite does not make; see who "
                                         "did, and remove it");
    }
    check_place(file);
  }
}

bool open_though_deleted(const std::filesystem::path& path) {
  using std::filesystem::directory_iterator;
  std::error_code unreadable;  // a process that ended meanwhile, or another user's
  const std::string deleted =
      std::filesystem::weakly_canonical(path, unreadable).string() + " (deleted)";  // proc(5)
  for (directory_iterator process("/proc", unreadable), end; process != end;
       process.increment(unreadable)) {
    const std::string name = process->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    for (directory_iterator file(process->path() / "fd", unreadable); file != end;
         file.increment(unreadable)) {
      if (std::filesystem::read_symlink(file->path(), unreadable) == deleted) return true;
    }
  }
  return false;
}

bool sees_all_processes() {
  std::error_code unreadable;
  // The kernel numbers its first namespace so, since 3.8 (PROC_PID_INIT_INO).
  return std::filesystem::read_symlink("/proc/self/ns/pid", unreadable) == "pid:[4026531836]";
}

MadeFile make_file(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  make_folder(folder);
  check_place(folder);
  // mknod(2) makes a file without opening it; SQLite would let everybody read the tokens in it.
  constexpr mode_t for_this_user = 0600;
  const bool is_new = ::mknod(path.c_str(), S_IFREG | for_this_user, 0) == 0;
  if (is_new) {
    set_mode(path, for_this_user);
  } else if (errno != EEXIST) {
    throw system_failure("make the file", path, errno);
  }
  check_place(path);
  check_side_files(path);
  const std::optional<FileIdentity> identity = identity_of(path);
  if (!identity) throw system_failure("look at", path, errno);
  if (!std::filesystem::is_regular_file(path)) {
    throw Error(ErrorCode::corrupt_record,
                path.string() + " is not an ordinary file; choose another path");
  }
  return {*identity, is_new};
}

}  // namespace workerid::detail::sqlite
