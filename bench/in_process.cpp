// SPDX-License-Identifier: MIT
//
// What the calls cost that do not leave the process: the checks of a lease against the two clock
// reads that they need, tokens, the memory store and the rules.
#include <workerid/generator.hpp>
#include <workerid/memory_store.hpp>
#include <workerid/rules.hpp>
#include <workerid/token.hpp>

#include <benchmark/benchmark.h>
#include <ctime>
#include <optional>

namespace {

using namespace std::chrono_literals;
using workerid::AcquireRequest;
using workerid::Grant;
using workerid::Token;

// What every check must read: the clock that validity counts on, and its witness.
void two_clock_reads(benchmark::State& state) {
  for (auto _ : state) {
    timespec boot;
    timespec wall;
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    ::clock_gettime(CLOCK_REALTIME, &wall);
    benchmark::DoNotOptimize(boot);
    benchmark::DoNotOptimize(wall);
  }
}
BENCHMARK(two_clock_reads);

// Not used: how far one of the coarse pair may be behind is a tick, 4 ms on Debian.
void two_coarse_clock_reads(benchmark::State& state) {
  for (auto _ : state) {
    timespec monotonic;
    timespec wall;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &monotonic);
    ::clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    benchmark::DoNotOptimize(monotonic);
    benchmark::DoNotOptimize(wall);
  }
}
BENCHMARK(two_coarse_clock_reads);

struct Held {
  workerid::Generator generator{workerid::open_memory_store(), "benchmark"};
  workerid::Lease lease = generator.lease();
};

void lease_held(benchmark::State& state) {
  const Held held;
  for (auto _ : state) benchmark::DoNotOptimize(held.lease.held());
}
BENCHMARK(lease_held);

void lease_worker_id(benchmark::State& state) {
  const Held held;
  for (auto _ : state) benchmark::DoNotOptimize(held.lease.worker_id());
}
BENCHMARK(lease_worker_id);

void lease_epoch(benchmark::State& state) {
  const Held held;
  for (auto _ : state) benchmark::DoNotOptimize(held.lease.epoch());
}
BENCHMARK(lease_epoch);

void token_random(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Token::random());
}
BENCHMARK(token_random);

AcquireRequest request_with(const Token& token) {
  AcquireRequest request{.cluster = "benchmark", .token = token};
  request.configuration.cool_down = 0ms;
  request.client.moment = workerid::boottime_clock()->now();
  return request;
}

void memory_store_acquire_release(benchmark::State& state) {
  const auto store = workerid::open_memory_store();
  for (auto _ : state) {
    const AcquireRequest request = request_with(Token::random());
    const Grant grant = store->acquire(request, 1s);
    store->release({.cluster = request.cluster,
                    .worker_id = grant.worker_id,
                    .token = request.token,
                    .client = request.client},
                   1s);
  }
}
BENCHMARK(memory_store_acquire_release);

void memory_store_renew(benchmark::State& state) {
  const auto store = workerid::open_memory_store();
  const AcquireRequest request = request_with(Token::random());
  const Grant grant = store->acquire(request, 1s);
  const workerid::RenewRequest renewal{.cluster = request.cluster,
                                       .worker_id = grant.worker_id,
                                       .token = request.token,
                                       .client = request.client};
  for (auto _ : state) benchmark::DoNotOptimize(store->renew(renewal, 1s));
}
BENCHMARK(memory_store_renew);

void rules_renew(benchmark::State& state) {
  const AcquireRequest request = request_with(Token::random());
  const workerid::rules::StoreTime time{1000ms, request.client.moment.wall};
  const auto granted = workerid::rules::acquire(std::nullopt, request, {}, time);
  const workerid::RenewRequest renewal{.cluster = request.cluster,
                                       .worker_id = granted.record->worker_id,
                                       .token = request.token,
                                       .client = request.client};
  const std::optional<workerid::rules::Cluster> cluster = granted.cluster;
  for (auto _ : state) {
    benchmark::DoNotOptimize(workerid::rules::renew(cluster, renewal, granted.record, time));
  }
}
BENCHMARK(rules_renew);

}  // namespace

BENCHMARK_MAIN();
