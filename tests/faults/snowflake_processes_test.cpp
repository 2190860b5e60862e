// SPDX-License-Identifier: MIT
//
// Processes that generate IDs on a shared store, with clocks that disagree, among SIGKILL and SIGSTOP:
// no ID twice (G8).
#include "support/forked_process.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/generator.hpp>
#include <workerid/snowflake.hpp>
#include <workerid/sqlite_store.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t process_count = 4;
// One is always free for the longest: so IDs go from one to the other at each lease.
constexpr WorkerId max_worker_id = process_count + 1;
constexpr std::size_t batch = 512;

// How many IDs there are in the end, at least: WORKERID_SNOWFLAKE_IDS in the environment, or what the
// build says.
std::size_t wanted_ids() {
  const char* const text = std::getenv("WORKERID_SNOWFLAKE_IDS");  // NOLINT(concurrency-mt-unsafe)
  return text != nullptr ? std::stoull(text) : WORKERID_SNOWFLAKE_IDS;
}

// What all processes that had one place noted, one after the other; the IDs stand behind it.
struct Notes {
  std::atomic<std::size_t> count{0};
  std::atomic<std::size_t> leases{0};
};

// Memory that outlives a killed process.
class SharedNotes {
 public:
  explicit SharedNotes(std::size_t capacity)
      : capacity_(capacity), size_(sizeof(Notes) + capacity * sizeof(std::int64_t)) {
    void* const memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    notes_ = new (memory) Notes;
  }
  SharedNotes(const SharedNotes&) = delete;
  SharedNotes& operator=(const SharedNotes&) = delete;
  ~SharedNotes() { ::munmap(notes_, size_); }

  Notes* operator->() const noexcept { return notes_; }
  std::span<const std::int64_t> ids() const noexcept { return {begin(), notes_->count}; }
  bool full() const noexcept { return notes_->count + batch > capacity_; }

  // First the IDs, then how many they are: one who is killed in between has noted nothing.
  void add(std::span<const std::int64_t> ids) const {
    std::copy(ids.begin(), ids.end(), begin() + notes_->count);
    notes_->count += ids.size();
  }

 private:
  std::int64_t* begin() const noexcept { return reinterpret_cast<std::int64_t*>(notes_ + 1); }

  std::size_t capacity_;
  std::size_t size_;
  Notes* notes_;
};

// A machine whose wall clock is off.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(std::chrono::milliseconds skew) : skew_(skew) {}

  Moment now() const noexcept override {
    const Moment now = boottime_clock()->now();
    return {now.boot, now.wall + skew_};
  }
  void wait_until(Wakeup& wakeup, BootTime deadline) override {
    boottime_clock()->wait_until(wakeup, deadline);
  }

 private:
  std::chrono::milliseconds skew_;
};

// The file may be locked by one that was stopped.
std::shared_ptr<Store> opened(const std::filesystem::path& path) {
  for (;;) {
    try {
      return open_sqlite_store(path);
    } catch (const Error& error) {
      if (error.error_code() != ErrorCode::unavailable) throw;
    }
  }
}

// One process: generates with one lease after the other, until its notes are full or it is killed.
void generate(const std::filesystem::path& path, const SharedNotes& notes,
              std::chrono::milliseconds skew) {
  Generator generator(opened(path), "snowflakes",
                      {.max_worker_id = max_worker_id,
                       .max_lease_time = 2s,
                       .cool_down = 0ms,
                       .fresh = true,
                       .clock = std::make_shared<SkewedClock>(skew)});
  std::minstd_rand random(static_cast<unsigned>(::getpid()));
  std::array<std::int64_t, batch> ids{};
  while (!notes.full()) {
    try {
      Snowflake snowflake(generator.lease(1h));
      ++notes->leases;
      for (std::size_t left = 1 + random() % 200; left > 0 && !notes.full(); --left) {
        const std::span taken = std::span(ids).first(1 + random() % batch);
        if (taken.size() == 1) {
          ids[0] = snowflake.next();
        } else {
          snowflake.next(taken);
        }
        notes.add(taken);
      }
      // Half of the leases end with the process's last word, half without.
      if (random() % 2 == 0) snowflake.release();
    } catch (
        const Error&) {  // it was stopped for too long, or the store by another that was stopped
    }
  }
}

TEST(SnowflakeProcesses, NeverGenerateAnIdTwice) {  // G8
  const std::size_t wanted = wanted_ids();
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "leases.db";
  std::vector<std::unique_ptr<SharedNotes>> notes;
  std::vector<std::unique_ptr<ForkedProcess>> processes(process_count);
  const auto start = [&](std::size_t place) {
    processes[place].reset();  // killed before
    processes[place] = std::make_unique<ForkedProcess>([&, place] {
      // From 0.6 s behind to 0.6 s ahead: each meets the timestamps that others used before.
      generate(path, *notes[place], 400ms * static_cast<int>(place) - 600ms);
      return 0;
    });
  };
  for (std::size_t place = 0; place < process_count; ++place) {
    notes.push_back(std::make_unique<SharedNotes>(wanted));
    start(place);
  }
  const auto generated = [&] {
    std::size_t sum = 0;
    for (const auto& each : notes) sum += (*each)->count;
    return sum;
  };

  // One is killed, another one stopped for longer than its lease and the reuse delay: so its ID may be
  // another's when it goes on.
  std::minstd_rand random(1);
  constexpr int least_rounds = 3;
  for (int round = 0; round < least_rounds || generated() < wanted; ++round) {
    const std::size_t killed = random() % process_count;
    const std::size_t stopped = (killed + 1 + random() % (process_count - 1)) % process_count;
    processes[stopped]->signal(SIGSTOP);
    start(killed);
    std::this_thread::sleep_for(3500ms);
    processes[stopped]->signal(SIGCONT);
  }
  processes.clear();

  std::vector<std::int64_t> ids;
  ids.reserve(generated());
  std::size_t leases = 0;
  for (const auto& each : notes) {
    ids.insert(ids.end(), each->ids().begin(), each->ids().end());
    leases += (*each)->leases;
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
  EXPECT_GE(ids.size(), wanted);
  EXPECT_GE(leases, 2 * process_count);
  RecordProperty("ids", std::to_string(ids.size()));
  RecordProperty("leases", std::to_string(leases));
  std::cout << ids.size() << " IDs of " << leases << " leases\n";
}

}  // namespace
}  // namespace workerid::tests
