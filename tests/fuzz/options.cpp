// SPDX-License-Identifier: MIT
//
// Options of any numbers: what is accepted satisfies the formula of the reuse delay, for the clock
// rate that `tolerance()` names.
#include "fuzz/require.hpp"

#include <workerid/options.hpp>

#include <fuzzer/FuzzedDataProvider.h>

using namespace workerid;

namespace {

// L + Q >= V (1 + rho) / (1 - rho) + F + g, with V = L.
bool satisfies_formula(const Configuration& configuration, const Tolerance& tolerance) {
  const auto lease = static_cast<long double>(configuration.lease_time.count());
  const auto delay = static_cast<long double>(configuration.reuse_delay.count());
  const auto step = static_cast<long double>(tolerance.store_step.count());
  const long double rate = static_cast<long double>(tolerance.clock_rate_ppm) / 1e6L;
  constexpr long double granularity = 2;
  constexpr long double rounding = 1e-6L;
  return lease + delay + rounding >= lease * (1 + rate) / (1 - rate) + step + granularity;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  Options options;
  options.min_worker_id = input.ConsumeIntegral<WorkerId>();
  options.max_worker_id = input.ConsumeIntegral<WorkerId>();
  options.max_lease_time = std::chrono::milliseconds{input.ConsumeIntegral<std::int64_t>()};
  if (input.ConsumeBool()) {
    options.reuse_delay = std::chrono::milliseconds{input.ConsumeIntegral<std::int64_t>()};
  }
  options.cool_down = std::chrono::milliseconds{input.ConsumeIntegral<std::int64_t>()};
  options.takeover = input.ConsumeBool();
  const int bits = input.ConsumeIntegral<int>();
  options.instance = input.ConsumeRemainingBytesAsString();
  try {
    const Tolerance tolerance = options.tolerance();
    const Configuration configuration = options.configuration();
    check_configuration(configuration);
    fuzz::require(tolerance.clock_rate_ppm >= 1000 && tolerance.clock_rate_ppm < 1'000'000,
                  "what is accepted bears clocks that run 0.1 % off");
    fuzz::require(satisfies_formula(configuration, tolerance), "the reuse delay is long enough");
    fuzz::require(options.instance.size() <= 200, "an instance has at most 200 bytes");
  } catch (const Error& error) {
    fuzz::require(error.error_code() == ErrorCode::invalid_argument,
                  "the code is invalid_argument");
  }
  try {
    const Options range = Options::worker_bits(bits);
    range.check();
    fuzz::require(range.max_worker_id == (WorkerId{1} << bits) - 1, "the range has that many bits");
  } catch (const Error& error) {
    fuzz::require(bits < 1 || bits > 31, "1 to 31 bits are accepted");
    fuzz::require(error.error_code() == ErrorCode::invalid_argument,
                  "the code is invalid_argument");
  }
  return 0;
}
