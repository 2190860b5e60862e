// SPDX-License-Identifier: MIT
//
// The SQLite store among processes that are killed, stopped or in the way, on files that vanish and
// on disks that fill up.
#include "support/forked_process.hpp"
#include "support/process.hpp"
#include "support/sqlite_store_test.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

class SqliteFaults : public SqliteStoreTest {
 protected:
  using Processes = std::vector<std::unique_ptr<ForkedProcess>>;

  // Starts processes that all begin at once; `body` gets their number.
  static Processes start(int count, const std::function<int(int)>& body) {
    Processes processes;
    for (int number = 0; number < count; ++number) {
      processes.push_back(std::make_unique<ForkedProcess>([&body, number] {
        ::raise(SIGSTOP);
        return body(number);
      }));
    }
    for (const auto& process : processes) process->wait_until_stopped();
    for (const auto& process : processes) process->signal(SIGCONT);
    return processes;
  }

  void remove(const std::vector<std::string>& suffixes) const {
    for (const std::string& suffix : suffixes) std::filesystem::remove(path.string() + suffix);
  }

  // Another file of the store, all in one piece, with `cluster` c's worker ID 1 granted to `owner`.
  std::filesystem::path other_file(const std::string& owner) const {
    std::filesystem::path other = directory.path() / "other.db";
    AcquireRequest theirs = request();
    theirs.owner = owner;
    open_sqlite_store(other)->acquire(theirs, timeout);
    return other;
  }

  void expect_locked(Store& store) const {
    expect_error_naming(
        ErrorCode::unavailable, [&] { store.acquire(request(), 200ms); }, "database is locked",
        "stopped", path.string());
  }
};

TEST_F(SqliteFaults, KilledAtAnyMomentLosesNoGrantAndCorruptsNothing) {
  constexpr int rounds = 40;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  configuration = {1, 1'000'000, 1h, 1h, 0ms};

  // A line is written before the process goes on, so a kill loses none.
  const auto notes = [this](int number) {
    return directory.path() / ("notes-" + std::to_string(number));
  };
  const auto work = [&](int number) -> int {
    std::ofstream file(notes(number));
    const auto note = [&file](char what, const Grant& grant, const Token& token) {
      file << what << ' ' << grant.worker_id << ' ' << grant.epoch << ' ' << token.text() << '\n'
           << std::flush;
    };
    for (const auto store = open();;) {
      const AcquireRequest mine = request();
      const Grant grant = store->acquire(mine, timeout);
      note('+', grant, mine.token);
      renew(*store, grant.worker_id, mine.token);
      if (grant.epoch % 2 == 0) continue;
      note('-', grant, mine.token);  // from here on it may be released or not
      release(*store, grant.worker_id, mine.token);
    }
  };

  std::size_t checked = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int number = 0; number < 3; ++number) std::filesystem::remove(notes(number));
    {
      const auto processes = start(3, work);
      // Every second time not before one holds an ID: on a busy machine all might be killed before
      // they began.
      const auto limit = std::chrono::steady_clock::now() + 60s;
      while (round % 2 == 0 && read_file(notes(0)).empty()) {
        ASSERT_LT(std::chrono::steady_clock::now(), limit) << "the first process got no ID";
        std::this_thread::yield();
      }
      std::this_thread::sleep_for(std::chrono::microseconds{random() % 60'000});
      for (const auto& process : processes) process->signal(SIGKILL);
      for (const auto& process : processes) EXPECT_EQ(process->wait(), (ExitStatus{0, SIGKILL}));
    }
    ASSERT_EQ(run("PRAGMA integrity_check"), "ok");
    std::map<std::string, Grant> held;
    for (int number = 0; number < 3; ++number) {
      std::ifstream file(notes(number));
      char what = 0;
      Grant grant;
      std::string token;
      while (file >> what >> grant.worker_id >> grant.epoch >> token) {
        if (what == '+') held[token] = grant;
        if (what == '-') held.erase(token);
      }
    }
    const auto store = open();
    for (const auto& [token, grant] : held) {
      EXPECT_EQ(renew(*store, grant.worker_id, Token::parse(token)).epoch, grant.epoch);
    }
    checked += held.size();
  }
  EXPECT_GT(checked, 0U);
}

// Each holder makes a file that must not exist: a witness outside the store.
TEST_F(SqliteFaults, DozensOfProcessesNeverShareAnId) {
  constexpr int processes_count = 24;
  constexpr int grants_each = 15;
  configuration = {1, 8, 1h, 1h, 0ms};
  open();  // makes the file: on a slow disk that takes as long as opening may
  const auto processes = start(processes_count, [this](int) {
    const auto store = open();
    for (int granted = 0; granted < grants_each;) {
      const AcquireRequest mine = request();
      try {
        const WorkerId worker_id = store->acquire(mine, timeout).worker_id;
        const auto witness = directory.path() / ("held-" + std::to_string(worker_id));
        const int file = ::open(witness.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file < 0) return 1;
        ::close(file);
        std::filesystem::remove(witness);
        release(*store, worker_id, mine.token);
        ++granted;
      } catch (const Error& error) {
        if (error.error_code() != ErrorCode::no_available_id) throw;
      }
    }
    return 0;
  });
  for (const auto& process : processes) EXPECT_EQ(process->wait(), ExitStatus{});
  EXPECT_EQ(open()->inspect("c", timeout)->count(LeaseState::free), 8);
  EXPECT_EQ(run("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteFaults, DozensOfProcessesGetDistinctIds) {
  constexpr int processes_count = 24;
  constexpr int grants_each = 10;
  constexpr std::size_t all = std::size_t{processes_count} * grants_each;
  configuration = {0, all - 1, 1h, 1h, 1s};
  open();  // makes the file: on a slow disk that takes as long as opening may
  const auto processes = start(processes_count, [this](int) {
    const auto store = open();
    for (int granted = 0; granted < grants_each; ++granted) acquire(*store);
    return 0;
  });
  for (const auto& process : processes) EXPECT_EQ(process->wait(), ExitStatus{});
  const auto store = open();
  const auto leases = store->inspect("c", timeout)->leases;
  EXPECT_EQ(leases.size(), all);
  std::set<std::uint64_t> epochs;
  for (const LeaseView& lease : leases) epochs.insert(lease.epoch);
  EXPECT_EQ(epochs.size(), leases.size());
  expect_error(ErrorCode::no_available_id, [&] { acquire(*store); });
}

TEST_F(SqliteFaults, StoppedWriterHoldsOthersUpToTheirDeadlineOnly) {
  const auto store = open();
  const AcquireRequest mine = request();
  store->acquire(mine, timeout);
  ForkedProcess writer([this] {
    SqliteFile file(path);
    file.run("BEGIN IMMEDIATE");
    ::raise(SIGSTOP);
    file.run("COMMIT");
    return 0;
  });
  writer.wait_until_stopped();

  std::array<std::future<void>, 4> callers;
  for (auto& caller : callers) {
    caller = std::async(std::launch::async, [&] {
      expect_error(ErrorCode::unavailable, [&] { store->acquire(request(), 200ms); });
    });
  }
  for (auto& caller : callers) caller.get();
  expect_locked(*store);
  EXPECT_EQ(recorded(*store), 1U);   // looking waits for nobody
  EXPECT_EQ(recorded(*open()), 1U);  // nor does opening

  writer.signal(SIGCONT);
  EXPECT_EQ(writer.wait(), ExitStatus{});
  EXPECT_EQ(renew(*store, 1, mine.token).worker_id, 1);
  EXPECT_EQ(acquire(*store).worker_id, 2);
}

TEST_F(SqliteFaults, KilledWriterHoldsNobodyUp) {
  const auto store = open();
  ForkedProcess writer([this] {
    SqliteFile file(path);
    file.run("BEGIN IMMEDIATE; DELETE FROM records; DELETE FROM machine");
    ::raise(SIGSTOP);
    return 0;
  });
  writer.wait_until_stopped();
  expect_locked(*store);
  writer.signal(SIGKILL);
  writer.wait();
  EXPECT_EQ(acquire(*store).worker_id, 1);
}

TEST_F(SqliteFaults, FileLockedByAnotherProgramIsUnavailable) {
  run("CREATE TABLE anything (a)");
  SqliteFile program(path);
  program.run("BEGIN EXCLUSIVE");
  expect_error_naming(
      ErrorCode::unavailable, [&] { open(); }, "database is locked", path.string());
}

// G7: the file is made anew, whoever is valid is in it again, and nobody else gets in for a while.
TEST_F(SqliteFaults, DeletedFileIsMadeAnewWithItsHolders) {
  const std::vector<std::vector<std::string>> deletions{
      {"", "-wal", "-shm"}, {""}, {"-wal", "-shm"}, {"-wal"}};
  for (const auto& suffixes : deletions) {
    SCOPED_TRACE(suffixes.front());
    const auto store = open();
    const AcquireRequest mine = request();
    const Grant grant = store->acquire(mine, timeout);
    remove(suffixes);
    expect_error(ErrorCode::not_assigned, [&] { renew(*store, 1, mine.token, Renewal::held); });
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_EQ(recorded(*store), 0U);
    expect_error(ErrorCode::holding_back, [&] { acquire(*store); });
    EXPECT_EQ(restore(*store, mine, grant).epoch, grant.epoch);
    expect_error(ErrorCode::holding_back, [&] { acquire(*open()); });
    EXPECT_EQ(renew(*store, 1, mine.token, Renewal::held).epoch, grant.epoch);
    EXPECT_EQ(recorded(*open()), 1U);
    EXPECT_EQ(run("PRAGMA integrity_check"), "ok");
    remove({"", "-wal", "-shm"});
  }
}

// A newcomer comes before any holder looked at the file again.
TEST_F(SqliteFaults, NewcomerSeesThatHoldersHaveADeletedFileOpen) {
  const AcquireRequest mine = request();
  const auto store = open();
  const Grant grant = store->acquire(mine, timeout);
  for (const bool whole_folder : {false, true}) {
    if (whole_folder) {
      std::filesystem::remove_all(path.parent_path());
    } else {
      remove({"", "-wal", "-shm"});
    }
    auto newcomer = ForkedProcess([this] {
      expect_error(ErrorCode::holding_back, [&] { acquire(*open()); });
      return HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(newcomer.wait(), ExitStatus{});
    EXPECT_EQ(restore(*store, mine, grant).epoch, grant.epoch);
  }
}

// Nobody has it open: it is used for the first time, or nobody can hold anything.
TEST_F(SqliteFaults, NewFileMakesNobodyWait) {
  open_sqlite_store(path)->acquire(request(), timeout);
  remove({"", "-wal", "-shm"});
  EXPECT_EQ(acquire(*open()).worker_id, 1);
}

TEST_F(SqliteFaults, CopyIsAnotherFile) {
  open_sqlite_store(path)->acquire(request(), timeout);
  const std::filesystem::path backup = directory.path() / "backup.db";
  std::filesystem::copy_file(path, backup);
  const AcquireRequest mine = request();
  const auto store = open();
  const Grant grant = store->acquire(mine, timeout);
  EXPECT_EQ(grant.worker_id, 2);
  remove({"", "-wal", "-shm"});
  std::filesystem::rename(backup, path);
  expect_error(ErrorCode::holding_back, [&] { acquire(*open()); });
  expect_error(ErrorCode::not_assigned, [&] { renew(*store, 2, mine.token, Renewal::held); });
  EXPECT_EQ(restore(*store, mine, grant).epoch, grant.epoch);
  expect_error(ErrorCode::holding_back, [&] { acquire(*store); });
}

// A backup from before the last boot, whose holders are all gone, put back over a file in use.
TEST_F(SqliteFaults, CopyFromBeforeTheBootHoldsBackToo) {
  open_sqlite_store(path)->acquire(request(), timeout);
  const std::filesystem::path backup = directory.path() / "backup.db";
  std::filesystem::copy_file(path, backup);
  SqliteFile(backup).run("UPDATE machine SET boot_id = 'an earlier one'");
  const AcquireRequest mine = request();
  const auto store = open();
  const Grant grant = store->acquire(mine, timeout);
  remove({"", "-wal", "-shm"});
  std::filesystem::rename(backup, path);
  expect_error(ErrorCode::holding_back, [&] { acquire(*open()); });
  EXPECT_EQ(restore(*store, mine, grant).epoch, grant.epoch);
}

TEST_F(SqliteFaults, FileThatWasMovedAwayIsMissed) {
  const AcquireRequest mine = request();
  const auto store = open();
  const Grant grant = store->acquire(mine, timeout);
  std::filesystem::rename(path, path.string() + ".away");
  const auto newcomer_meets = [this](ErrorCode code) {
    auto newcomer = ForkedProcess([this, code] {
      expect_error(code, [&] { acquire(*open()); });
      return HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(newcomer.wait(), ExitStatus{});
  };
  // The log of the former file is still in use, and none for a new one.
  newcomer_meets(ErrorCode::unavailable);
  EXPECT_EQ(restore(*store, mine, grant).epoch, grant.epoch);
  newcomer_meets(ErrorCode::holding_back);
}

// Of processes that come first at once, one makes the file and its log, and another the tables.
TEST_F(SqliteFaults, ALogThatIsYoungerThanItsFileWasNotLeft) {
  std::ofstream{path}.flush();
  SqliteFile first(path);
  first.run("PRAGMA journal_mode = WAL");
  first.run("SELECT count(*) FROM sqlite_master");
  ASSERT_TRUE(std::filesystem::exists(path.string() + "-wal"));
  EXPECT_EQ(acquire(*open()).worker_id, 1);
}

// Others would make a new one and would no longer be kept from writing at the same time.
TEST_F(SqliteFaults, DeletedSharedMemoryLosesNothing) {
  const auto store = open();
  const AcquireRequest mine = request();
  store->acquire(mine, timeout);
  remove({"-shm"});
  const auto other =
      ForkedProcess([this] { return static_cast<int>(acquire(*open()).worker_id); }).wait();
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(renew(*store, 1, mine.token).worker_id, 1);
  EXPECT_EQ(acquire(*store).worker_id, 3);
  EXPECT_EQ(run("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteFaults, DeletedFileOfManyProcessesIsMadeAnew) {
  constexpr int count = 6;
  const auto restore_at_last = [](Store& store, const AcquireRequest& mine, const Grant& grant) {
    for (;;) {
      try {
        return restore(store, mine, grant);
      } catch (const Error& error) {
        if (error.error_code() != ErrorCode::unavailable) throw;
      }
    }
  };
  const auto processes = start(count, [&](int) {
    const auto store = open();
    const AcquireRequest mine = request();
    const Grant grant = store->acquire(mine, timeout);
    ::raise(SIGSTOP);
    restore_at_last(*store, mine, grant);
    return 0;
  });
  for (const auto& process : processes) process->wait_until_stopped();
  remove({""});
  for (const auto& process : processes) process->signal(SIGCONT);
  for (const auto& process : processes) EXPECT_EQ(process->wait(), ExitStatus{});
  EXPECT_EQ(recorded(*open()), std::size_t{count});
  EXPECT_EQ(run("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteFaults, ReplacedFileEndsTheLeasesInTheFormerOne) {
  const auto store = open();
  const AcquireRequest mine = request();
  const Grant grant = store->acquire(mine, timeout);
  std::filesystem::rename(other_file("theirs"), path);
  // SQLite would apply the former file's log to the new one.
  expect_error_naming(
      ErrorCode::unavailable, [&] { renew(*store, 1, mine.token); }, "was replaced",
      path.string() + "-wal");
  remove({"-wal", "-shm"});
  expect_error(ErrorCode::token_mismatch, [&] { renew(*store, 1, mine.token); });
  EXPECT_EQ(store->inspect("c", timeout)->leases.at(0).owner, "theirs");
  // Granted later, in the other file: two holders, which no store can mend.
  expect_error(ErrorCode::token_mismatch, [&] { restore(*store, mine, grant); });
  expect_error(ErrorCode::holding_back, [&] { acquire(*store); });
}

// Does something once, just before a statement that begins with a text. Of connections that are
// opened while this lives.
class BeforeStatement {
 public:
  BeforeStatement() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(&watch)); }
  BeforeStatement(const BeforeStatement&) = delete;
  BeforeStatement& operator=(const BeforeStatement&) = delete;
  ~BeforeStatement() {
    sqlite3_reset_auto_extension();
    action = nullptr;
  }

  void run(const std::string& sql, std::function<void()> what) {
    awaited = sql;
    action = std::move(what);
  }
  bool was_run() const { return !action; }

 private:
  static int watch(sqlite3* connection, char**, const sqlite3_api_routines*) {
    const auto look = [](unsigned, void*, void*, void* sql) {
      const std::string_view text = static_cast<const char*>(sql);
      if (action && text.starts_with(awaited)) std::exchange(action, nullptr)();
      return 0;
    };
    return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, look, nullptr);
  }

  static inline std::string awaited;
  static inline std::function<void()> action;
};

// After the store looked whether it still has the file, and before it has locked it.
TEST_F(SqliteFaults, AFileThatGoesBeforeTheTransactionIsNotUsed) {
  BeforeStatement before;
  const std::vector<std::vector<std::string>> deletions{
      {"", "-wal", "-shm"}, {""}, {"-wal"}, {"-shm"}, {}};
  const auto expect_refused = [&](const auto& operation) {
    expect_error_naming(ErrorCode::unavailable, operation, "at this moment", path.string());
    EXPECT_TRUE(before.was_run());
  };
  for (std::size_t way = 0; way < deletions.size(); ++way) {
    for (const bool writes : {true, false}) {
      SCOPED_TRACE(std::to_string(way) + (writes ? ", to write" : ", to read"));
      const std::filesystem::path other = other_file("theirs");
      const auto store = open();
      const AcquireRequest mine = request();
      store->acquire(mine, timeout);
      before.run(writes ? "BEGIN IMMEDIATE" : "BEGIN", [&] {
        remove(deletions[way]);
        if (deletions[way].empty()) std::filesystem::rename(other, path);
      });
      expect_refused([&] {
        if (writes) {
          renew(*store, 1, mine.token, Renewal::held);
        } else {
          store->inspect("c", timeout);
        }
      });
      remove({"", "-wal", "-shm"});
      std::filesystem::remove(other);
    }
  }
  open();  // makes it
  before.run("SELECT boot_id", [&] { remove({"", "-wal", "-shm"}); });
  expect_refused([&] { open(); });
}

TEST_F(SqliteFaults, FileReplacedByAnotherProgramsIsRefused) {
  const auto store = open();
  remove({"", "-wal", "-shm"});
  run("CREATE TABLE anything (a)");
  expect_error(ErrorCode::corrupt_record, [&] { acquire(*store); });
  remove({""});
  expect_error(ErrorCode::holding_back, [&] { acquire(*store); });
}

TEST_F(SqliteFaults, FolderThatVanishedIsMadeAnew) {
  path = directory.path() / "state" / "leases.db";
  const auto store = open();
  acquire(*store);
  std::filesystem::remove_all(path.parent_path());
  expect_error(ErrorCode::holding_back, [&] { acquire(*store); });
  EXPECT_TRUE(std::filesystem::exists(path));
}

// Lets SQLite's writes fail as on a full disk, without needing one.
class FullDisk {
 public:
  FullDisk() { set(reinterpret_cast<sqlite3_syscall_ptr>(&fail)); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() { set(nullptr); }

 private:
  static ssize_t fail(int, const void*, std::size_t, off_t) {
    errno = ENOSPC;
    return -1;
  }
  static void set(sqlite3_syscall_ptr write) {
    sqlite3_vfs* const files = sqlite3_vfs_find(nullptr);
    files->xSetSystemCall(files, "pwrite", write);
    files->xSetSystemCall(files, "pwrite64", write);
  }
};

TEST_F(SqliteFaults, FullDiskIsUnavailableAndLosesNoGrant) {
  const auto store = open();
  const AcquireRequest mine = request();
  store->acquire(mine, timeout);
  const AcquireRequest theirs = request();
  {
    const FullDisk full;
    expect_error_naming(
        ErrorCode::unavailable, [&] { store->acquire(theirs, timeout); }, "full", "make room");
    expect_error(ErrorCode::unavailable, [&] { renew(*store, 1, mine.token); });
    EXPECT_EQ(recorded(*store), 1U);
  }
  EXPECT_EQ(renew(*store, 1, mine.token).worker_id, 1);
  EXPECT_EQ(store->acquire(theirs, timeout).worker_id, 2);
  EXPECT_EQ(run("PRAGMA integrity_check"), "ok");
}

// The kernel refuses to let the log grow: the write of a commit fails in the middle.
TEST_F(SqliteFaults, FileThatMayNotGrowLosesNoGrant) {
  const AcquireRequest mine = request();
  open()->acquire(mine, timeout);
  ForkedProcess child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const auto store = open();
    renew(*store, 1, mine.token);
    const rlim_t size = std::filesystem::file_size(path.string() + "-wal");
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    const rlimit limit{size, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const AcquireRequest theirs = request();
    expect_error(ErrorCode::outcome_unknown, [&] { store->acquire(theirs, timeout); });
    ::setrlimit(RLIMIT_FSIZE, &unlimited);
    EXPECT_EQ(store->acquire(theirs, timeout).worker_id, 2);  // G5
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), ExitStatus{});
  EXPECT_EQ(renew(*open(), 1, mine.token).worker_id, 1);
  EXPECT_EQ(run("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace workerid::tests
