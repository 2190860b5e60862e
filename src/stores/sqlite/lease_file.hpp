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
  /// `name` is what errors call the file. Errors: as `open_sqlite_store`.
  LeaseFile(const std::filesystem::path& path, const std::string& name, BootTime deadline);

  /// Whether the path still names this file, its log and its shared memory: each of them may have
  /// been deleted or replaced.
  bool current() const;

  /// Errors: `unavailable` if it does not.
  void check_current() const;

  /// Checks that another file that has taken this one's place does not stand beside this one's log:
  /// SQLite would apply that to it.
  /// Errors: `unavailable`.
  void check_replacement() const;

  /// Checks, inside a transaction, that the file still counts on this boot of this machine.
  void check_machine();

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
  Database& set_up();
  bool has_tables();
  void make_tables();
  bool of_this_boot(const Machine& stored) const;
  void end_all_leases();

  std::filesystem::path path_;
  FileIdentity identity_;
  Machine machine_;
  Database database_;
  Records records_;
  SideFiles side_files_;
  Statement stored_machine_;
};

}  // namespace workerid::detail::sqlite
