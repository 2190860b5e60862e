// SPDX-License-Identifier: MIT
//
// What only the SQLite store does: whose file it is, and whose clock. The rest is in
// tests/conformance, what breaks in tests/faults.
#include "support/sqlite_store_test.hpp"

#include "stores/sqlite/local_file.hpp"
#include "stores/sqlite/machine.hpp"
#include "support/forked_process.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <variant>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

using SqliteStore = SqliteStoreTest;

// How many transactions the log of an open database holds: frames that end one say how large the
// database is then.
std::size_t commits(const std::filesystem::path& database) {
  std::ifstream file(database.string() + "-wal", std::ios::binary);
  const std::string log{std::istreambuf_iterator<char>(file), {}};
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t byte = at; byte < at + 4; ++byte) {
      value = value << 8U | static_cast<unsigned char>(log.at(byte));
    }
    return value;
  };
  constexpr std::size_t header = 32;
  constexpr std::size_t frame_header = 24;
  std::size_t count = 0;
  for (std::size_t frame = header; frame < log.size(); frame += frame_header + number(8)) {
    if (number(frame + 4) != 0 && log.substr(frame + 8, 8) == log.substr(16, 8)) ++count;
  }
  return count;
}

mode_t permissions(const std::filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777U;
}

// Counts the steps of SQLite's machine, by statements of connections that are opened from now on.
std::atomic<int> steps = 0;

int count_steps(sqlite3* connection, char**, const sqlite3_api_routines*) {
  const auto add = [](unsigned, void*, void* statement, void*) {
    steps +=
        sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
  };
  return sqlite3_trace_v2(connection, SQLITE_TRACE_PROFILE, add, nullptr);
}

// An operation that looks at every record would take more.
TEST_F(SqliteStore, OperationsTakeAsManyStepsInAnyPool) {
  ASSERT_EQ(sqlite3_auto_extension(reinterpret_cast<void (*)()>(&count_steps)), SQLITE_OK);
  const auto steps_of = [](const auto& operation) {
    steps = 0;
    operation();
    return steps.load();
  };
  std::vector<std::vector<int>> counts;
  for (const WorkerId size : {WorkerId{8}, WorkerId{128}}) {
    path = directory.path() / (std::to_string(size) + ".db");
    configuration = {1, size, 10min, 5min, 0ms};
    const auto store = open();
    for (WorkerId count = 2; count < size; ++count) acquire(*store);
    AcquireRequest held = request();
    const Grant grant = store->acquire(held, timeout);
    std::vector<int>& each = counts.emplace_back();
    each.push_back(steps_of([&] { acquire(*store); }));
    each.push_back(
        steps_of([&] { expect_error(ErrorCode::no_available_id, [&] { acquire(*store); }); }));
    each.push_back(steps_of([&] { renew(*store, grant.worker_id, held.token); }));
    each.push_back(steps_of([&] { release(*store, grant.worker_id, held.token); }));
    each.push_back(steps_of([&] { acquire(*store); }));
  }
  sqlite3_reset_auto_extension();
  EXPECT_EQ(counts.at(0), counts.at(1));
  EXPECT_GT(counts.at(0).at(0), 0);
}

TEST_F(SqliteStore, FileAndFolderAreForThisUserAlone) {
  path = directory.path() / "state" / "workerid" / "leases.db";
  const auto store = open();
  acquire(*store);
  EXPECT_EQ(permissions(path), 0600U);
  EXPECT_EQ(permissions(path.string() + "-wal"), 0600U);
  EXPECT_EQ(permissions(path.string() + "-shm"), 0600U);
  EXPECT_EQ(permissions(directory.path() / "state"), 0700U);
  EXPECT_EQ(permissions(directory.path() / "state" / "workerid"), 0700U);
}

TEST_F(SqliteStore, SeveralRenewalsAreOneTransaction) {
  const auto store = open();
  std::vector<RenewRequest> requests;
  for (int count = 0; count < 20; ++count) {
    const AcquireRequest acquisition = request();
    const Grant grant = store->acquire(acquisition, timeout);
    requests.push_back({"c", grant.worker_id, acquisition.token, Renewal::resume, {}});
  }
  requests[7].token = Token::random();  // refused
  const std::size_t before = commits(path);
  const auto answers = store->renew_all(requests, timeout);
  EXPECT_EQ(commits(path), before + 1);
  for (std::size_t index = 0; index < answers.size(); ++index) {
    EXPECT_EQ(std::holds_alternative<Grant>(answers[index]), index != 7) << index;
  }
}

// One record that cannot be read is one failure: the others are renewed.
TEST_F(SqliteStore, ADamagedRecordFailsAloneAmongSeveralRenewals) {
  const auto store = open();
  std::vector<RenewRequest> requests;
  for (int count = 0; count < 3; ++count) {
    const AcquireRequest acquisition = request();
    const Grant grant = store->acquire(acquisition, timeout);
    requests.push_back({"c", grant.worker_id, acquisition.token, Renewal::held, {}});
  }
  run("UPDATE records SET epoch = 'no number' WHERE worker_id = " +
      std::to_string(requests[1].worker_id));
  const auto answers = store->renew_all(requests, timeout);
  EXPECT_TRUE(std::holds_alternative<Grant>(answers.at(0)));
  EXPECT_EQ(std::get<Error>(answers.at(1)).error_code(), ErrorCode::corrupt_record);
  EXPECT_TRUE(std::holds_alternative<Grant>(answers.at(2)));
}

TEST_F(SqliteStore, PathIsTakenAsItStands) {
  for (const char* name : {"a b", "x?mode=memory", "100%25#1", ":memory:", "\xc3\xa9'\""}) {
    path = directory.path() / name;
    acquire(*open());
    EXPECT_TRUE(std::filesystem::exists(path)) << name;
    EXPECT_EQ(open()->description(), "sqlite:" + path.string());
  }
}

TEST_F(SqliteStore, RelativePathStaysTheSameFile) {
  const std::filesystem::path former = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  const auto store = open_sqlite_store("leases.db");
  std::filesystem::current_path(former);
  acquire(*store);
  EXPECT_EQ(store->description(), "sqlite:" + path.string());
  EXPECT_EQ(recorded(*open()), 1U);
}

TEST_F(SqliteStore, RefusesAPathThatNamesNoFile) {
  const auto refused = [](const std::filesystem::path& wrong, const char* why) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { open_sqlite_store(wrong); }, why);
  };
  refused("", "names no file");
  refused("/tmp/", "names no file");
  refused(std::string("/tmp/a\0b", 8), "control character 0");
  refused("/tmp/a\n", "control character 10");
  refused("/tmp/" + std::string(500, 'a'), "has 505 bytes; at most 504");
}

// The log and the shared memory stand beside each name: by another one a process would see others.
TEST_F(SqliteStore, RefusesAFileOfSeveralNames) {
  const auto store = open();
  const AcquireRequest held = request();
  store->acquire(held, timeout);
  const auto other = directory.path() / "other" / "leases.db";
  std::filesystem::create_directory(other.parent_path());
  std::filesystem::create_hard_link(path, other);
  for (const auto& name : {path, other}) {
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { open_sqlite_store(name); }, name.string(),
        "2 names (hard links)");
  }
  EXPECT_EQ(renew(*store, 1, held.token).worker_id, 1) << "whoever has it open goes on";
  std::filesystem::remove(other);
  EXPECT_EQ(acquire(*open()).worker_id, 2);
}

TEST_F(SqliteStore, FollowsSymbolicLinksBeforeItNamesTheFilesBesideIt) {
  const auto link = directory.path() / "links" / "leases.db";
  std::filesystem::create_directory(link.parent_path());
  std::filesystem::create_symlink("../leases.db", link);
  const auto by_link =
      open_sqlite_store(link, clock);  // which leads to a file that is not there yet
  EXPECT_EQ(acquire(*by_link).worker_id, 1);
  const auto store = open();
  EXPECT_EQ(acquire(*store).worker_id, 2);
  EXPECT_EQ(acquire(*by_link).worker_id, 3);
  EXPECT_EQ(by_link->description(), store->description());
  EXPECT_TRUE(std::filesystem::exists(path.string() + "-wal"));
  EXPECT_FALSE(std::filesystem::exists(link.string() + "-wal"));
}

// Whoever may write to the folder would choose what SQLite writes to.
TEST_F(SqliteStore, RefusesASymbolicLinkBesideTheFile) {
  acquire(*open());
  std::filesystem::create_symlink("planted", path.string() + "-wal");
  expect_error_naming(
      ErrorCode::denied, [&] { open(); }, path.string() + "-wal", "symbolic link");
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "planted"));
  std::filesystem::remove(path.string() + "-wal");
  EXPECT_EQ(acquire(*open()).worker_id, 2);
}

TEST_F(SqliteStore, FilesHaveTheirModesWhateverTheUmask) {
  path = directory.path() / "state" / "leases.db";
  ForkedProcess child([this] {
    for (const mode_t umask : {0377U, 0777U, 0U}) {
      ::umask(umask);
      const auto store = open();
      acquire(*store);
      const auto mode = [](const std::filesystem::path& file) {
        return static_cast<unsigned>(std::filesystem::status(file).permissions());
      };
      EXPECT_EQ(mode(path.parent_path()), 0700U);
      for (const char* const end : {"", "-wal", "-shm"}) {
        EXPECT_EQ(mode(path.string() + end), 0600U) << end << ", umask " << umask;
      }
      EXPECT_EQ(recorded(*open()), 1U) << "it can be opened again";
      std::filesystem::remove_all(path.parent_path());
    }
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), ExitStatus{});
}

// Whoever can write to the file may put anything there; it is not read to its end.
TEST_F(SqliteStore, RefusesAValueThatIsLongerThanItWrites) {
  const auto store = open();
  acquire(*store);
  for (const char* const where : {"records SET owner", "records SET instance",
                                  "clusters SET incarnation", "machine SET machine_id"}) {
    run("UPDATE " + std::string{where} + " = printf('%.*c', 20000000, 'x')");
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { open()->inspect("c", timeout); },
        "longer than this library writes");
    run("UPDATE " + std::string{where} + " = ''");
  }
}

TEST_F(SqliteStore, SaysThatADeletedFileTakesItsTimestampsWithIt) {  // G13
  const Guarantee guarantee = open()->guarantee(timeout);
  EXPECT_EQ(guarantee.timestamps, GuaranteeLevel::conditional);
  EXPECT_NE(guarantee.reasons.at(2).find("wall clock"), std::string::npos);
}

TEST_F(SqliteStore, WallClockStepsChangeNothing) {
  const auto manual = std::make_shared<testing::ManualClock>();
  clock = manual;
  configuration = {1, 1, 10s, 5s, 1s};
  const auto store = open();
  const AcquireRequest mine = request();
  store->acquire(mine, timeout);
  for (const auto step : {std::chrono::milliseconds{240h}, std::chrono::milliseconds{-480h}}) {
    manual->step_wall(step);
    const Error error = expect_error(ErrorCode::no_available_id, [&] { acquire(*store); });
    EXPECT_EQ(error.retry_after(), 15s);
    EXPECT_EQ(store->inspect("c", timeout)->leases.at(0).lease_left, 10s);
  }
  manual->advance(9999ms);
  renew(*store, 1, mine.token, Renewal::strict);
  manual->advance(10s);
  expect_error(ErrorCode::token_expired, [&] { renew(*store, 1, mine.token, Renewal::strict); });
}

TEST_F(SqliteStore, RebootFreesEveryIdAtOnce) {
  const auto manual = std::make_shared<testing::ManualClock>();
  clock = manual;
  configuration = {1, 3, 10s, 5s, 1s};
  std::vector<Grant> before;
  std::vector<Token> tokens;
  {
    const auto store = open();
    for (int i = 0; i < 3; ++i) {
      const AcquireRequest mine = request();
      before.push_back(store->acquire(mine, timeout));
      tokens.push_back(mine.token);
      manual->advance(1s);
    }
    renew(*store, 1, tokens.at(0));  // 2 now comes free before 3, and 3 before 1
    expect_error(ErrorCode::no_available_id, [&] { acquire(*store); });
  }
  run("UPDATE machine SET boot_id = 'the former one'");

  const auto store = open();
  EXPECT_EQ(store->inspect("c", timeout)->count(LeaseState::free), 3);
  expect_error(ErrorCode::token_expired, [&] { renew(*store, 2, tokens.at(1), Renewal::strict); });
  for (const WorkerId expected : {2, 3, 1}) {  // G6
    const Grant after = acquire(*store);
    EXPECT_EQ(after.worker_id, expected);
    for (const Grant& grant : before) EXPECT_GT(after.epoch, grant.epoch);  // G4
    const Grant& former = before.at(static_cast<std::size_t>(expected - 1));
    EXPECT_GT(after.reserved.first_ms, former.reserved.last_ms);  // G8
    expect_error(ErrorCode::token_mismatch, [&] {
      renew(*store, expected, tokens.at(static_cast<std::size_t>(expected - 1)));
    });
  }
  EXPECT_EQ(run("SELECT boot_id FROM machine"), detail::sqlite::this_machine().boot_id);
}

TEST_F(SqliteStore, RefusesTheFileOfAnotherMachine) {
  acquire(*open());
  run("UPDATE machine SET boot_id = 'b', machine_id = 'another-machine'");
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { open(); }, "another-machine",
      detail::sqlite::this_machine().machine_id, "use another path");
  EXPECT_EQ(run("SELECT boot_id, machine_id FROM machine"), "b|another-machine");
}

TEST_F(SqliteStore, ServesContainersOfOneKernel) {
  acquire(*open());
  run("UPDATE machine SET machine_id = 'that of a container'");
  EXPECT_EQ(acquire(*open()).worker_id, 2);
}

TEST_F(SqliteStore, RefusesAnotherTimeNamespace) {
  const auto store = open();
  run("UPDATE machine SET boottime_offset_ns = boottime_offset_ns + 1234");
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { open(); }, "time namespace", "1234");
  expect_error(ErrorCode::unsupported_server, [&] { acquire(*store); });
}

TEST_F(SqliteStore, RefusesAFilePutBackWhileInUse) {
  const auto store = open();
  run("UPDATE machine SET boot_id = 'that of the copy'");
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { acquire(*store); }, "put back");
  EXPECT_EQ(run("SELECT count(*) FROM records"), "0");
}

TEST_F(SqliteStore, RefusesAnUnknownSchemaVersion) {
  acquire(*open());
  run("PRAGMA user_version = 7");
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { open(); }, "schema version 7", "knows version 3");
}

TEST_F(SqliteStore, LeavesAnotherProgramsDatabaseAlone) {
  run("CREATE TABLE bookmarks (url TEXT)");
  const std::string before = read_file(path);
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { open(); }, "another program's database");
  EXPECT_EQ(read_file(path), before);

  run("PRAGMA application_id = 42; DROP TABLE bookmarks");
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { open(); }, "application ID 42");
}

TEST_F(SqliteStore, LeavesAFileThatIsNoDatabaseAlone) {
  const std::string text(5000, 'x');
  std::ofstream(path) << text;
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { open(); }, "not a database", path.string());
  EXPECT_EQ(read_file(path), text);

  path = directory.path();
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { open(); }, "not an ordinary file");
}

TEST_F(SqliteStore, RefusesRecordsThatItDidNotWrite) {
  const auto store = open();
  const AcquireRequest mine = request();
  store->acquire(mine, timeout);
  const auto refused = [&](const char* change, const char* what) {
    run(change);
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { renew(*store, 1, mine.token); }, what);
  };
  refused("UPDATE records SET epoch = 'seven'", "epoch is no integer");
  refused("UPDATE records SET epoch = 7, token = 'short'", "token is damaged");
  refused("DELETE FROM machine", "machine is missing");
  refused("DROP TABLE machine", "no such table: machine");
}

// Permissions do not bind root, so the child becomes somebody else.
ExitStatus as_ordinary_user(const std::function<int()>& body) {
  return ForkedProcess([&] {
           constexpr uid_t nobody = 65534;
           if (::geteuid() == 0 && ::setuid(nobody) != 0) return 101;
           return body();
         })
      .wait();
}

TEST_F(SqliteStore, SaysWhichPermissionIsMissing) {
  acquire(*open());
  const auto expect_denied = [this] {
    const ExitStatus status = as_ordinary_user([this] {
      expect_error_naming(
          ErrorCode::denied, [this] { open(); }, directory.path().string());
      return HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(status, ExitStatus{}) << path;
  };
  using std::filesystem::perms;
  const auto allow = [](const std::filesystem::path& what, perms mode) {
    std::filesystem::permissions(what, mode);
  };
  const std::filesystem::path folder = directory.path();
  allow(folder, perms{0755});
  allow(path, perms{0444});
  expect_denied();  // the file can be read but not written

  allow(path, perms{0666});
  std::filesystem::remove(path.string() + "-wal");
  std::filesystem::remove(path.string() + "-shm");
  allow(folder, perms{0555});
  expect_denied();  // no place for -wal and -shm

  path = folder / "new.db";
  expect_denied();  // no place for the file
  path = folder / "new" / "new.db";
  expect_denied();  // no place for its folder
  path = folder / "leases.db";
  allow(folder, perms{0000});
  expect_denied();  // the folder cannot be entered
  allow(folder, perms{0700});
}

TEST_F(SqliteStore, ManyProcessesMakeTheFileAtOnce) {
  path = directory.path() / "not" / "yet" / "leases.db";
  constexpr int count = 16;
  std::vector<std::unique_ptr<ForkedProcess>> processes;
  processes.reserve(count);
  for (int i = 0; i < count; ++i) {
    processes.push_back(std::make_unique<ForkedProcess>([this] {
      ::raise(SIGSTOP);
      return static_cast<int>(acquire(*open()).worker_id);
    }));
  }
  for (const auto& process : processes) process->wait_until_stopped();
  for (const auto& process : processes) process->signal(SIGCONT);
  std::vector<int> worker_ids;
  worker_ids.reserve(count);
  for (const auto& process : processes) {
    const ExitStatus status = process->wait();
    EXPECT_EQ(status.signal, 0);
    worker_ids.push_back(status.code);
  }
  std::sort(worker_ids.begin(), worker_ids.end());
  for (int i = 0; i < count; ++i) EXPECT_EQ(worker_ids.at(static_cast<std::size_t>(i)), i + 1);
}

// SQLite in a child remembers the locks that only its parent has. A child's commits were lost when
// the parent ended.
TEST_F(SqliteStore, ChildOfForkOpensTheFileAnew) {
  auto store = open();
  const AcquireRequest first = request();
  const AcquireRequest second = request();
  const AcquireRequest third = request();
  store->acquire(first, timeout);
  ForkedProcess child([&] {
    expect_error(ErrorCode::invalid_argument, [&] { acquire(*store); });  // G11
    const auto own = open();
    own->acquire(second, timeout);
    store.reset();
    ::raise(SIGSTOP);
    own->acquire(third, timeout);
    return HasFailure() ? 1 : 0;
  });
  child.wait_until_stopped();
  EXPECT_EQ(renew(*store, 1, first.token).worker_id, 1);  // the child took nothing from its parent
  store.reset();
  run("PRAGMA wal_checkpoint(TRUNCATE); UPDATE clusters SET next_fresh = next_fresh");
  child.signal(SIGCONT);
  EXPECT_EQ(child.wait(), ExitStatus{});

  store = open();
  EXPECT_EQ(renew(*store, 1, first.token).worker_id, 1);
  EXPECT_EQ(renew(*store, 2, second.token).worker_id, 2);
  EXPECT_EQ(renew(*store, 3, third.token).worker_id, 3);
}

}  // namespace
}  // namespace workerid::tests
