// SPDX-License-Identifier: MIT
//
// What the tests of the SQLite store have in common.
#pragma once

#include "support/expect_error.hpp"
#include "support/sqlite_file.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/sqlite_store.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <chrono>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace workerid::tests {

/// A directory of its own with a file of the SQLite store, which the test opens.
class SqliteStoreTest : public ::testing::Test {
 protected:
  /// Long for what has to succeed: a busy disk takes seconds to make one transaction durable.
  static constexpr std::chrono::milliseconds timeout{std::chrono::minutes{4}};

  std::shared_ptr<Store> open() const { return open_sqlite_store(path, clock); }

  AcquireRequest request() const {
    return {.cluster = "c", .configuration = configuration, .token = Token::random()};
  }
  Grant acquire(Store& store) const { return store.acquire(request(), timeout); }
  static Grant renew(Store& store, WorkerId worker_id, const Token& token,
                     Renewal renewal = Renewal::held) {
    return store.renew({"c", worker_id, token, renewal, {}}, timeout);
  }
  static Grant restore(Store& store, const AcquireRequest& request, const Grant& grant) {
    return store.restore({request.cluster,
                          request.configuration,
                          request.token,
                          grant,
                          request.instance,
                          request.owner,
                          {}},
                         timeout);
  }
  static void release(Store& store, WorkerId worker_id, const Token& token) {
    store.release({"c", worker_id, token, true, std::nullopt, {}}, timeout);
  }
  static std::size_t recorded(Store& store) {
    const auto view = store.inspect("c", timeout);
    return view ? view->leases.size() : 0;
  }

  /// What sqlite3 prints for `sql`.
  std::string run(const std::string& sql) const { return SqliteFile(path).run(sql); }

  TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "leases.db";
  std::shared_ptr<Clock> clock = boottime_clock();
  Configuration configuration{};
};

}  // namespace workerid::tests
