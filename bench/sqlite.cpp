// SPDX-License-Identifier: MIT
//
// What an operation of the SQLite store costs against the least that a durable change of such a
// file can cost, and how processes share one file.
#include <workerid/sqlite_store.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sqlite3.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;
using workerid::AcquireRequest;
using workerid::Grant;
using workerid::RenewRequest;
using workerid::Token;
using SteadyClock = std::chrono::steady_clock;

constexpr auto timeout = 30s;

// One row, one UPDATE, one transaction; pages, journal mode and durability as in the store.
class Floor {
 public:
  explicit Floor(const std::filesystem::path& path) {
    sqlite3* connection = nullptr;
    constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    check(sqlite3_open_v2(path.c_str(), &connection, flags, nullptr));
    connection_.reset(connection);
    check(sqlite3_exec(
        connection,
        "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE floor (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
        "INSERT INTO floor VALUES (1, 0)",
        nullptr, nullptr, nullptr));
    begin_ = prepare("BEGIN IMMEDIATE");
    update_ = prepare("UPDATE floor SET value = value + 1 WHERE id = 1");
    commit_ = prepare("COMMIT");
  }

  void update() {
    for (sqlite3_stmt* statement : {begin_.get(), update_.get(), commit_.get()}) {
      if (sqlite3_step(statement) != SQLITE_DONE) throw std::runtime_error("the floor failed");
      sqlite3_reset(statement);
    }
  }

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Close>;

  static void check(int result) {
    if (result != SQLITE_OK) throw std::runtime_error(sqlite3_errstr(result));
  }

  Statement prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                             nullptr));
    return Statement{statement};
  }

  std::unique_ptr<sqlite3, Close> connection_;
  Statement begin_;
  Statement update_;
  Statement commit_;
};

class Durations {
 public:
  template <typename Operation>
  void measure(Operation operation) {
    const auto start = SteadyClock::now();
    operation();
    us_.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - start).count());
  }

  double quantile_us(double part) {
    std::sort(us_.begin(), us_.end());
    return us_.at(static_cast<std::size_t>(static_cast<double>(us_.size() - 1) * part));
  }

  std::vector<double>& all() noexcept { return us_; }

 private:
  std::vector<double> us_;
};

AcquireRequest new_request() {
  AcquireRequest request{.cluster = "benchmark", .token = Token::random(), .owner = "benchmark"};
  request.configuration.cool_down = 0ms;
  request.client.moment = workerid::boottime_clock()->now();
  return request;
}

RenewRequest renewal_of(const AcquireRequest& request, const Grant& grant) {
  return {.cluster = request.cluster,
          .worker_id = grant.worker_id,
          .token = request.token,
          .client = {workerid::boottime_clock()->now(), {}}};
}

// Every round measures each operation once, so that a slow moment of the disk meets all alike.
void compare_with_floor(const std::filesystem::path& folder, int rounds) {
  const auto store = workerid::open_sqlite_store(folder / "leases.db");
  Floor floor(folder / "floor.db");
  // Some leases that stay, as in a cluster that is in use.
  for (int others = 0; others < 100; ++others) store->acquire(new_request(), timeout);
  Durations floors;
  Durations acquires;
  Durations renewals;
  Durations releases;
  for (int round = 0; round < rounds; ++round) {
    const AcquireRequest request = new_request();
    Grant grant;
    floors.measure([&] { floor.update(); });
    acquires.measure([&] { grant = store->acquire(request, timeout); });
    floors.measure([&] { floor.update(); });
    renewals.measure([&] { store->renew(renewal_of(request, grant), timeout); });
    floors.measure([&] { floor.update(); });
    releases.measure([&] {
      store->release(
          {.cluster = request.cluster, .worker_id = grant.worker_id, .token = request.token},
          timeout);
    });
  }
  const double median = floors.quantile_us(0.5);
  const auto print = [&](const char* operation, Durations& durations) {
    std::printf("%-10s %10.1f %10.1f %10.2f\n", operation, durations.quantile_us(0.5),
                durations.quantile_us(0.99), durations.quantile_us(0.5) / median);
  };
  std::printf("%-10s %10s %10s %10s\n", "one alone", "median us", "p99 us", "x floor");
  print("floor", floors);
  print("acquire", acquires);
  print("renew", renewals);
  print("release", releases);
}

// Renews a lease of its own for `time`, and writes how long each renewal took.
void compete(const std::filesystem::path& file, std::chrono::milliseconds time, int output) {
  const auto store = workerid::open_sqlite_store(file);
  const AcquireRequest request = new_request();
  const Grant grant = store->acquire(request, timeout);
  Durations durations;
  for (const auto end = SteadyClock::now() + time; SteadyClock::now() < end;) {
    durations.measure([&] { store->renew(renewal_of(request, grant), timeout); });
  }
  const auto& all = durations.all();
  const char* bytes = reinterpret_cast<const char*>(all.data());
  for (std::size_t left = all.size() * sizeof(double); left > 0;) {
    const ssize_t written = ::write(output, bytes, left);
    if (written <= 0) ::_exit(1);
    bytes += written;
    left -= static_cast<std::size_t>(written);
  }
}

// What `processes` do together in `time`, per second.
double share_one_file(const std::filesystem::path& file, int processes,
                      std::chrono::milliseconds time) {
  struct Child {
    pid_t pid;
    int results;
  };
  std::vector<Child> children;
  for (int index = 0; index < processes; ++index) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    std::fflush(stdout);
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("no process");
    if (pid == 0) {
      try {
        compete(file, time, ends[1]);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_sqlite: %s\n", error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    children.push_back({pid, ends[0]});
  }
  Durations together;
  std::size_t fewest = SIZE_MAX;
  std::size_t most = 0;
  for (const Child& child : children) {
    std::size_t count = 0;
    std::FILE* results = ::fdopen(child.results, "rb");
    for (double us = 0; std::fread(&us, sizeof us, 1, results) == 1; ++count) {
      together.all().push_back(us);
    }
    std::fclose(results);
    int status = 0;
    ::waitpid(child.pid, &status, 0);
    if (status != 0) throw std::runtime_error("a process failed");
    fewest = std::min(fewest, count);
    most = std::max(most, count);
  }
  const double per_second =
      static_cast<double>(together.all().size()) * 1000.0 / static_cast<double>(time.count());
  std::printf("%-10d %10.0f %10.1f %10.1f %10.1f %10zu %10zu\n", processes, per_second,
              together.quantile_us(0.5), together.quantile_us(0.999), together.quantile_us(1),
              fewest, most);
  return per_second;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 3) {
    std::fprintf(stderr, "usage: bench_sqlite [FOLDER [ROUNDS]]\n");
    return 2;
  }
  const std::filesystem::path parent =
      argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path();
  const int rounds = argc > 2 ? std::stoi(argv[2]) : 2000;
  std::string folder = (parent / "workerid-bench.XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("cannot make " + folder);
  if (rounds > 0) compare_with_floor(folder, rounds);
  std::printf("\n%-10s %10s %10s %10s %10s %10s %10s\n", "processes", "renewals/s", "median us",
              "p99.9 us", "max us", "fewest", "most");
  const std::filesystem::path shared = std::filesystem::path(folder) / "shared.db";
  const double alone = share_one_file(shared, 1, 4s);
  for (const int processes : {2, 8}) {
    std::printf("  together %.0f %% of one alone\n",
                100 * share_one_file(shared, processes, 4s) / alone);
  }
  std::filesystem::remove_all(folder);
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_sqlite: %s\n", error.what());
  return 1;
}
