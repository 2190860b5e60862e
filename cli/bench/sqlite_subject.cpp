// SPDX-License-Identifier: MIT
#include "bench/subject.hpp"
#include "values.hpp"

#include <workerid/sqlite_store.hpp>

#include <sqlite3.h>
#include <thread>

namespace workerid::cli {

namespace {

namespace fs = std::filesystem;

// A connection as the store's is: small pages, a write-ahead log, and on the disk before it is answered.
class Connection {
 public:
  explicit Connection(const fs::path& path) {
    sqlite3* connection = nullptr;
    const int opened = sqlite3_open(path.c_str(), &connection);
    connection_.reset(connection);
    check(opened);
    sqlite3_busy_handler(connection, &wait, nullptr);
    run("PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  }

  void run(const char* sql) { check(sqlite3_exec(connection_.get(), sql, {}, {}, {})); }

  sqlite3* get() const noexcept { return connection_.get(); }

  void check(int result) const {
    if (result == SQLITE_OK || result == SQLITE_DONE) return;
    throw Error(ErrorCode::unavailable,
                std::string{"the floor: SQLite: "} + sqlite3_errmsg(connection_.get()));
  }

 private:
  // Pauses as short as most of the store's: SQLite's own grow to 100 ms.
  static int wait(void*, int attempts) {
    constexpr std::chrono::microseconds pause{750};
    std::this_thread::sleep_for(pause);
    return attempts < bench_timeout / pause ? 1 : 0;
  }

  struct Close {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
  };

  std::unique_ptr<sqlite3, Close> connection_;
};

class Statement {
 public:
  Statement(Connection& connection, const char* sql) : connection_(connection) {
    sqlite3_stmt* statement = nullptr;
    connection.check(sqlite3_prepare_v2(connection.get(), sql, -1, &statement, nullptr));
    statement_.reset(statement);
  }

  void run() {
    const int result = sqlite3_step(statement_.get());
    sqlite3_reset(statement_.get());
    connection_.check(result);
  }

  void run(sqlite3_int64 number) {
    connection_.check(sqlite3_bind_int64(statement_.get(), 1, number));
    run();
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  Connection& connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteFloor final : public Floor {
 public:
  explicit SqliteFloor(const fs::path& path)
      : connection_(path),
        begin_(connection_, "BEGIN IMMEDIATE"),
        update_(connection_, "UPDATE floor SET changes = changes + 1 WHERE member = ?1"),
        commit_(connection_, "COMMIT") {}

  void write(std::size_t member) override {
    begin_.run();
    update_.run(static_cast<sqlite3_int64>(member));
    if (sqlite3_changes(connection_.get()) != 1) {
      throw Error(ErrorCode::corrupt_record, "the floor: SQLite changed no row");
    }
    commit_.run();
  }

 private:
  Connection connection_;
  Statement begin_;
  Statement update_;
  Statement commit_;
};

// A file beside the one that is named, so on the same file system.
class SqliteSubject final : public Subject {
 public:
  SqliteSubject(const fs::path& path, const std::string& name)
      : Subject(name), directory_(fs::absolute(path).parent_path()) {
    if (!fs::is_directory(directory_)) {
      throw UsageError("--store: " + directory_.string() +
                       " is no directory; the scratch file is made in that of the store's file");
    }
    try {
      open();
      Connection floor{file("-floor")};
      floor.run("CREATE TABLE floor (member INTEGER PRIMARY KEY, changes INTEGER NOT NULL)");
    } catch (...) {
      remove();
      throw;
    }
  }

  ~SqliteSubject() override {
    quick_.reset();
    remove();
  }

  Json environment() override {
    return {{"kind", "sqlite"},
            {"store", directory_.string()},
            {"server", sqlite3_libversion()},
            {"journal_mode", "wal"},
            {"synchronous", "full"}};
  }

  std::shared_ptr<Store> open() override { return open_sqlite_store(file("")); }

  void make_quickly(std::size_t count, const Call& call) override {
    if (!quick_) quick_ = open();
    for (std::size_t number = 0; number < count; ++number) call(*quick_, number);
  }

  void resize_floor(std::size_t members) override {
    Connection floor{file("-floor")};
    floor.run("BEGIN IMMEDIATE; DELETE FROM floor");
    Statement insert{floor, "INSERT INTO floor VALUES (?1, 0)"};
    for (std::size_t member = 0; member < members; ++member) {
      insert.run(static_cast<sqlite3_int64>(member));
    }
    floor.run("COMMIT");
  }

  std::unique_ptr<Floor> open_floor() override {
    return std::make_unique<SqliteFloor>(file("-floor"));
  }

  // Opens the file as the store's is opened, and reads.
  std::shared_ptr<void> make_first_contact() override {
    auto connection = std::make_shared<Connection>(file("-floor"));
    connection->run("SELECT changes FROM floor LIMIT 1");
    return connection;
  }

  // The database, its log and the log's index.
  std::size_t files_per_store() const noexcept override { return 3; }

 private:
  fs::path file(const std::string& end) const { return directory_ / (scratch_ + end + ".db"); }

  void remove() noexcept {
    for (const char* const which : {"", "-floor"}) {
      for (const char* const end : {"", "-wal", "-shm"}) {
        std::error_code error;
        const std::string path = file(which).string() + end;
        fs::remove(path, error);
        if (error) say(Output::text, "the scratch file " + path + " could not be removed");
      }
    }
  }

  fs::path directory_;
  std::string scratch_ = cluster();
  std::shared_ptr<Store> quick_;
};

}  // namespace

std::unique_ptr<Subject> make_sqlite_subject(const fs::path& path, const std::string& name) {
  return std::make_unique<SqliteSubject>(path, name);
}

}  // namespace workerid::cli
