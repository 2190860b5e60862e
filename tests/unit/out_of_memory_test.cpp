// SPDX-License-Identifier: MIT
//
// Memory that runs out between a grant and its caller: whichever allocation fails, the ID is given back.
#include <workerid/memory_store.hpp>
#include <workerid/workerid.hpp>

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace {

// Of this thread's allocations from now on, the one that fails; 0 for none.
thread_local int failing = 0;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (failing > 0 && --failing == 0) throw std::bad_alloc();
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}

[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

// Which allocation fails after the next grant, counted from when the clock is read again.
thread_local int failing_after_grant = 0;
thread_local bool granted = false;

class Exhausting final : public Clock {
 public:
  Moment now() const noexcept override {
    if (std::exchange(granted, false)) failing = failing_after_grant;
    return boottime_clock()->now();
  }
  void wait_until(Wakeup& wakeup, BootTime deadline) override {
    boottime_clock()->wait_until(wakeup, deadline);
  }
};

class Granting final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::string description() const override { return "granting"; }

 private:
  Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) override {
    const Grant grant = next().acquire(request, timeout);
    granted = true;
    return grant;
  }
};

// Lets the first allocation after the grant fail, the second one, and so on until none is left.
int failures_of(const std::function<void(Generator&)>& acquire) {
  for (int failures = 0;; ++failures) {
    const auto store = std::make_shared<Granting>(open_memory_store());
    Generator generator(store, "test",
                        {.on_event = [](const Event&) {}, .clock = std::make_shared<Exhausting>()});
    failing_after_grant = failures + 1;
    try {
      acquire(generator);
      failing = 0;
      return failures;
    } catch (const std::bad_alloc&) {
      EXPECT_EQ(store->inspect("test", 1s)->count(LeaseState::leased), 0) << failures;
    }
  }
}

}  // namespace

TEST(OutOfMemory, AnIdThatDoesNotReachItsCallerIsGivenBack) {
  EXPECT_GT(failures_of([](Generator& generator) { generator.get_id(); }), 1);
}

TEST(OutOfMemory, ALeaseThatDoesNotReachItsCallerIsGivenBack) {
  EXPECT_GT(failures_of([](Generator& generator) { const Lease lease = generator.lease(); }), 3);
}

}  // namespace workerid::tests
