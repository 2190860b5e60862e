// SPDX-License-Identifier: MIT
//
// What an ID costs, against the one clock read that it needs, and what of it is waiting.
#include <workerid/generator.hpp>
#include <workerid/memory_store.hpp>
#include <workerid/snowflake.hpp>

#include <array>
#include <benchmark/benchmark.h>
#include <ctime>
#include <memory>

namespace {

using workerid::Snowflake;
using workerid::SnowflakeOptions;

void one_clock_read(benchmark::State& state) {
  for (auto _ : state) {
    timespec wall;
    ::clock_gettime(CLOCK_REALTIME, &wall);
    benchmark::DoNotOptimize(wall);
  }
}
BENCHMARK(one_clock_read);

// More IDs than a thread can take: 4 million in a millisecond.
SnowflakeOptions unlimited() {
  SnowflakeOptions options;
  options.layout.worker_bits = 0;
  options.layout.sequence_bits = 22;
  return options;
}

struct Generating {
  explicit Generating(SnowflakeOptions options, workerid::WorkerId max_worker_id = 0)
      : generator(workerid::open_memory_store(), "benchmark",
                  {.min_worker_id = 0, .max_worker_id = max_worker_id}),
        snowflake(generator.lease(), options) {}

  workerid::Generator generator;
  Snowflake snowflake;
};

void snowflake_next(benchmark::State& state) {
  Generating generating(unlimited());
  for (auto _ : state) benchmark::DoNotOptimize(generating.snowflake.next());
}
BENCHMARK(snowflake_next);

void snowflake_next_coarse(benchmark::State& state) {
  SnowflakeOptions options = unlimited();
  options.coarse_clock = true;
  Generating generating(options);
  for (auto _ : state) benchmark::DoNotOptimize(generating.snowflake.next());
}
BENCHMARK(snowflake_next_coarse);

// All threads on one generator: the time is that of all IDs together.
std::unique_ptr<Generating> shared;

void make_shared_generator(const benchmark::State& /*unused*/) {
  shared = std::make_unique<Generating>(unlimited());
}

void end_shared_generator(const benchmark::State& /*unused*/) {
  shared.reset();
}

void snowflake_next_of_threads(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(shared->snowflake.next());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(snowflake_next_of_threads)
    ->Setup(make_shared_generator)
    ->Teardown(end_shared_generator)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

// The time is that of one ID of the batch.
void snowflake_next_batch(benchmark::State& state) {
  Generating generating(unlimited());
  std::array<std::int64_t, 100> ids{};
  for (auto _ : state) {
    generating.snowflake.next(ids);
    benchmark::DoNotOptimize(ids);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ids.size()));
}
BENCHMARK(snowflake_next_batch);

// At the ceiling of 41/10/12, 4096 in a millisecond: wall time against the processor's.
void snowflake_next_at_the_ceiling(benchmark::State& state) {
  Generating generating(SnowflakeOptions{}, 1000);
  for (auto _ : state) benchmark::DoNotOptimize(generating.snowflake.next());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(snowflake_next_at_the_ceiling)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
