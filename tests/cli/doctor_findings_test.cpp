// SPDX-License-Identifier: MIT
//
// What doctor concludes from what it was told, where a test cannot make it so: versions of servers,
// file systems, rates of clocks.
#include "doctor/cluster_findings.hpp"
#include "doctor/redis_findings.hpp"
#include "doctor/sqlite_findings.hpp"
#include "stores/sqlite/local_file.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

RedisFacts told(const std::string& info) {
  RedisFacts facts;
  facts.info = info;
  return facts;
}

// Readings that come every 100 ms, each on its way for `round_trip` and read in the middle; the server's
// clock shows `lead(time)` more than the client's.
template <class Lead>
std::vector<ClockSample> readings(int count, nanoseconds round_trip, const Lead& lead) {
  std::vector<ClockSample> samples;
  const WallTime wall{std::chrono::hours{500'000}};
  for (int index = 0; index < count; ++index) {
    const nanoseconds sent = index * 100ms;
    const nanoseconds read = sent + round_trip / 2;
    const auto at = [&](nanoseconds time) {
      return Moment{BootTime{1000s + time},
                    wall + std::chrono::floor<std::chrono::milliseconds>(time)};
    };
    samples.push_back(
        {at(sent), at(sent + round_trip),
         std::chrono::floor<microseconds>(
             std::chrono::sys_time<nanoseconds>{wall.time_since_epoch() + read} + lead(read))});
  }
  return samples;
}

const auto steady = [](nanoseconds) { return nanoseconds{0}; };

TEST(RedisFindings, OldServersAreNotSupported) {
  const Finding finding = judge_server(told("redis_version:6.0.16\r\n"));
  EXPECT_EQ(finding.severity, Severity::error);
  EXPECT_TRUE(has(finding.change, "6.2")) << finding.change;
  EXPECT_EQ(judge_server(told("redis_version:5.0\r\n")).severity, Severity::error);
  EXPECT_EQ(judge_server(told("redis_version:6.2.14\r\n")).severity, Severity::ok);
  EXPECT_EQ(judge_server(told("redis_version:10.0.0\r\n")).severity, Severity::ok);
}

TEST(RedisFindings, RelativesAreKnownByName) {
  EXPECT_EQ(
      judge_server(told("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n"))
          .reason,
      "Valkey 8.0.1");
  EXPECT_EQ(
      judge_server(told("redis_version:6.3.4\r\nexecutable:/usr/bin/keydb-server\r\n")).reason,
      "KeyDB 6.3.4");
}

TEST(RedisFindings, AServerThatReadsItsDataIsNoUse) {
  const Findings findings = judge_role(told("role:master\r\nloading:1\r\n"));
  EXPECT_EQ(worst(findings), Severity::error);
}

TEST(RedisFindings, ALostLogIsAnError) {
  RedisFacts facts = told("aof_enabled:1\r\naof_last_write_status:err\r\n");
  facts.settings["appendfsync"] = "always";
  EXPECT_EQ(worst(judge_persistence(facts)), Severity::error);
}

// Whatever a server says, there is an end to it, and nothing is reckoned that no number holds.
TEST(RedisFindings, NonsenseIsBorne) {
  for (const std::string value :
       {"", "-1", "9223372036854775807", "99999999999999999999", "x", "1.5", "1\n", "\xff"}) {
    RedisFacts facts;
    for (const char* const field :
         {"redis_version", "role", "loading", "aof_enabled", "maxmemory", "maxmemory_policy",
          "used_memory", "evicted_keys", "connected_slaves", "master_repl_offset",
          "min_slaves_good_slaves", "uptime_in_seconds"}) {
      facts.info += std::string{field} + ":" + value + "\r\n";
    }
    facts.info += "role:master\r\nslave0:ip=,lag=" + value + ",offset=" + value + ",state\r\n";
    for (const std::string_view setting : settings_asked) {
      facts.settings[std::string{setting}] = value;
    }
    judge_server(facts);
    for (const auto judge : {judge_role, judge_persistence, judge_memory, judge_replicas}) {
      for (const Finding& finding : judge(facts)) EXPECT_NE(finding.reason, "");
    }
    judge_age(facts, 450s);
  }
}

TEST(RedisFindings, AnswersAreToldApart) {
  const auto is = [](const char* text, Permission permission) {
    EXPECT_EQ(permission_in(text), permission) << text;
  };
  // Of 6.2, 7.0, 7.2 and in scripts.
  is("NOPERM this user has no permissions to run the 'hset' command or its subcommand",
     Permission::command_denied);
  is("NOPERM this user has no permissions to run the 'hset' command", Permission::command_denied);
  is("NOPERM User worker has no permissions to run the 'hset' command", Permission::command_denied);
  is("ERR The user executing the script can't run this command or subcommand",
     Permission::command_denied);
  is("NOPERM ACL failure in script: User worker has no permissions to run the 'hset' command",
     Permission::command_denied);
  is("NOPERM this user has no permissions to access one of the keys used as arguments",
     Permission::keys_denied);
  is("NOPERM No permissions to access a key", Permission::keys_denied);
  is("ERR Write commands are not allowed from read-only scripts.", Permission::granted);
  is("READONLY You can't write against a read only replica.", Permission::granted);
  is("NOSCRIPT No matching script.", Permission::granted);
}

TEST(ClockFindings, ASteadyClockIsFine) {
  for (const nanoseconds round_trip : {nanoseconds{100us}, nanoseconds{20ms}, nanoseconds{3s}}) {
    EXPECT_EQ(worst(judge_clock(readings(30, round_trip, steady), 5min)), Severity::ok);
  }
}

TEST(ClockFindings, EveryStepIsSeen) {
  for (const nanoseconds step : {nanoseconds{100ms}, nanoseconds{-100ms}, nanoseconds{1h}}) {
    const auto once = [step](nanoseconds time) { return time > 1500ms ? step : 0ms; };
    const Finding finding = judge_clock(readings(30, 1ms, once), 5min).at(1);
    EXPECT_EQ(finding.severity, Severity::warning) << finding.reason;
    EXPECT_TRUE(has(finding.reason, "stepped 1 time in")) << finding.reason;
    EXPECT_TRUE(has(finding.reason, step > 0ms ? "forward" : "back")) << finding.reason;
  }
  const auto to_and_fro = [](nanoseconds time) { return time > 1s && time < 2s ? 5s : 0s; };
  const Finding finding = judge_clock(readings(30, 1ms, to_and_fro), 5min).at(1);
  EXPECT_EQ(finding.severity, Severity::error) << finding.reason;
  EXPECT_TRUE(has(finding.reason, "stepped 2 times")) << finding.reason;
}

// What a slow network hides is no step.
TEST(ClockFindings, WhatMayHaveBeenTheNetworkIsNoStep) {
  const auto once = [](nanoseconds time) { return time > 1500ms ? 100ms : 0ms; };
  EXPECT_EQ(judge_clock(readings(30, 1s, once), 5min).at(1).severity, Severity::ok);
}

TEST(ClockFindings, ARateThatIsOffIsSeen) {
  const auto faster = [](double rate) {
    return [rate](nanoseconds time) { return std::chrono::round<nanoseconds>(time * rate); };
  };
  EXPECT_EQ(judge_clock(readings(30, 1ms, faster(0.001)), 5min).at(1).severity, Severity::ok);
  EXPECT_EQ(judge_clock(readings(30, 1ms, faster(0.05)), 5min).at(1).severity, Severity::warning);
  EXPECT_EQ(judge_clock(readings(30, 1ms, faster(-0.15)), 5min).at(1).severity, Severity::error);
}

TEST(ClockFindings, DifferencesCountWithTheLeaseTime) {
  const auto ahead = [](nanoseconds) { return nanoseconds{10s}; };
  EXPECT_EQ(judge_clock(readings(3, 1ms, ahead), 5min).at(0).severity, Severity::ok);
  EXPECT_EQ(judge_clock(readings(3, 1ms, ahead), 30s).at(0).severity, Severity::warning);
}

TEST(LatencyFindings, CountWithTheLeaseTime) {
  EXPECT_EQ(attempt_bound(6s), 1s);
  EXPECT_EQ(attempt_bound(5min), 5s);
  EXPECT_EQ(judge_latency(readings(9, 200ms, steady), 5min).severity, Severity::ok);
  EXPECT_EQ(judge_latency(readings(9, 200ms, steady), 6s).severity, Severity::warning);
  EXPECT_EQ(judge_latency(readings(9, 200ms, steady), 1s).severity, Severity::error);
}

ClusterView with_leases(WorkerId count, WorkerId size) {
  ClusterView view;
  view.configuration.max_worker_id = size;
  view.never_granted = size - count;
  for (WorkerId id = 1; id <= count; ++id) {
    view.leases.push_back({.worker_id = id, .state = LeaseState::leased, .reserved = {}});
  }
  return view;
}

TEST(ClusterFindings, ForecastIsByTheRate) {
  const auto forecast = [](WorkerId before, WorkerId after, WorkerId size) {
    const Findings findings =
        judge_cluster({"jobs", with_leases(before, size), with_leases(after, size), 10s});
    return findings.back();
  };
  EXPECT_EQ(forecast(10, 10, 100).severity, Severity::ok);
  EXPECT_EQ(forecast(10, 9, 100).severity, Severity::ok);
  // 10 in 10 s, 80 left.
  EXPECT_EQ(forecast(10, 20, 100).severity, Severity::warning);
  EXPECT_TRUE(has(forecast(10, 20, 100).reason, "none is left in 1m20s"))
      << forecast(10, 20, 100).reason;
  EXPECT_EQ(forecast(10, 11, 100'000).severity, Severity::note);
  EXPECT_TRUE(has(forecast(1, 2, largest_worker_id).reason, "more than a year"));
}

TEST(ClusterFindings, IdsThatAreKeptBackCountAsTaken) {
  ClusterView view = with_leases(10, 10);
  for (LeaseView& lease : view.leases) lease.state = LeaseState::expired;
  EXPECT_EQ(worst(judge_cluster({"jobs", view, {}, {}})), Severity::error);
  for (LeaseView& lease : view.leases) lease.state = LeaseState::free;
  EXPECT_EQ(worst(judge_cluster({"jobs", view, {}, {}})), Severity::ok);
}

TEST(SqliteFindings, AnUnfitPlaceIsAnError) {
  const Finding finding =
      judge_place(0x6969, detail::UnfitPlace{"it is on NFS", "use a local file system"});
  EXPECT_EQ(finding.severity, Severity::error);
  EXPECT_EQ(finding.change, "use a local file system");
  EXPECT_EQ(judge_place(0xef53, std::nullopt).severity, Severity::ok);
  EXPECT_EQ(judge_place(0x01021994, std::nullopt).severity, Severity::note);
}

TEST(SqliteFindings, AFullDiskIsFound) {
  EXPECT_EQ(judge_space(0).severity, Severity::error);
  EXPECT_EQ(judge_space(10'000'000).severity, Severity::warning);
  EXPECT_EQ(judge_space(10'000'000'000).severity, Severity::ok);
}

TEST(Findings, AreCounted) {
  const Findings findings{{Severity::warning, "a", "b"},
                          {Severity::note, "a", "b"},
                          {Severity::warning, "c", "d", "e"}};
  EXPECT_EQ(counts(findings), "0 errors, 2 warnings, 1 note");
  EXPECT_EQ(worst(findings), Severity::warning);
  EXPECT_EQ(worst({}), Severity::ok);
}

}  // namespace
}  // namespace workerid::cli
