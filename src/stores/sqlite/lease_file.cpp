// SPDX-License-Identifier: MIT
#include "lease_file.hpp"

#include "stores/stored_values.hpp"

#include <algorithm>
#include <cstdint>
#include <system_error>

namespace workerid::detail::sqlite {

namespace {

constexpr std::int64_t application_id = 0x576b4944;  // "WkID", for file(1)
constexpr std::int64_t schema_version = 3;

constexpr const char* select_stored =
    "SELECT boot_id, machine_id, boottime_offset_ns, file, lost_ms FROM machine";

using std::chrono::milliseconds;

std::int64_t integer(Database& database, std::string_view sql) {
  Statement statement(database, sql);
  Rows rows = statement.query();
  rows.next();
  return rows.integer();
}

std::filesystem::path beside(const std::filesystem::path& path, const char* suffix) {
  return path.string() + suffix;
}

}  // namespace

LeaseFile::LeaseFile(const std::filesystem::path& path, const std::string& name, BootTime deadline,
                     milliseconds now, std::optional<milliseconds> former_use)
    : path_(path),
      log_path_(beside(path, "-wal")),
      shared_memory_path_(beside(path, "-shm")),
      former_log_(identity_of(log_path_)),
      made_(make_file(path)),
      identity_(made_.identity),
      // Where another process made the file at this moment, the log that it has made is the younger.
      log_was_left_(former_log_ && (made_.is_new || identity_.birth_ns == 0 ||
                                    former_log_->birth_ns < identity_.birth_ns)),
      machine_(this_machine()),
      database_(path.string(), name, deadline),
      records_(set_up(now, former_use)),
      side_files_(present_side_files()),
      select_stored_(database_, select_stored) {
  check_current();
}

LeaseFile::SideFiles LeaseFile::present_side_files() const {
  return {identity_of(log_path_), identity_of(shared_memory_path_)};
}

bool LeaseFile::current() const {
  return identity_of(path_) == identity_ && present_side_files() == side_files_;
}

bool LeaseFile::lost() const {
  return identity_of(path_) != identity_ || present_side_files().log != side_files_.log;
}

void LeaseFile::check_current() const {
  if (current()) return;
  throw Error(ErrorCode::unavailable,
              database_.name() + ": the file was deleted or replaced at this moment; try again");
}

void LeaseFile::check_replacement() const {
  // Beside a file that is missing or empty, SQLite deletes a log.
  std::error_code missing;
  const std::uintmax_t size = std::filesystem::file_size(path_, missing);
  if (missing || size == 0 || identity_of(path_) == identity_) return;
  if (!side_files_.log || present_side_files().log != side_files_.log) return;
  throw Error(ErrorCode::unavailable,
              database_.name() +
                  ": the file was replaced while it was in use, and the log of the "
                  "former one is still there; end all processes that use it, remove " +
                  log_path_.string() + " and the -shm beside it, and start them again");
}

void LeaseFile::check_machine() {
  stored_ = read_stored(select_stored_);
  if (of_this_boot(stored_)) return;
  throw Error(
      ErrorCode::unsupported_server,
      database_.name() +
          ": another boot of the machine was written into the file while it was in use; "
          "was it put back from a copy? End all processes that use it and start them again");
}

rules::History LeaseFile::history(milliseconds now) const {
  rules::History history{stored_.incarnation(), std::nullopt};
  if (stored_.lost != never_lost) {
    history.lost_ago = std::max(milliseconds::zero(), now - stored_.lost);
  }
  return history;
}

// A loss that was noticed begins a new incarnation, as another file does.
std::string LeaseFile::Stored::incarnation() const {
  return file + "/" + std::to_string(lost.count());
}

// Changes nothing in a database that is another program's.
Database& LeaseFile::set_up(milliseconds now, std::optional<milliseconds> former_use) {
  {
    Transaction look(database_, Access::read);
    has_tables();
  }
  database_.use_wal();
  const auto stored = [this] {
    Statement statement(database_, select_stored);
    return read_stored(statement);
  };
  // Put back from a copy, or in the place of one that this process used after it was last noticed; or
  // another process made the tables and could not see the log any more.
  const auto lost = [&](const Stored& found) {
    return found.file != text(identity_) || (former_use && found.lost < *former_use) ||
           (made_.is_new && former_log_ && found.lost == never_lost);
  };
  {
    // Opening a file that is ready waits for no writer.
    Transaction look(database_, Access::read);
    if (has_tables()) {
      const Stored found = stored();
      if (of_this_boot(found) && !lost(found)) return database_;
    }
  }
  Transaction change(database_, Access::write);
  if (!has_tables()) {
    make_tables();
    const bool was_deleted = former_use || log_was_left_ || open_though_deleted(path_);
    save({machine_, text(identity_), was_deleted ? now : never_lost});
  } else if (const Stored found = stored(); !of_this_boot(found)) {
    end_all_leases(lost(found) ? now : never_lost);
  } else if (lost(found)) {
    save({machine_, text(identity_), now});
  }
  change.commit();
  return database_;
}

bool LeaseFile::has_tables() {
  const std::int64_t application = integer(database_, "PRAGMA application_id");
  const std::int64_t version = integer(database_, "PRAGMA user_version");
  if (application == application_id && version == schema_version) return true;
  if (application == application_id) {
    throw Error(ErrorCode::unsupported_server,
                database_.name() + ": the file has schema version " + std::to_string(version) +
                    ", this library knows version " + std::to_string(schema_version) +
                    "; use the library that wrote it, or another path");
  }
  const bool empty = integer(database_, "SELECT count(*) FROM sqlite_master") == 0;
  if (application == 0 && version == 0 && empty) return false;
  throw Error(ErrorCode::corrupt_record,
              database_.name() + ": the file is another program's database (application ID " +
                  std::to_string(application) + ", this library's is " +
                  std::to_string(application_id) + "); choose another path");
}

void LeaseFile::make_tables() {
  constexpr const char* doing = "make the tables";
  database_.run(schema, doing);
  const std::string marks = "PRAGMA application_id = " + std::to_string(application_id) +
                            "; PRAGMA user_version = " + std::to_string(schema_version);
  database_.run(marks.c_str(), doing);
}

LeaseFile::Stored LeaseFile::read_stored(Statement& statement) const {
  Rows rows = statement.query();
  if (!rows.next()) {
    throw Error(ErrorCode::corrupt_record,
                database_.name() + ": the row of the table machine is missing");
  }
  Stored stored;
  stored.machine.boot_id = rows.text();
  stored.machine.machine_id = rows.text();
  stored.machine.boottime_offset_ns = rows.integer();
  stored.file = rows.text();
  stored.lost = milliseconds{rows.integer()};
  if (!plausible_time(stored.lost)) {
    refuse_stored(database_.name(), "the table machine has a wrong time");
  }
  return stored;
}

void LeaseFile::save(const Stored& stored) {
  const auto& [machine, file, lost] = stored;
  Statement(database_, "INSERT OR REPLACE INTO machine VALUES (1, ?1, ?2, ?3, ?4, ?5)")
      .run(machine.boot_id, machine.machine_id, machine.boottime_offset_ns, file, lost.count());
}

bool LeaseFile::of_this_boot(const Stored& found) const {
  const Machine& stored = found.machine;
  if (stored.boot_id == machine_.boot_id) {
    // The same kernel, whatever machine ID a container shows.
    if (stored.boottime_offset_ns == machine_.boottime_offset_ns) return true;
    throw Error(ErrorCode::unsupported_server,
                database_.name() + ": the boot clock of this process' time namespace is " +
                    std::to_string(machine_.boottime_offset_ns) +
                    " ns ahead of the machine's, that of the file's " +
                    std::to_string(stored.boottime_offset_ns) +
                    " ns; use the file from one time namespace only (time_namespaces(7))");
  }
  if (stored.machine_id == machine_.machine_id) return false;
  throw Error(ErrorCode::unsupported_server,
              database_.name() + ": the file belongs to the machine " + stored.machine_id +
                  ", this one is " + machine_.machine_id +
                  " (/etc/machine-id); a file serves the processes of one machine and cannot be "
                  "shared or copied; use another path, or a server for several machines");
}

// A reboot ended every holder. The times move to before the boot, so that they keep their order
// (G6); tokens, epochs and reserved timestamps stay (G4, G8).
// A file that was put back from before the boot may lack what was granted since.
void LeaseFile::end_all_leases(milliseconds lost) {
  const std::int64_t latest_ms =
      integer(database_, "SELECT coalesce(max(free_at_ms), 0) FROM records");
  Statement(database_,
            "UPDATE records SET lease_end_ms = lease_end_ms - ?1, free_at_ms = free_at_ms - ?1,"
            " floor_ms = floor_ms - ?1")
      .run(latest_ms);
  const Stored stored{machine_, text(identity_), lost};
  save(stored);
  Statement(database_, "UPDATE clusters SET hold_back_until_ms = 0").run();
  if (lost != never_lost) return;
  Statement(database_, "UPDATE clusters SET incarnation = ?1").run(stored.incarnation());
}

}  // namespace workerid::detail::sqlite
