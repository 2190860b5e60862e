// SPDX-License-Identifier: MIT
//
// A lease file with some history, to be spoilt.
#pragma once

#include "fuzz/require.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/sqlite_store.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace workerid::fuzz {

inline const Configuration small_cluster{.min_worker_id = 1, .max_worker_id = 3};
inline const std::string cluster = "cluster";

class LeaseFile {
 public:
  LeaseFile() {
    const auto store = open_sqlite_store(path_);
    constexpr std::chrono::milliseconds timeout{2000};
    const ClientTime client{boottime_clock()->now(), "machine"};
    for (const char last : {'A', 'Q', 'g'}) {
      store->acquire({.cluster = cluster,
                      .configuration = small_cluster,
                      .token = token(last),
                      .instance = std::string{"instance "} + last,
                      .owner = "owner",
                      .client = client},
                     timeout);
    }
    store->release({.cluster = cluster, .worker_id = 3, .token = token('g'), .client = client},
                   timeout);
  }

  const std::filesystem::path& path() const noexcept { return path_; }

  static Token token(char last) {
    return Token::parse("AAAAAAAAAAAAAAAAAAAAB" + std::string{last});
  }

  /// Its bytes, nothing being open. (SQLite empties the log when the last connection closes.)
  std::string bytes() const {
    std::ifstream file{path_, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  /// Makes it of these bytes.
  void write(const std::string& bytes) const {
    std::filesystem::remove(path_.string() + "-wal");
    std::filesystem::remove(path_.string() + "-shm");
    std::ofstream{path_, std::ios::binary | std::ios::trunc} << bytes;
  }

 private:
  tests::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "leases.db";
};

}  // namespace workerid::fuzz
