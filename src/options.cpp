// SPDX-License-Identifier: MIT
#include "checks.hpp"

#include <workerid/options.hpp>

#include <string>

namespace workerid {

namespace {

using detail::refuse;
using std::chrono::milliseconds;

constexpr milliseconds shortest_lease_time = std::chrono::seconds{2};
constexpr std::int64_t least_clock_rate_ppm = 1000;
constexpr std::int64_t ppm = 1'000'000;
// Both clocks are kept in milliseconds: each may be off by one.
constexpr milliseconds granularity{2};

std::string text(milliseconds time) {
  return std::to_string(time.count()) + " ms";
}

// From L + Q >= V (1 + rho) / (1 - rho) + F + g with V = L, solved for rho.
Tolerance tolerance_of(const Configuration& configuration) {
  const milliseconds lease_time = configuration.lease_time;
  const milliseconds step = lease_time / 4;
  const milliseconds margin = configuration.reuse_delay - step - granularity;
  const milliseconds whole = 2 * lease_time + margin;
  return {whole > milliseconds::zero() ? margin.count() * ppm / whole.count() : -ppm, step};
}

void check_times(const Configuration& configuration) {
  const milliseconds lease_time = configuration.lease_time;
  if (lease_time < shortest_lease_time) {
    refuse("max_lease_time is " + text(lease_time) + "; it must not be below " +
           text(shortest_lease_time));
  }
  if (tolerance_of(configuration).clock_rate_ppm >= least_clock_rate_ppm) return;
  const milliseconds least = lease_time / 4 + granularity +
                             2 * lease_time * least_clock_rate_ppm / (ppm - least_clock_rate_ppm);
  refuse("reuse_delay is " + text(configuration.reuse_delay) + "; with a lease of " +
         text(lease_time) + " it must be above " + text(least) +
         ", to bear a step of the store's clock and clocks that run 0.1 % off");
}

}  // namespace

std::string_view name(Event::Kind kind) noexcept {
  switch (kind) {
    case Event::Kind::granted:
      return "granted";
    case Event::Kind::renewed:
      return "renewed";
    case Event::Kind::renewal_failed:
      return "renewal_failed";
    case Event::Kind::early_warning:
      return "early_warning";
    case Event::Kind::suspended:
      return "suspended";
    case Event::Kind::resumed:
      return "resumed";
    case Event::Kind::restored:
      return "restored";
    case Event::Kind::lost:
      return "lost";
    case Event::Kind::released:
      return "released";
    case Event::Kind::abandoned:
      return "abandoned";
  }
  return "unknown";
}

Options Options::worker_bits(int bits) {
  constexpr int most = 31;
  if (bits < 1 || bits > most) {
    refuse("worker_bits is " + std::to_string(bits) + "; it must be 1 to " + std::to_string(most));
  }
  Options options;
  options.min_worker_id = 0;
  options.max_worker_id = (WorkerId{1} << bits) - 1;
  return options;
}

Configuration Options::configuration() const {
  return {.min_worker_id = min_worker_id,
          .max_worker_id = max_worker_id,
          .lease_time = max_lease_time,
          .reuse_delay = reuse_delay.value_or(max_lease_time / 2),
          .cool_down = cool_down};
}

void Options::check() const {
  check_configuration(configuration());
  check_times(configuration());
  // The store's limit leaves room for what an identity file adds.
  constexpr std::size_t longest_instance = 200;
  detail::check_text("instance", instance, longest_instance);
  if (takeover && instance.empty()) {
    refuse("takeover is set without an instance; name the instance whose former process is gone");
  }
}

Tolerance Options::tolerance() const {
  check();
  return tolerance_of(configuration());
}

}  // namespace workerid
