// SPDX-License-Identifier: MIT
//
// Internal: an open lease file.
#pragma once

#include "database.hpp"
#include "local_file.hpp"
#include "machine.hpp"
#include "records.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace workerid::detail::sqlite {

/// The statements that make the tables: `schema.sql`.
extern const char* const schema;

/// The file at a path, made and set up where need be, and brought over a reboot. Use from one thread
/// at a time.
class LeaseFile {
 public:
  /// `name` is what errors call the file; `now` is the store's clock. `former_use` is when this
  /// process last used another file at this path, if it did: that one may have leases which this one
  /// does not show. Errors: as `open_sqlite_store`.
  LeaseFile(const std::filesystem::path& path, const std::string& name, BootTime deadline,
            std::chrono::milliseconds now, std::optional<std::chrono::milliseconds> former_use);

  /// Whether the path still names this file, its log and its shared memory: each of them may have
  /// been deleted or replaced.
  bool current() const;

  /// Whether what it says may be lost to who opens the path now: the file or its log is gone. (The
  /// shared memory is made anew of them.)
  bool lost() const;

  /// Errors: `unavailable` if it is not current.
  void check_current() const;

  /// Checks that another file that has taken this one's place does not stand beside this one's log:
  /// SQLite would apply that to it.
  /// Errors: `unavailable`.
  void check_replacement() const;

  /// Checks, inside a transaction, that the file still counts on this boot of this machine.
  void check_machine();

  /// What the file shows of its past, as check_machine() found it (G7).
  rules::History history(std::chrono::milliseconds now) const;

  Database& database() noexcept { return database_; }
  Records& records() noexcept { return records_; }

 private:
  // Those that SQLite keeps beside the file in WAL mode.
  struct SideFiles {
    std::optional<FileIdentity> log;
    std::optional<FileIdentity> shared_memory;

    friend bool operator==(const SideFiles&, const SideFiles&) = default;
  };

  SideFiles present_side_files() const;

  // What the table machine says.
  struct Stored {
    Machine machine;
    std::string file;
    std::chrono::milliseconds lost{};

    std::string incarnation() const;
  };

  static constexpr std::chrono::milliseconds never_lost{-1};

  Database& set_up(std::chrono::milliseconds now,
                   std::optional<std::chrono::milliseconds> former_use);
  bool has_tables();
  void make_tables();
  Stored read_stored(Statement& statement) const;
  bool of_this_boot(const Stored& stored) const;
  void save(const Stored& stored);
  void end_all_leases(std::chrono::milliseconds lost);

  std::filesystem::path path_;
  std::filesystem::path log_path_;
  std::filesystem::path shared_memory_path_;
  std::optional<FileIdentity> former_log_;  // before the file was made or opened
  MadeFile made_;
  FileIdentity identity_;
  bool log_was_left_;  // by a file that was moved away
  Machine machine_;
  Database database_;
  Records records_;
  SideFiles side_files_;
  Statement select_stored_;
  Stored stored_;
};

}  // namespace workerid::detail::sqlite
