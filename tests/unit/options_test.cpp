// SPDX-License-Identifier: MIT
#include "support/expect_error.hpp"

#include <workerid/options.hpp>

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace workerid::tests {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

template <typename... Words>
void expect_refused(const Options& options, const Words&... words) {
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { options.check(); }, words...);
}

TEST(Options, DefaultsAreThoseOfTheDesign) {
  const Options options;
  EXPECT_NO_THROW(options.check());
  const Configuration expected{1, 1000, 5min, 150s, 1s};
  EXPECT_EQ(options.configuration(), expected);
  EXPECT_TRUE(options.instance.empty());
  EXPECT_FALSE(options.takeover);
  EXPECT_TRUE(options.identity_file.empty());
}

TEST(Options, ReuseDelayFollowsTheLease) {
  EXPECT_EQ((Options{.max_lease_time = 30s}.configuration().reuse_delay), 15s);
  EXPECT_EQ((Options{.max_lease_time = 30s, .reuse_delay = 40s}.configuration().reuse_delay), 40s);
}

TEST(Options, BitWidths) {
  const auto range = [](int bits) {
    const Options options = Options::worker_bits(bits);
    EXPECT_NO_THROW(options.check());
    return std::pair{options.min_worker_id, options.max_worker_id};
  };
  EXPECT_EQ(range(1), (std::pair<WorkerId, WorkerId>{0, 1}));
  EXPECT_EQ(range(10), (std::pair<WorkerId, WorkerId>{0, 1023}));
  EXPECT_EQ(range(31), (std::pair<WorkerId, WorkerId>{0, largest_worker_id}));
  for (const int bits : {-1, 0, 32, 64}) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { Options::worker_bits(bits); }, "worker_bits",
        std::to_string(bits), "1 to 31");
  }
}

TEST(Options, BadRangesAreRefused) {
  expect_refused({.min_worker_id = -1}, "min_worker_id", "-1", "below 0");
  expect_refused({.max_worker_id = largest_worker_id + 1}, "max_worker_id", "2147483648",
                 "2147483647");
  expect_refused({.min_worker_id = 8, .max_worker_id = 7}, "min_worker_id is 8", "max_worker_id",
                 "7");
  EXPECT_NO_THROW((Options{.min_worker_id = 7, .max_worker_id = 7}.check()));
  EXPECT_NO_THROW((Options{.min_worker_id = 0, .max_worker_id = largest_worker_id}.check()));
}

TEST(Options, BadTimesAreRefused) {
  expect_refused({.max_lease_time = 0ms}, "lease time", "0 ms");
  expect_refused({.max_lease_time = -5s}, "lease time", "-5000 ms");
  expect_refused({.max_lease_time = 1999ms}, "max_lease_time", "1999 ms", "2000 ms");
  expect_refused({.max_lease_time = hours{24 * 30} + 1ms}, "max_lease_time", "2592000001 ms",
                 "2592000000 ms");
  expect_refused({.reuse_delay = -1ms}, "reuse_delay", "-1 ms", "0");
  expect_refused({.reuse_delay = hours{24 * 30} + 1ms}, "reuse_delay", "2592000001 ms",
                 "2592000000 ms");
  expect_refused({.cool_down = -1ms}, "cool_down", "-1 ms", "0");
  expect_refused({.cool_down = hours{24 * 30} + 1ms}, "cool_down", "2592000001 ms",
                 "2592000000 ms");
  expect_refused({.reuse_delay = 0ms}, "reuse_delay", "0 ms", "300000 ms", "75602 ms", "0.1 %");
  EXPECT_NO_THROW((Options{.max_lease_time = 2s}.check()));
  EXPECT_NO_THROW((Options{.max_lease_time = hours{24 * 30}}.check()));
  EXPECT_NO_THROW((Options{.cool_down = 0ms}.check()));
}

TEST(Options, BadInstancesAreRefused) {
  expect_refused({.instance = std::string(201, 'x')}, "instance", "201", "200");
  expect_refused({.instance = "a\tb"}, "instance", "control character 9");
  expect_refused({.instance = "a\x7f"}, "instance", "control character 127");
  expect_refused({.takeover = true}, "takeover", "instance");
  EXPECT_NO_THROW((Options{.instance = std::string(200, 'x'), .takeover = true}.check()));
  EXPECT_NO_THROW((Options{.instance = "工作节点 1"}.check()));
}

TEST(Options, DefaultRatioBearsTheFastestSlewOfChrony) {
  for (const milliseconds lease_time : {milliseconds{10s}, milliseconds{5min}, milliseconds{24h}}) {
    const Tolerance tolerance = Options{.max_lease_time = lease_time}.tolerance();
    EXPECT_GE(tolerance.clock_rate_ppm, lease_time < 1min ? 110'000 : 111'000);
    EXPECT_LT(tolerance.clock_rate_ppm, 112'000);
    EXPECT_EQ(tolerance.store_step, lease_time / 4);
  }
  expect_error(ErrorCode::invalid_argument, [] { Options{.max_lease_time = 1s}.tolerance(); });
}

// L + Q >= V (1 + rho) / (1 - rho) + F, with V = L and F = L / 4, without a rounding error.
bool bears(const Configuration& configuration, std::int64_t rho_ppm) {
  const std::int64_t lease = configuration.lease_time.count();
  const std::int64_t reuse = configuration.reuse_delay.count();
  constexpr std::int64_t one = 1'000'000;
  return 4 * (one - rho_ppm) * (lease + reuse) >=
         4 * (one + rho_ppm) * lease + (one - rho_ppm) * lease;
}

bool accepted(const Options& options) {
  try {
    options.check();
    return true;
  } catch (const Error&) {
    return false;
  }
}

// G1: the formula behind the reuse delay (design, section 3), tried around its limit.
TEST(Options, AcceptedReuseDelaysAreSafe) {
  const std::array lease_times{2000ms,    2001ms,     2002ms,    2003ms,    2999ms,        10'007ms,
                               60s + 0ms, 5min + 0ms, 300'001ms, 24h + 0ms, 24h * 30 + 0ms};
  for (const milliseconds lease_time : lease_times) {
    const milliseconds limit = lease_time / 4 + lease_time * 2 / 999;
    int refused = 0;
    for (milliseconds reuse_delay = limit - 10ms; reuse_delay <= limit + 10ms; reuse_delay += 1ms) {
      const Options options{.max_lease_time = lease_time, .reuse_delay = reuse_delay};
      SCOPED_TRACE(std::to_string(lease_time.count()) + " and " +
                   std::to_string(reuse_delay.count()));
      if (accepted(options)) {
        EXPECT_TRUE(bears(options.configuration(), 1000));
        EXPECT_TRUE(bears(options.configuration(), options.tolerance().clock_rate_ppm));
      } else {
        ++refused;
      }
    }
    EXPECT_GE(refused, 10) << "too little is refused";
    EXPECT_LE(refused, 16) << "more is refused than the formula and the clocks' grain ask for";
  }
}

TEST(Options, RefusalNamesTheLeastReuseDelayThatIsAccepted) {
  for (const milliseconds lease_time : {2000ms, 2001ms, 300'000ms, 86'400'001ms}) {
    const Error error = expect_error(ErrorCode::invalid_argument, [&] {
      Options{.max_lease_time = lease_time, .reuse_delay = 0ms}.check();
    });
    const std::string text = error.what();
    const std::string before = "must be above ";
    const auto position = text.find(before);
    ASSERT_NE(position, std::string::npos) << text;
    const milliseconds named{std::stoll(text.substr(position + before.size()))};
    EXPECT_TRUE(accepted({.max_lease_time = lease_time, .reuse_delay = named + 1ms})) << text;
    EXPECT_FALSE(accepted({.max_lease_time = lease_time, .reuse_delay = named - 1ms})) << text;
  }
}

TEST(Options, EventKindsHaveTheirNames) {
  EXPECT_EQ(name(Event::Kind::granted), "granted");
  EXPECT_EQ(name(Event::Kind::renewed), "renewed");
  EXPECT_EQ(name(Event::Kind::renewal_failed), "renewal_failed");
  EXPECT_EQ(name(Event::Kind::early_warning), "early_warning");
  EXPECT_EQ(name(Event::Kind::suspended), "suspended");
  EXPECT_EQ(name(Event::Kind::resumed), "resumed");
  EXPECT_EQ(name(Event::Kind::lost), "lost");
  EXPECT_EQ(name(Event::Kind::released), "released");
  EXPECT_EQ(name(Event::Kind::abandoned), "abandoned");
}

}  // namespace
}  // namespace workerid::tests
