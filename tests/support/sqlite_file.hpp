// SPDX-License-Identifier: MIT
//
// A SQLite file as another program sees it.
#pragma once

#include <filesystem>
#include <memory>
#include <sqlite3.h>
#include <stdexcept>
#include <string>

namespace workerid::tests {

/// A connection of its own to a database file, made if it is missing. Use from one thread at a time.
class SqliteFile {
 public:
  explicit SqliteFile(const std::filesystem::path& path) {
    sqlite3* connection = nullptr;
    const int result = sqlite3_open(path.c_str(), &connection);
    connection_.reset(connection);
    check(result);
  }

  /// Runs statements; returns the columns of all rows, separated by '|'.
  std::string run(const std::string& sql) {
    std::string text;
    const auto append = [](void* output, int count, char** values, char**) {
      auto& all = *static_cast<std::string*>(output);
      for (int column = 0; column < count; ++column) {
        if (!all.empty()) all += '|';
        all += values[column];
      }
      return 0;
    };
    check(sqlite3_exec(connection_.get(), sql.c_str(), append, &text, nullptr));
    return text;
  }

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close(connection); }
  };

  void check(int result) const {
    if (result != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(connection_.get()));
  }

  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace workerid::tests
