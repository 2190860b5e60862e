// SPDX-License-Identifier: MIT
//
// workerid doctor on a SQLite file and on the memory store: each hazard that it names is there, and is
// found.
#include "cli/doctor_report.hpp"
#include "support/sqlite_file.hpp"
#include "support/temporary_directory.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace workerid::tests {
namespace {

namespace fs = std::filesystem;

class DoctorOfSqlite : public ::testing::Test {
 protected:
  Report report(std::vector<std::string> more = {"--seconds", "0"}) const {
    return report_of(tool, std::move(more));
  }

  void take(int count, const std::string& last = "1000") const {
    for (int taken = 0; taken < count; ++taken) {
      ASSERT_EQ(tool({"get", "--max", last}).status, ExitStatus{});
    }
  }

  void run(const std::string& sql) const { SqliteFile{path}.run(sql); }

  void remove_log() const {
    for (const char* const end : {"-wal", "-shm"}) fs::remove(path.string() + end);
  }

  // As a user without privileges, whoever runs the test.
  Report report_as_ordinary_user() const {
    if (::geteuid() != 0) return report();
    const fs::path copy = directory.path() / "workerid";
    fs::copy_file(WORKERID_TOOL_PATH, copy, fs::copy_options::skip_existing);
    Process doctor({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "doctor",
                    "--seconds", "0", "--output", "json"},
                   tool.environment());
    return parsed_report(result_of(doctor));
  }

  // On another kind of file system, or a full one, as far as the tool sees.
  Report report_on(const Environment& file_system) const {
    Environment more = file_system;
    more.emplace_back("LD_PRELOAD", WORKERID_STRANGE_FILE_SYSTEM);
    more.emplace_back("ASAN_OPTIONS", "verify_asan_link_order=0");
    return parsed_report(tool({"doctor", "--output", "json", "--seconds", "0"}, more));
  }

  TemporaryDirectory directory;
  fs::path path = directory.path() / "state" / "leases.db";
  Tool tool{"sqlite:" + path.string(), "jobs"};
};

TEST_F(DoctorOfSqlite, AFileInOrderHasNoWarning) {
  take(1);
  const Report found = report({"--seconds", "1"});
  EXPECT_EQ(found.exit_code, 0) << found.json.dump(1);
  for (const char* const topic : {"space", "permissions", "data", "journal mode", "boot", "cluster",
                                  "hold-back", "fill", "forecast"}) {
    EXPECT_TRUE(found.find(topic, "ok")) << topic << ": " << found.json.dump(1);
  }
  expect_nothing_wrong(found, "file system");
  expect_finding(found, "note", "guarantee", {"timestamps conditional"});
}

TEST_F(DoctorOfSqlite, AMissingFileIsNotMade) {
  const Report found = report();
  EXPECT_EQ(found.exit_code, 0) << found.json.dump(1);
  expect_finding(found, "note", "file", {"does not exist"});
  EXPECT_FALSE(fs::exists(path.parent_path()));
}

TEST_F(DoctorOfSqlite, FindsThatItIsNoDatabase) {
  fs::create_directory(path.parent_path());
  std::ofstream{path} << std::string(10'000, 'x');
  const Report found = report();
  EXPECT_EQ(found.exit_code, 97);
  expect_finding(found, "error", "data", {"not a database"});
  EXPECT_EQ(fs::file_size(path), 10'000U);
}

TEST_F(DoctorOfSqlite, FindsAnotherProgramsDatabase) {
  fs::create_directory(path.parent_path());
  run("CREATE TABLE anything (a)");
  expect_finding(report(), "error", "cluster", {"another program's database"});
}

TEST_F(DoctorOfSqlite, FindsADamagedFile) {
  take(20);
  run("PRAGMA wal_checkpoint(TRUNCATE)");
  remove_log();
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(static_cast<std::size_t>(fs::file_size(path)) - 4096, '\x55');
  }
  const Report found = report();
  EXPECT_EQ(found.exit_code, 97);
  expect_finding(found, "error", "data", {"damaged", "good copy"});
}

TEST_F(DoctorOfSqlite, FindsADamagedRecord) {
  take(1);
  run("UPDATE records SET lease_end_ms = -9000000000000000000");
  expect_finding(report(), "error", "cluster", {"corrupt record"});
}

TEST_F(DoctorOfSqlite, FindsAnotherJournalMode) {
  take(1);
  run("PRAGMA journal_mode = DELETE");
  const Report found = report();
  expect_finding(found, "warning", "journal mode", {"delete, not wal", "journal_mode = WAL"});
  expect_finding(report(), "ok", "journal mode", {"wal"});
}

TEST_F(DoctorOfSqlite, FindsAFileThatCannotBeWritten) {
  take(1);
  fs::permissions(directory.path(), fs::perms{0755});
  fs::permissions(path.parent_path(), fs::perms{0755});
  fs::permissions(path, fs::perms{0444});
  const Report found = report_as_ordinary_user();
  EXPECT_EQ(found.exit_code, 97);
  expect_finding(found, "error", "permissions", {"cannot", "chmod"});
  expect_finding(found, "warning", "permissions", {"mode 0444", "chmod o-rwx"});
  fs::permissions(path.parent_path(), fs::perms{0755});
}

TEST_F(DoctorOfSqlite, FindsANetworkFileSystem) {
  take(1);
  const Report found = report_on({{"STRANGE_KIND", "0x6969"}});
  EXPECT_EQ(found.exit_code, 97);
  expect_finding(found, "error", "file system", {"NFS", "local file system"});
  expect_finding(found, "note", "cluster", {"not looked at"});
  expect_finding(report_on({{"STRANGE_KIND", "0x01021994"}}), "note", "file system", {"tmpfs"});
}

// Its lock would not be seen by another machine, whose process might be the former one.
TEST_F(DoctorOfSqlite, AnIdentityFileOnANetworkFileSystemIsRefusedLikeTheStoresFile) {
  const fs::path identity = directory.path() / "identity";
  for (const std::string kind : {"0x6969", "0x61636673", "0xa501fcf5"}) {
    const Environment file_system{{"STRANGE_KIND", kind},
                                  {"LD_PRELOAD", WORKERID_STRANGE_FILE_SYSTEM},
                                  {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
    const Result refused = Tool{"redis://127.0.0.1:1"}(
        {"run", "--identity-file", identity, "--", "true"}, file_system);
    EXPECT_EQ(refused.status.code, 93) << refused.errors;
    EXPECT_NE(refused.errors.find("use a local file system"), std::string::npos) << refused.errors;
    EXPECT_FALSE(fs::exists(identity)) << "it is not made there";
    EXPECT_EQ(tool({"get"}, file_system).status.code, 93);
  }
}

TEST_F(DoctorOfSqlite, FindsASecondNameAndSaysWhereALinkLeads) {
  take(1);
  fs::create_hard_link(path, directory.path() / "other.db");
  expect_finding(report(), "error", "file system", {"2 names (hard links)", "remove the others"});
  fs::remove(directory.path() / "other.db");
  const fs::path link = directory.path() / "link.db";
  fs::create_symlink(path, link);
  const Report found = report_of(Tool{"sqlite:" + link.string(), "jobs"});
  EXPECT_EQ(found.exit_code, 0) << found.json.dump(1);
  expect_finding(found, "note", "file", {link.string() + " leads to " + path.string()});
}

TEST_F(DoctorOfSqlite, FindsThatTheDiskIsNearlyFull) {
  take(1);
  expect_finding(report_on({{"STRANGE_FREE", "20000000"}}), "warning", "space", {"20 MB"});
  expect_finding(report_on({{"STRANGE_FREE", "8192"}}), "error", "space", {"8.2 kB", "make room"});
}

TEST_F(DoctorOfSqlite, FindsAFolderThatEverybodyWrites) {
  take(1);
  fs::permissions(path.parent_path(), fs::perms{0777});
  expect_finding(report(), "warning", "permissions",
                 {"mode 0777", "replace the file", "chmod o-w"});
}

TEST_F(DoctorOfSqlite, KnowsThatTheMachineWasStartedAnew) {
  take(1);
  run("UPDATE machine SET boot_id = 'another'");
  expect_finding(report(), "note", "boot", {"before this machine started"});
}

TEST_F(DoctorOfSqlite, FindsTheFileOfAnotherMachine) {
  take(1);
  run("UPDATE machine SET boot_id = 'another', machine_id = 'another'");
  expect_finding(report(), "error", "boot", {"another machine"});
  expect_finding(report(), "note", "cluster", {"not looked at"});
}

TEST_F(DoctorOfSqlite, FindsThatAClusterIsNearlyFull) {
  take(9, "10");
  expect_finding(report(), "warning", "fill", {"9 of 10"});
}

TEST(DoctorOfMemory, SaysWhatItIs) {
  const Report found = report_of(Tool{"memory:"});
  EXPECT_EQ(found.exit_code, 0);
  expect_finding(found, "ok", "store", {"memory", "end with it"});
}

}  // namespace
}  // namespace workerid::tests
