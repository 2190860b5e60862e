// SPDX-License-Identifier: MIT
//
// Internal: the SQLite C API as objects that end by themselves. Knows nothing of leases.
#pragma once

#include <workerid/clock.hpp>
#include <workerid/error.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <sqlite3.h>
#include <string>
#include <string_view>

namespace workerid::detail::sqlite {

enum class Access { read, write };

/// One connection to a database file. Every statement ends by the deadline that was set last (G10),
/// and a failure is a `workerid::Error` that says what to do. Use from one thread at a time.
class Database {
 public:
  /// Opens the file, which exists. `name` is what errors call it.
  Database(const std::string& path, std::string name, BootTime deadline);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void set_deadline(BootTime deadline) noexcept { deadline_ = deadline; }

  /// Starts a transaction, to write or only to read; see `Transaction`.
  void begin(Access access);

  /// Runs one or several statements without values or rows. `doing` completes "cannot …".
  void run(const char* sql, std::string_view doing);

  /// Sees to it that the database is in WAL mode, in which readers and a writer do not wait for
  /// each other.
  void use_wal();

  /// False inside a transaction, and after a failure that opening the file again may mend.
  bool ready() const noexcept { return !failed_ && !in_transaction(); }
  bool in_transaction() const noexcept { return sqlite3_get_autocommit(connection_.get()) == 0; }

  /// Lets the destructor write nothing: without this the last connection of all moves the log into
  /// the file and deletes it.
  void close_without_writing() noexcept;

  sqlite3* connection() const noexcept { return connection_.get(); }
  const std::string& name() const noexcept { return name_; }

  /// The error for the result code of a call. `doing` completes "cannot …".
  Error error(int result, std::string_view doing);

  /// Ends the transaction; see `Transaction::commit`.
  void commit();

  /// Undoes the transaction, if there is one.
  void roll_back() noexcept;

 private:
  friend class Statement;

  struct Close {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
  };

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  using PreparedStatement = std::unique_ptr<sqlite3_stmt, Finalize>;

  PreparedStatement prepare(std::string_view sql);
  static int step(const PreparedStatement& statement) noexcept;
  static int wait_for_lock(void* database, int attempts) noexcept;
  static int out_of_time(void* database) noexcept;
  bool wait(int attempts);
  void give_way();
  std::string failure(int result, std::string_view doing) const;

  std::string name_;
  BootTime deadline_;
  bool failed_ = false;
  std::minstd_rand random_;
  BootTime turn_began_{};
  BootTime last_write_ended_{};
  std::unique_ptr<sqlite3, Close> connection_;
  PreparedStatement begin_to_read_;
  PreparedStatement begin_to_write_;
  PreparedStatement commit_;
  PreparedStatement roll_back_;
};

class Statement;

/// The rows of a statement that was started; resets it at the end. Reads the columns in order.
class Rows {
 public:
  explicit Rows(Statement& statement) noexcept : statement_(statement) {}
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows();

  /// Goes to the next row; false if there is none.
  bool next();

  /// The next column of the row. Errors: `corrupt_record` if it has another type.
  std::int64_t integer() { return sqlite3_column_int64(row(), checked_column(SQLITE_INTEGER)); }
  std::string text();

 private:
  sqlite3_stmt* row() const noexcept;
  int checked_column(int type);

  Statement& statement_;
  int column_ = 0;
};

/// A prepared statement of a database, which outlives it.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);

  /// Starts it with these values for ?1, ?2, …
  template <typename... Values>
  Rows query(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
    return Rows(*this);
  }

  /// Runs it to its end.
  template <typename... Values>
  void run(const Values&... values) {
    Rows rows = query(values...);
    while (rows.next()) {
    }
  }

 private:
  friend class Rows;

  void bind(int index, std::int64_t value);
  void bind(int index, const std::string& value);

  Database& database_;
  Database::PreparedStatement statement_;
};

/// A transaction; rolled back unless it was committed. One to write excludes all other writers from
/// its start, so what it read stays true until it commits.
class Transaction {
 public:
  Transaction(Database& database, Access access);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Errors: `unavailable` if nothing was applied for sure, else `outcome_unknown` (G5).
  void commit() { database_.commit(); }

 private:
  Database& database_;
};

}  // namespace workerid::detail::sqlite
