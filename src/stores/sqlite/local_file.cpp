// SPDX-License-Identifier: MIT
#include "local_file.hpp"

#include "database.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <system_error>

namespace workerid::detail::sqlite {

namespace {

Error system_failure(const std::string& doing, const std::filesystem::path& path, int error) {
  return {code_of_system_error(error),
          "cannot " + doing + " " + path.string() + ": " + std::generic_category().message(error)};
}

void make_folder(const std::filesystem::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) == 0) return;
  if (folder.has_relative_path()) make_folder(folder.parent_path());
  constexpr mode_t for_this_user = 0700;
  if (::mkdir(folder.c_str(), for_this_user) != 0 && errno != EEXIST) {
    throw system_failure("make the folder", folder, errno);
  }
}

void refuse_unfit_file_system(const std::filesystem::path& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) {
    throw system_failure("find the file system of", path, errno);
  }
  const std::string_view name = unfit_file_system(static_cast<std::uint32_t>(status.f_type));
  if (name.empty()) return;
  throw Error(ErrorCode::unsupported_server,
              path.string() + " is on a file system of the kind " + std::string{name} +
                  ", which other machines may share; their boot clocks differ, and SQLite's "
                  "locks and shared memory do not hold there; use a local file system");
}

}  // namespace

std::string FileIdentity::text() const {
  // Some file systems get another device number with each mount.
  return birth_ns != 0 ? std::to_string(inode) + "@" + std::to_string(birth_ns)
                       : std::to_string(device) + ":" + std::to_string(inode);
}

std::optional<FileIdentity> identity_of(const std::filesystem::path& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &status) != 0) {
    return std::nullopt;
  }
  FileIdentity identity{::gnu_dev_makedev(status.stx_dev_major, status.stx_dev_minor),
                        status.stx_ino};
  if ((status.stx_mask & STATX_BTIME) != 0) {
    identity.birth_ns = status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec;
  }
  return identity;
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

MadeFile make_file(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  make_folder(folder);
  refuse_unfit_file_system(folder);
  // mknod(2) makes a file without opening it; SQLite would let everybody read the tokens in it.
  constexpr mode_t for_this_user = S_IFREG | 0600;
  const bool is_new = ::mknod(path.c_str(), for_this_user, 0) == 0;
  if (!is_new && errno != EEXIST) {
    throw system_failure("make the file", path, errno);
  }
  refuse_unfit_file_system(path);
  const std::optional<FileIdentity> identity = identity_of(path);
  if (!identity) throw system_failure("look at", path, errno);
  if (!std::filesystem::is_regular_file(path)) {
    throw Error(ErrorCode::corrupt_record,
                path.string() + " is not an ordinary file; choose another path");
  }
  return {*identity, is_new};
}

std::string_view unfit_file_system(std::uint32_t magic) noexcept {
  struct FileSystem {
    std::uint32_t magic;
    std::string_view name;
  };
  static constexpr std::array<FileSystem, 23> unfit{{
      {0x00006969, "NFS"},
      {0x0000517b, "SMB"},
      {0xfe534d42, "SMB2"},
      {0xff534d42, "CIFS"},
      {0x0000564c, "NCP"},
      {0x01021997, "9P"},
      {0x65735546, "FUSE"},
      {0x6a656a63, "virtiofs"},
      {0x00c36400, "Ceph"},
      {0x0bd00bd0, "Lustre"},
      {0x47504653, "GPFS"},
      {0x01161970, "GFS2"},
      {0x7461636f, "OCFS2"},
      {0x5346414f, "AFS"},
      {0x6b414653, "AFS"},
      {0x73757245, "Coda"},
      {0x20030528, "OrangeFS"},
      {0x19830326, "BeeGFS"},
      {0xaad7aaea, "PanFS"},
      {0xbacbacbc, "VMware shared folders"},
      {0x786f4256, "VirtualBox shared folders"},
      {0x7c7c6673, "Parallels shared folders"},
      {0x013111a8, "IBRIX"},
  }};
  for (const FileSystem& file_system : unfit) {
    if (file_system.magic == magic) return file_system.name;
  }
  return {};
}

}  // namespace workerid::detail::sqlite
