// SPDX-License-Identifier: MIT
#include "database.hpp"

#include "system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace workerid::detail::sqlite {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// No look at a lock that another process has is further from the next one.
constexpr microseconds longest_pause{1500};

constexpr int primary(int result) noexcept {
  return result & 0xff;
}

// Far above what this library writes: whoever can write to the file may have put anything there.
constexpr int longest_value = 10'000;

// Whether the connection is as good as before.
constexpr bool passing(int result) noexcept {
  return primary(result) == SQLITE_BUSY || primary(result) == SQLITE_INTERRUPT ||
         primary(result) == SQLITE_FULL;
}

struct Explanation {
  ErrorCode code;
  std::string_view what_to_do;
};

Explanation explain(int result, int system_error) {
  constexpr std::string_view permissions =
      "the file, its -wal and -shm beside it, and their folder must be writable for this user, and "
      "the file system not be mounted read-only";
  constexpr Explanation full{ErrorCode::unavailable, "the disk or a quota is full; make room"};
  switch (primary(result)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return {ErrorCode::unavailable,
              "another process kept it locked until the deadline; look for one that is stopped or "
              "has a transaction open"};
    case SQLITE_INTERRUPT:
      return {ErrorCode::unavailable, "the deadline came before the end; allow more time"};
    case SQLITE_FULL:
      return full;
    case SQLITE_IOERR:
      if (system_error == ENOSPC || system_error == EDQUOT) return full;
      return {ErrorCode::unavailable,
              "reading or writing failed; look at the disk and at the kernel's log"};
    case SQLITE_NOMEM:
      return {ErrorCode::unavailable, "this process has no memory left"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {ErrorCode::denied, permissions};
    case SQLITE_CANTOPEN:
      if (code_of_system_error(system_error) == ErrorCode::denied) {
        return {ErrorCode::denied, permissions};
      }
      return {ErrorCode::unavailable,
              "see whether the file is there and this process may open more files"};
    case SQLITE_TOOBIG:
      return {ErrorCode::corrupt_record, "a value in the file is longer than this library writes"};
    case SQLITE_NOTADB:
      return {ErrorCode::corrupt_record, "choose another path, or remove what is there"};
    case SQLITE_CORRUPT:
      return {
          ErrorCode::corrupt_record,
          "end all processes that use the file, then put back a good copy or remove it together "
          "with its -wal and -shm"};
    default:
      return {ErrorCode::corrupt_record, "the tables are not as this library made them"};
  }
}

}  // namespace

Database::Database(const std::string& path, std::string name, BootTime deadline)
    : name_(std::move(name)), deadline_(deadline), random_(std::random_device{}()) {
  sqlite3* connection = nullptr;
  constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
  const int opened = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  connection_.reset(connection);
  if (opened != SQLITE_OK) throw error(opened, "open the file");
  // SQLite falls back to reading alone by itself.
  if (sqlite3_db_readonly(connection, "main") == 1) {
    throw error(SQLITE_READONLY, "open the file for writing");
  }
  sqlite3_extended_result_codes(connection, 1);
  sqlite3_busy_handler(connection, &Database::wait_for_lock, this);
  constexpr int instructions_between_looks = 1000;
  sqlite3_progress_handler(connection, instructions_between_looks, &Database::out_of_time, this);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, longest_value);
  // The log gets each changed page as a whole, and an operation changes little in several; a file that
  // is there keeps its pages.
  run("PRAGMA synchronous = FULL; PRAGMA page_size = 1024", "look into the file");
  begin_to_read_ = prepare("BEGIN");
  begin_to_write_ = prepare("BEGIN IMMEDIATE");
  commit_ = prepare("COMMIT");
  roll_back_ = prepare("ROLLBACK");
}

Database::PreparedStatement Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(connection(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) throw error(result, "prepare \"" + std::string{sql} + "\"");
  return PreparedStatement{statement};
}

// Of a statement without values or rows.
int Database::step(const PreparedStatement& statement) noexcept {
  sqlite3_step(statement.get());
  return sqlite3_reset(statement.get());
}

void Database::begin(Access access) {
  if (access == Access::write) give_way();
  const int result = step(access == Access::write ? begin_to_write_ : begin_to_read_);
  if (result != SQLITE_OK) throw error(result, "begin a transaction");
}

// Whoever writes without a pause leaves but some microseconds between two transactions, in which a
// waiting process would have to look: it could keep all others out. So turns end: after it, there is a
// pause in which everyone who waits looks once.
void Database::give_way() {
  constexpr milliseconds turn{30};
  BootTime now = BootClock::now();
  if (now - last_write_ended_ > longest_pause) {
    turn_began_ = now;
  } else if (now - turn_began_ > turn) {
    std::this_thread::sleep_for(std::min<nanoseconds>(deadline_ - now, longest_pause));
    turn_began_ = BootClock::now();
  }
}

void Database::run(const char* sql, std::string_view doing) {
  const int result = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) throw error(result, doing);
}

void Database::use_wal() {
  constexpr std::string_view doing = "switch to WAL mode";
  const auto keep_text = [](void* text, int, char** values, char**) {
    *static_cast<std::string*>(text) = values[0];
    return 0;
  };
  // Where two change the mode at once, SQLite fails one of them without calling wait_for_lock.
  for (int attempts = 0;; ++attempts) {
    std::string mode;
    const int result =
        sqlite3_exec(connection_.get(), "PRAGMA journal_mode = WAL", keep_text, &mode, nullptr);
    if (result == SQLITE_OK && mode == "wal") return;
    if (result == SQLITE_OK) {
      throw Error(ErrorCode::unsupported_server,
                  name_ +
                      ": SQLite cannot use WAL mode here; put the file on an ordinary local "
                      "file system");
    }
    if (primary(result) != SQLITE_BUSY || !wait(attempts)) throw error(result, doing);
  }
}

void Database::commit() {
  const int result = step(commit_);
  last_write_ended_ = BootClock::now();
  if (result == SQLITE_OK) return;
  if (primary(result) == SQLITE_FULL) throw error(result, "commit");
  // G5: the log may hold the whole transaction although making it durable failed.
  failed_ = true;
  throw Error(ErrorCode::outcome_unknown, failure(result, "commit"));
}

void Database::roll_back() noexcept {
  // SQLite has rolled back by itself after some errors. A failure is seen by `ready`.
  if (in_transaction()) step(roll_back_);
}

void Database::close_without_writing() noexcept {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Error Database::error(int result, std::string_view doing) {
  failed_ = failed_ || !passing(result);
  const int system_error = sqlite3_system_errno(connection_.get());
  return {explain(result, system_error).code, failure(result, doing)};
}

std::string Database::failure(int result, std::string_view doing) const {
  const bool last_result = sqlite3_extended_errcode(connection_.get()) == result;
  const int system_error = sqlite3_system_errno(connection_.get());
  std::string text = name_ + ": cannot " + std::string{doing} + ": " +
                     (last_result ? sqlite3_errmsg(connection_.get()) : sqlite3_errstr(result)) +
                     " (SQLite result " + std::to_string(result);
  const bool of_the_system = primary(result) == SQLITE_IOERR || primary(result) == SQLITE_CANTOPEN;
  if (of_the_system && system_error != 0) {
    text += ", " + system_text(system_error);
  }
  return text + "); " + std::string{explain(result, system_error).what_to_do};
}

int Database::wait_for_lock(void* database, int attempts) noexcept {
  return static_cast<Database*>(database)->wait(attempts) ? 1 : 0;
}

int Database::out_of_time(void* database) noexcept {
  return BootClock::now() >= static_cast<Database*>(database)->deadline_ ? 1 : 0;
}

// SQLite's own waiting is unfair: its pauses grow to 100 ms, so whoever waits long loses to whoever
// just came. These stay short, and random, so that two do not keep meeting.
bool Database::wait(int attempts) {
  turn_began_ = BootClock::now();  // at the latest
  const nanoseconds left = deadline_ - turn_began_;
  if (left <= nanoseconds::zero()) return false;
  const std::int64_t longest_us = 300 * std::min(attempts + 1, 4);
  const microseconds pause{longest_us / 4 + static_cast<std::int64_t>(random_()) % longest_us};
  std::this_thread::sleep_for(std::min<nanoseconds>(left, pause));
  return true;
}

Rows::~Rows() {
  sqlite3_reset(row());
}

sqlite3_stmt* Rows::row() const noexcept {
  return statement_.statement_.get();
}

bool Rows::next() {
  column_ = 0;
  const int result = sqlite3_step(row());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  throw statement_.database_.error(result, "execute \"" + std::string{sqlite3_sql(row())} + "\"");
}

std::string Rows::text() {
  const int column = checked_column(SQLITE_TEXT);
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row(), column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(row(), column))};
}

// SQLite lets a column hold any type, whatever the table declares.
int Rows::checked_column(int type) {
  const int column = column_++;
  if (sqlite3_column_type(row(), column) != type) {
    throw Error(ErrorCode::corrupt_record, statement_.database_.name() +
                                               ": a value of the column " +
                                               sqlite3_column_name(row(), column) + " is " +
                                               (type == SQLITE_INTEGER ? "no integer" : "no text") +
                                               "; this library did not write it");
  }
  return column;
}

Statement::Statement(Database& database, std::string_view sql)
    : database_(database), statement_(database.prepare(sql)) {}

void Statement::bind(int index, std::int64_t value) {
  const int result = sqlite3_bind_int64(statement_.get(), index, value);
  if (result != SQLITE_OK) throw database_.error(result, "bind an integer");
}

void Statement::bind(int index, const std::string& value) {
  const int result = sqlite3_bind_text(statement_.get(), index, value.data(),
                                       static_cast<int>(value.size()), SQLITE_TRANSIENT);
  if (result != SQLITE_OK) throw database_.error(result, "bind a text");
}

Transaction::Transaction(Database& database, Access access) : database_(database) {
  database_.begin(access);
}

Transaction::~Transaction() {
  database_.roll_back();
}

}  // namespace workerid::detail::sqlite
