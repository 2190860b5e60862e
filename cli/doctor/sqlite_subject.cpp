// SPDX-License-Identifier: MIT
#include "doctor/cluster_findings.hpp"
#include "doctor/sqlite_findings.hpp"
#include "doctor/subject.hpp"
#include "stores/sqlite/local_file.hpp"
#include "stores/sqlite/machine.hpp"

#include <workerid/sqlite_store.hpp>

#include <fcntl.h>
#include <memory>
#include <sqlite3.h>
#include <sys/vfs.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace workerid::cli {

namespace {

namespace fs = std::filesystem;

// A connection that reads, and leaves the file as it is: the library's would put it right first.
class Reader {
 public:
  explicit Reader(const fs::path& path) {
    sqlite3* connection = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READONLY, nullptr);
    connection_.reset(connection);
    check(opened);
    constexpr int longest_value = 10'000;  // above what the library writes, and what is shown
    sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, longest_value);
    sqlite3_busy_timeout(connection,
                         static_cast<int>(std::chrono::milliseconds{call_timeout}.count()));
  }

  // The columns of the first row; none if there is no row.
  std::vector<std::string> row(const char* sql) {
    sqlite3_stmt* prepared = nullptr;
    check(sqlite3_prepare_v2(connection_.get(), sql, -1, &prepared, nullptr));
    const std::unique_ptr<sqlite3_stmt, Finalize> statement{prepared};
    const int result = sqlite3_step(prepared);
    check(result);
    std::vector<std::string> columns;
    for (int column = 0; column < sqlite3_data_count(prepared); ++column) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(prepared, column));
      columns.emplace_back(text == nullptr ? "" : text);
    }
    return columns;
  }

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  void check(int result) const {
    if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE) return;
    const int primary = result & 0xff;
    const bool damaged =
        primary == SQLITE_NOTADB || primary == SQLITE_CORRUPT || primary == SQLITE_TOOBIG;
    const bool denied =
        primary == SQLITE_PERM || primary == SQLITE_READONLY || primary == SQLITE_CANTOPEN;
    throw Error(damaged  ? ErrorCode::corrupt_record
                : denied ? ErrorCode::denied
                         : ErrorCode::unavailable,
                std::string{"SQLite: "} + sqlite3_errmsg(connection_.get()));
  }

  std::unique_ptr<sqlite3, Close> connection_;
};

Permissions permissions_of(const fs::path& path) {
  std::error_code unknown;
  return {path, fs::status(path, unknown).permissions() & fs::perms::mask,
          ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0};
}

// The folder of the file, or the nearest one above that is there.
fs::path present_folder(const fs::path& path) {
  fs::path folder = path.parent_path();
  while (!fs::exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

class SqliteExamination {
 public:
  explicit SqliteExamination(const Examination& examination)
      : examination_(examination),
        named_(fs::absolute(examination.place).lexically_normal()),
        path_(detail::without_links(named_)) {}

  Findings findings() {
    std::error_code unknown;
    const bool there = fs::exists(path_, unknown);
    const bool used = there && fs::file_size(path_, unknown) > 0;
    if (path_ != named_) {
      findings_.push_back(
          {Severity::note, "file", named_.string() + " leads to " + path_.string()});
    }
    look_around(there);
    if (!used) {
      findings_.push_back({Severity::note, "file",
                           path_.string() + (there ? " is empty" : " does not exist") +
                               ": the first use makes it, for its user alone"});
      return std::move(findings_);
    }
    part("data", [this] { read(); });
    if (worst(findings_) == Severity::error) {
      findings_.push_back({Severity::note, "cluster",
                           "not looked at: the errors above would be met, or made worse"});
      return std::move(findings_);
    }
    part("cluster", [this] { connect(); });
    return std::move(findings_);
  }

 private:
  template <class Work>
  void part(const std::string& topic, const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      findings_.push_back(judge_failure(topic, error));
    }
  }

  void look_around(bool there) {
    const fs::path folder = present_folder(path_);
    struct statfs status {};
    if (::statfs(folder.c_str(), &status) == 0) {
      const auto magic = static_cast<std::uint32_t>(status.f_type);
      part("file system", [&] {
        findings_.push_back(judge_place(magic, detail::unfit_place(there ? path_ : folder)));
      });
      findings_.push_back(judge_space(static_cast<std::uintmax_t>(status.f_bavail) *
                                      static_cast<std::uintmax_t>(status.f_bsize)));
    }
    std::error_code unknown;
    std::vector<Permissions> files;
    for (const char* const end : {"", "-wal", "-shm"}) {
      const fs::path file = path_.string() + end;
      if (there && fs::exists(file, unknown)) files.push_back(permissions_of(file));
    }
    append(findings_, judge_permissions(permissions_of(folder), files));
    part("permissions", [this] { detail::sqlite::check_side_files(path_); });
  }

  void read() {
    Reader reader{path_};
    std::string mode;
    try {
      mode = reader.row("PRAGMA journal_mode").at(0);
      findings_.push_back(judge_check(reader.row("PRAGMA quick_check(1)").at(0)));
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::corrupt_record) throw;
      findings_.push_back(judge_check(error.what()));  // not even the schema can be read
      return;
    }
    const std::string ours =
        reader.row("SELECT count(*) FROM sqlite_master WHERE name = 'machine'").at(0);
    if (ours == "0") return;  // connecting says whose it is
    findings_.push_back(judge_journal(mode));
    const auto stored = reader.row("SELECT boot_id, machine_id FROM machine");
    if (stored.empty()) return;
    const detail::sqlite::Machine machine = detail::sqlite::this_machine();
    findings_.push_back(
        judge_boot({stored.at(0), stored.at(1)}, {machine.boot_id, machine.machine_id}));
  }

  void connect() {
    const auto store = open_sqlite_store(path_);
    const auto inspect = [&] { return store->inspect(examination_.cluster, call_timeout); };
    findings_.push_back(judge_guarantee(store->guarantee(call_timeout)));
    ClusterSightings seen{examination_.cluster, inspect(), {}, {}};
    const BootTime looked = BootClock::now();
    if (seen.first) {
      std::this_thread::sleep_for(examination_.watch);
      seen.second = inspect();
      seen.apart = BootClock::now() - looked;
    }
    append(findings_, judge_cluster(seen));
  }

  const Examination& examination_;
  const fs::path named_;
  const fs::path path_;  // without symbolic links
  Findings findings_;
};

}  // namespace

Findings examine_sqlite(const Examination& examination) {
  return SqliteExamination{examination}.findings();
}

}  // namespace workerid::cli
