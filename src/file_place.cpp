// SPDX-License-Identifier: MIT
#include "file_place.hpp"

#include "system_error.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <system_error>
#include <unistd.h>

namespace workerid::detail {

namespace {

std::optional<FileIdentity> identity_of(int folder, const char* path, int flags) {
  struct statx status {};
  if (::statx(folder, path, flags, STATX_INO | STATX_BTIME, &status) != 0) return std::nullopt;
  FileIdentity identity{::gnu_dev_makedev(status.stx_dev_major, status.stx_dev_minor),
                        status.stx_ino};
  if ((status.stx_mask & STATX_BTIME) != 0) {
    identity.birth_ns = status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec;
  }
  return identity;
}

// Root may do what it wants anyway.
bool of_another_user(std::uint32_t owner) noexcept {
  return owner != 0 && owner != ::geteuid();
}

std::string another_user(std::uint32_t owner) {
  return "another user (uid " + std::to_string(owner) + ")";
}

void check_owner_of_link(const std::filesystem::path& link) {
  struct stat status {};
  if (::lstat(link.c_str(), &status) != 0 || !of_another_user(status.st_uid)) return;
  throw Error(ErrorCode::denied, link.string() + " is a symbolic link that " +
                                     another_user(status.st_uid) +
                                     " made; name the file that it leads to");
}

}  // namespace

std::optional<FileIdentity> identity_of(const std::filesystem::path& path) {
  return identity_of(AT_FDCWD, path.c_str(), 0);
}

std::optional<FileIdentity> identity_of(int descriptor) {
  return identity_of(descriptor, "", AT_EMPTY_PATH);
}

std::filesystem::path without_links(const std::filesystem::path& path) {
  constexpr int most_links = 40;  // as the kernel follows
  std::filesystem::path whole = std::filesystem::absolute(path);
  std::error_code missing;
  for (int links = 0; std::filesystem::is_symlink(whole, missing); ++links) {
    if (links == most_links) {
      throw Error(ErrorCode::invalid_argument,
                  path.string() + ": its symbolic links lead in a circle; name a file");
    }
    check_owner_of_link(whole);
    whole = whole.parent_path() / std::filesystem::read_symlink(whole, missing);
  }
  const auto folder = std::filesystem::weakly_canonical(whole.parent_path(), missing);
  return missing ? whole : folder / whole.filename();
}

std::optional<UnfitPlace> unfit_place(const std::filesystem::path& path) {
  struct statfs system {};
  struct statx status {};
  if (::statfs(path.c_str(), &system) != 0 ||
      ::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE | STATX_NLINK | STATX_UID, &status) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throw Error(code_of_system_error(errno),
                "cannot find the file system of " + path.string() + ": " + system_text(errno));
  }
  const std::string_view kind = unfit_file_system(static_cast<std::uint32_t>(system.f_type));
  if (!kind.empty()) {
    return UnfitPlace{"it is on a file system of the kind " + std::string{kind} +
                          ", which other machines may share: their locks may not be seen here, and "
                          "their boot clocks differ",
                      "use a local file system"};
  }
  if (!S_ISREG(status.stx_mode)) return std::nullopt;
  if (of_another_user(status.stx_uid)) {
    return UnfitPlace{"it belongs to " + another_user(status.stx_uid) +
                          ", who can change what it says and whether it may be read",
                      "run as that user, use a file of this one's own, or let root own it",
                      ErrorCode::denied};
  }
  // By another name, the files beside it are other ones. Linux before 5.8 does not tell.
  if ((status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    return UnfitPlace{"it is a mount point itself, so it has another name elsewhere",
                      "mount the folder, not the file"};
  }
  if (status.stx_nlink > 1) {
    return UnfitPlace{"it has " + std::to_string(status.stx_nlink) + " names (hard links)",
                      "keep one of them and remove the others"};
  }
  return std::nullopt;
}

void check_place(const std::filesystem::path& path) {
  const auto unfit = unfit_place(path);
  if (!unfit) return;
  throw Error(unfit->code, path.string() + ": " + unfit->reason + "; " + unfit->remedy);
}

std::string_view unfit_file_system(std::uint32_t magic) noexcept {
  struct FileSystem {
    std::uint32_t magic;
    std::string_view name;
  };
  static constexpr std::array<FileSystem, 26> unfit{{
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
      {0x61636673, "ACFS"},
      {0xa501fcf5, "VxFS"},
      {0xbeefdead, "StorNext"},
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

}  // namespace workerid::detail
