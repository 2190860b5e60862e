// SPDX-License-Identifier: MIT
//
// What the library leaves to the program that it lives in: its signals, its limit of threads, and how
// its threads end. Each test is in a process of its own.
#include "conformance/subjects.hpp"
#include "support/expect_error.hpp"
#include "support/forked_process.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/redis_store.hpp>
#include <workerid/workerid.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

constexpr uid_t nobodys_uid = 64'999;  // nobody has a process under it, so none counts

// The body runs in a child; what it expects in vain fails the test.
void in_a_child(const std::function<void()>& body) {
  ForkedProcess child([&body] {
    body();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), ExitStatus{});
}

// A Generator with a lease, and both its threads.
struct Program {
  std::atomic<int> told{0};
  std::shared_ptr<Store> store = open_memory_store();
  Generator generator{store, "test", {.on_event = [this](const Event&) { told += 1; }}};
  Lease lease = generator.lease();
};

std::string line_of(const std::filesystem::path& file, const std::string& beginning) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(beginning, 0) == 0) return line.substr(beginning.size());
  }
  return {};
}

// A set of signals, as the kernel writes it.
using Signals = std::uint64_t;

Signals blocked_in(const std::filesystem::path& task) {
  return std::stoull(line_of(task / "status", "SigBlk:\t"), nullptr, 16);
}

std::vector<Signals> blocked_in_other_threads() {
  std::vector<Signals> blocked;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::gettid())) continue;
    blocked.push_back(blocked_in(task.path()));
  }
  return blocked;
}

// Runs `work` in a thread until it ends or is cancelled; true if it was cancelled.
class CancelledThread {
 public:
  explicit CancelledThread(std::function<void()> work) : work_(std::move(work)) {
    ::pthread_create(&thread_, nullptr, &CancelledThread::run, this);
  }
  void cancel() const { ::pthread_cancel(thread_); }
  bool was_cancelled() const {
    void* result = nullptr;
    ::pthread_join(thread_, &result);
    return result == PTHREAD_CANCELED;
  }

 private:
  static void* run(void* self) {
    static_cast<CancelledThread*>(self)->work_();
    return nullptr;
  }

  std::function<void()> work_;
  pthread_t thread_{};
};

// Says when an acquisition was refused.
class Watched : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  std::string description() const override { return "watched"; }
  void wait_for_a_refusal() const { refused_.wait(false); }

 private:
  Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) override {
    try {
      return next().acquire(request, timeout);
    } catch (const Error&) {
      refused_ = true;
      refused_.notify_all();
      throw;
    }
  }

  std::atomic<bool> refused_{false};
};

}  // namespace

TEST(HostProgram, ItsSignalsAreNotTakenByTheLibrarysThreads) {
  in_a_child([] {
    const Program program;
    sigset_t term;
    ::sigemptyset(&term);
    ::sigaddset(&term, SIGTERM);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &term, nullptr), 0);
    const int signals = ::signalfd(-1, &term, SFD_CLOEXEC);
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    pollfd entry{.fd = signals, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&entry, 1, 30'000), 1);
  });
}

TEST(HostProgram, EveryThreadOfTheLibraryBlocksAllSignals) {
  in_a_child([] {
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    const Signals everything = blocked_in("/proc/thread-self");
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
    ASSERT_NE(blocked_in("/proc/thread-self"), everything);

    const Program program;
    const auto blocked = blocked_in_other_threads();
    // ThreadSanitizer has some of its own.
    EXPECT_GE(blocked.size(), 2U) << "one renews, one tells of events";
    for (const Signals signals : blocked) EXPECT_EQ(signals & everything, everything);
  });
}

TEST(HostProgram, MayHaveNoThreadLeft) {
  in_a_child([] {
    const rlimit none{0, 0};
    ASSERT_EQ(::setrlimit(RLIMIT_NPROC, &none), 0);
    if (::geteuid() == 0) {  // whom the limit does not bind
      ASSERT_EQ(::setresuid(nobodys_uid, nobodys_uid, nobodys_uid), 0);
    }
    const auto store = open_memory_store();
    Generator generator(store, "test", {.on_event = [](const Event&) {}});
    expect_error_naming(
        ErrorCode::unavailable, [&] { const Lease lease = generator.lease(); }, "thread");
    EXPECT_FALSE(store->inspect("test", 1s)) << "an ID was granted";
    EXPECT_EQ(generator.get_id().worker_id, 1) << "which needs no thread";

    const auto far = open_redis_store("redis://localhost:1");
    expect_error_naming(
        ErrorCode::unavailable, [&] { static_cast<void>(far->inspect("test", 1s)); }, "thread");
  });
}

TEST(HostProgram, MayEndTheThreadOfACallback) {
  in_a_child([] {
    std::atomic<int> told{0};
    const auto store = open_memory_store();
    {
      Generator generator(store, "test", {.on_event = [&](const Event&) {
                            told += 1;
                            told.notify_all();
                            ::pthread_exit(nullptr);
                          }});
      const Lease lease = generator.lease();
      told.wait(0);
      EXPECT_TRUE(lease.held());
    }
    EXPECT_EQ(told, 1) << "it was called after it had ended its thread";
    EXPECT_EQ(store->inspect("test", 1s)->count(LeaseState::leased), 0);
  });
}

class Cancellation : public ::testing::TestWithParam<Backend> {
 protected:
  static Options pool_of_one() {
    return {.min_worker_id = 1, .max_worker_id = 1, .cool_down = 0ms, .fresh = true};
  }
};

// The AddressSanitizer of g++ 12 takes its own look at the signal stack for an overflow while a
// cancelled thread unwinds through a wait; the other builds run this.
#ifndef __SANITIZE_ADDRESS__
TEST_P(Cancellation, EndsAWaitAndTakesNoId) {
  in_a_child([] {
    const auto subject = make_subject(GetParam());
    Generator holder(subject.open(), "test", pool_of_one());
    const Assignment held = holder.get_id();

    const auto store = std::make_shared<Watched>(subject.open());
    CancelledThread waiting([&] { Generator(store, "test", pool_of_one()).get_id(1h); });
    store->wait_for_a_refusal();
    waiting.cancel();
    EXPECT_TRUE(waiting.was_cancelled());

    holder.release(held.worker_id, held.token);
    EXPECT_EQ(holder.get_id().worker_id, 1) << "the thread that is gone took it";
  });
}
#endif

// Every function that blocks is one in which it may come.
TEST_P(Cancellation, WaitsForTheEndOfEverythingElse) {
  in_a_child([] {
    const auto subject = make_subject(GetParam());
    int granted = 0;
    const CancelledThread cancelled([&] {
      {
        ::pthread_cancel(::pthread_self());
        const auto store = subject.open();
        Generator generator(store, "test", pool_of_one());
        const Assignment assigned = generator.get_id();
        generator.renew(assigned.worker_id, assigned.token);
        generator.inspect();
        generator.guarantee();
        generator.release(assigned.worker_id, assigned.token);
        Lease released = generator.lease();
        released.release();
        Snowflake snowflake(Generator(store, "snowflakes", pool_of_one()).lease());
        snowflake.next();
        snowflake.release();
        const Lease lease = generator.lease();
        granted = 4;
      }
      ::pthread_testcancel();
    });
    EXPECT_TRUE(cancelled.was_cancelled());
    EXPECT_EQ(granted, 4) << "it came to an end on its way";
    EXPECT_EQ(Generator(subject.open(), "test", pool_of_one()).get_id().worker_id, 1);
  });
}

INSTANTIATE_TEST_SUITE_P(Stores, Cancellation,
                         ::testing::Values(Backend::memory_clock, Backend::sqlite_clock,
                                           Backend::redis),
                         [](const auto& backend) { return name(backend.param); });

}  // namespace workerid::tests
