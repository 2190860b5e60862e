// SPDX-License-Identifier: MIT
//
// Where a file lives, and whether its locks mean the same to all who can use it.
#include "file_place.hpp"

#include "support/expect_error.hpp"
#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace workerid::tests {
namespace {

namespace fs = std::filesystem;

TEST(UnfitFileSystem, NamesThoseThatMachinesShare) {
  EXPECT_EQ(detail::unfit_file_system(0x6969), "NFS");
  EXPECT_EQ(detail::unfit_file_system(0xff534d42), "CIFS");
  EXPECT_EQ(detail::unfit_file_system(0xfe534d42), "SMB2");
  EXPECT_EQ(detail::unfit_file_system(0x01021997), "9P");
  EXPECT_EQ(detail::unfit_file_system(0x65735546), "FUSE");
  EXPECT_EQ(detail::unfit_file_system(0x47504653), "GPFS");
  EXPECT_EQ(detail::unfit_file_system(0x0bd00bd0), "Lustre");
  EXPECT_EQ(detail::unfit_file_system(0x00c36400), "Ceph");
  EXPECT_EQ(detail::unfit_file_system(0x61636673), "ACFS");
  EXPECT_EQ(detail::unfit_file_system(0xa501fcf5), "VxFS");
  EXPECT_EQ(detail::unfit_file_system(0xbeefdead), "StorNext");
}

TEST(UnfitFileSystem, LeavesLocalOnesAlone) {
  // ext4, tmpfs, overlayfs, xfs, btrfs, zfs
  for (const std::uint32_t magic :
       {0xef53U, 0x01021994U, 0x794c7630U, 0x58465342U, 0x9123683eU, 0x2fc12fc1U}) {
    EXPECT_EQ(detail::unfit_file_system(magic), "") << magic;
  }
}

class FilePlace : public ::testing::Test {
 protected:
  FilePlace() { std::ofstream{file} << "content"; }

  TemporaryDirectory directory;
  fs::path file = directory.path() / "file";
};

TEST_F(FilePlace, OfAnOrdinaryFileIsFit) {
  EXPECT_FALSE(detail::unfit_place(file));
  EXPECT_FALSE(detail::unfit_place(directory.path()));
  EXPECT_FALSE(detail::unfit_place(directory.path() / "missing"));
  EXPECT_NO_THROW(detail::check_place(file));
}

TEST_F(FilePlace, OfAFileOfSeveralNamesIsNot) {
  fs::create_hard_link(file, directory.path() / "other");
  const auto unfit = detail::unfit_place(file);
  ASSERT_TRUE(unfit);
  EXPECT_EQ(unfit->reason, "it has 2 names (hard links)");
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { detail::check_place(file); }, file.string(),
      "remove the others");
}

TEST_F(FilePlace, ThatCannotBeToldIsRefused) {
  expect_error(ErrorCode::unavailable, [&] { detail::check_place(file / "below a file"); });
}

TEST_F(FilePlace, IsKnownByNameAndByDescriptor) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  EXPECT_TRUE(detail::identity_of(file));
  EXPECT_EQ(detail::identity_of(descriptor), detail::identity_of(file));
  fs::copy_file(file, directory.path() / "copy");
  EXPECT_NE(detail::identity_of(descriptor), detail::identity_of(directory.path() / "copy"));
  ::close(descriptor);
  EXPECT_FALSE(detail::identity_of(directory.path() / "missing"));
}

TEST_F(FilePlace, HasOneNameWithoutLinks) {
  const fs::path folder = directory.path() / "folder";
  fs::create_directory(folder);
  fs::create_directory_symlink(folder, directory.path() / "by link");
  fs::create_symlink("../file", folder / "link");
  fs::create_symlink("link", folder / "second");
  fs::create_symlink("../missing", folder / "dangling");
  const fs::path whole = fs::canonical(directory.path());
  EXPECT_EQ(detail::without_links(file), whole / "file");
  EXPECT_EQ(detail::without_links(folder / "link"), whole / "file");
  EXPECT_EQ(detail::without_links(directory.path() / "by link" / "second"), whole / "file");
  EXPECT_EQ(detail::without_links(folder / "dangling"), whole / "missing");
  EXPECT_EQ(detail::without_links(folder / "no" / "such"), whole / "folder" / "no" / "such");
  fs::create_symlink("circle", folder / "circle");
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { detail::without_links(folder / "circle"); }, "circle");
}

}  // namespace
}  // namespace workerid::tests
