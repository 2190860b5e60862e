// SPDX-License-Identifier: MIT
//
// Many processes on one store, some of them killed at any moment (G1).
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/redis_store.hpp>
#include <workerid/sqlite_store.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <gtest/gtest.h>
#include <new>
#include <set>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using std::chrono::milliseconds;
using Open = std::function<std::shared_ptr<Store>()>;

constexpr milliseconds timeout = std::chrono::seconds{60};
constexpr int process_count = 36;
constexpr int killed_count = 9;
constexpr int rounds = 12;
constexpr WorkerId pool_size = 48;

// What the processes share: who is in possession of an ID, as its holders see it.
struct Board {
  std::array<std::atomic<pid_t>, pool_size + 1> holder{};
  std::atomic<int> duplicates{0};
};

class SharedBoard {
 public:
  SharedBoard() {
    void* memory =
        ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    board_ = new (memory) Board;
  }
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  ~SharedBoard() { ::munmap(board_, sizeof(Board)); }

  Board& operator*() const noexcept { return *board_; }
  Board* operator->() const noexcept { return board_; }

 private:
  Board* board_;
};

AcquireRequest request() {
  AcquireRequest request;
  request.cluster = "processes";
  // Nothing ends by itself: a killed process keeps its IDs.
  request.configuration = {1, pool_size, std::chrono::hours{1}, std::chrono::hours{1},
                           milliseconds{0}};
  request.token = Token::random();
  return request;
}

// One process: takes an ID and gives it back, time and again, and tells of each by a byte.
void work(const Open& open, Board& board, int pipe) {
  const std::shared_ptr<Store> store = open();
  const pid_t self = ::getpid();
  for (int round = 0; round < rounds; ++round) {
    const AcquireRequest mine = request();
    const WorkerId worker_id = store->acquire(mine, timeout).worker_id;
    std::atomic<pid_t>& holder = board.holder.at(static_cast<std::size_t>(worker_id));
    if (holder.exchange(self) != 0) ++board.duplicates;
    if (::write(pipe, "+", 1) != 1) ::_exit(3);
    holder = 0;
    store->release({mine.cluster, worker_id, mine.token, true, std::nullopt, {}}, timeout);
  }
}

pid_t start_worker(const Open& open, Board& board, int pipe) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    work(open, board, pipe);
    ::_exit(0);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "process %d: %s\n", static_cast<int>(::getpid()), failure.what());
    ::_exit(2);
  }
}

void run_processes(const Open& open) {
  const SharedBoard board;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  std::vector<pid_t> workers;
  for (int count = 0; count < process_count; ++count) {
    workers.push_back(start_worker(open, *board, pipe[1]));
    ASSERT_GT(workers.back(), 0);
  }
  ::close(pipe[1]);

  // Kills one whenever some more grants were made; the pipe ends with the last of the others.
  int grants = 0;
  std::size_t killed = 0;
  for (char byte = 0; ::read(pipe[0], &byte, 1) == 1;) {
    EXPECT_EQ(byte, '+');
    ++grants;
    if (grants % process_count == 0 && killed < killed_count) ::kill(workers[killed++], SIGKILL);
  }
  ::close(pipe[0]);
  EXPECT_EQ(killed, static_cast<std::size_t>(killed_count));

  for (std::size_t index = 0; index < workers.size(); ++index) {
    int status = -1;
    ASSERT_EQ(::waitpid(workers[index], &status, 0), workers[index]);
    if (index < killed && WIFSIGNALED(status)) continue;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "process " << index;
  }
  EXPECT_EQ(board->duplicates, 0);
  EXPECT_GE(grants, (process_count - killed_count) * rounds);

  // Each killed process left one ID at the most; all others can be had, and no taken one.
  const std::shared_ptr<Store> store = open();
  const auto view = store->inspect("processes", timeout);
  ASSERT_TRUE(view.has_value());
  std::set<WorkerId> taken;
  for (const LeaseView& lease : view->leases) {
    if (lease.state == LeaseState::leased) taken.insert(lease.worker_id);
  }
  EXPECT_LE(taken.size(), static_cast<std::size_t>(killed_count));
  while (taken.size() < static_cast<std::size_t>(pool_size)) {
    const WorkerId worker_id = store->acquire(request(), timeout).worker_id;
    ASSERT_TRUE(taken.insert(worker_id).second) << "worker ID " << worker_id << " is taken";
  }
}

TEST(Processes, ShareASqliteFile) {
  const TemporaryDirectory directory;
  run_processes([&] { return open_sqlite_store(directory.path() / "leases.db"); });
}

TEST(Processes, ShareARedisServer) {
  const RedisServer server;
  run_processes([&] { return open_redis_store(server.url()); });
}

}  // namespace
}  // namespace workerid::tests
