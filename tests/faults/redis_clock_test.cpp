// SPDX-License-Identifier: MIT
//
// A server whose wall clock steps. The steps are so much larger than what the tests take that the
// time credited is known to the millisecond.
#include "redis_subject.hpp"
#include "support/expect_error.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <array>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

class RedisClock : public testing::Test {
 protected:
  // Lease 60 s, reuse delay 30 s: one operation credits 15 s at the most.
  RedisClock() {
    holder.configuration.max_worker_id = 1;
    grant = holder.acquire(*store);
  }

  void step(nanoseconds by) { server.step_clock(by); }

  // The server's wall clock, as far as these tests look.
  WallTime server_wall() const {
    return boottime_clock()->now().wall +
           std::chrono::floor<std::chrono::milliseconds>(server.clock_offset());
  }

  // The holder renews from "machine", at the boot time 1000 s; no time is credited for it. The
  // request took `delay` to come, and the server's clock is `behind`.
  void report_from_machine(std::chrono::milliseconds delay = 0ms,
                           std::chrono::seconds behind = 0s) {
    step(-1s);
    renew_from_machine({BootTime{1000s} - delay, server_wall() + behind - delay});
  }

  void renew_from_machine(const Moment& moment, Renewal renewal = Renewal::strict) {
    holder.time.machine = "machine";
    holder.time.moment = moment;
    holder.renew(*store, 1, renewal);
  }

  // A process of this machine, at this boot time; the cluster has one ID, which is taken.
  Client other(const std::string& machine = {}, std::chrono::seconds boot = 0s) const {
    Client client;
    client.configuration = holder.configuration;
    client.time.machine = machine;
    client.time.moment = {BootTime{boot}, server_wall()};
    return client;
  }

  // How long until the ID may come free, as an acquirer is told.
  std::chrono::milliseconds time_left(const Client& client) {
    const Error error = expect_error(ErrorCode::no_available_id, [&] { client.acquire(*store); });
    return error.retry_after().value_or(0ms);
  }

  // What passed since the clock was kept last counts as a part of the next step.
  void expect_left(std::chrono::seconds expected) {
    const auto left = time_left(other());
    EXPECT_GE(left, expected);
    EXPECT_LT(left, expected + 60s / 16);
  }

  RedisServer server;
  const std::shared_ptr<Store> store = open_redis_store(server.socket_url());
  Client holder;
  Grant grant;
};

TEST_F(RedisClock, StepsTheServersClock) {
  const auto server_time = [&] { return std::stoll(server.cli({"TIME"})); };
  const auto before = server_time();
  step(1000h);
  EXPECT_GE(server_time(), before + 3'600'000);
}

TEST_F(RedisClock, StepForwardEndsNoLease) {
  step(100s);
  expect_left(75s);  // 60 s + 30 s less a quarter of the lease time
  EXPECT_EQ(holder.renew(*store, 1).epoch, grant.epoch);
  step(10'000h);
  expect_left(75s);
  EXPECT_EQ(holder.renew(*store, 1).epoch, grant.epoch);
}

TEST_F(RedisClock, StepBackStopsNoTime) {
  step(-500s);
  expect_left(90s);
  // Counted on from the new time, not from when the old one comes again.
  step(10s);
  EXPECT_LE(time_left(other()), 80s);
  EXPECT_EQ(holder.renew(*store, 1).epoch, grant.epoch);
}

TEST_F(RedisClock, StepsToAndFroShortenNothing) {
  for (int round = 0; round < 10; ++round) {
    step(100s);
    expect_left(75s);
    step(-500s);
    expect_left(75s);
    step(-1s);
    // The renewal counts from the clock as it stands, so all of the time is there again.
    EXPECT_EQ(holder.renew(*store, 1).epoch, grant.epoch);
    step(-1s);
    expect_left(90s);
  }
}

TEST_F(RedisClock, EpochsGrowThroughEveryStep) {
  std::uint64_t last = grant.epoch;
  for (const nanoseconds by : {nanoseconds{-500s}, nanoseconds{100s}, nanoseconds{-10'000h}}) {
    step(by);
    const Grant resumed = holder.renew(*store, 1, Renewal::resume);
    EXPECT_GT(resumed.epoch, last);  // G4
    last = resumed.epoch;
  }
}

TEST_F(RedisClock, ReservedTimestampsGrowThroughEveryStep) {
  std::int64_t last_ms = grant.reserved.last_ms;
  for (const nanoseconds by : {nanoseconds{-500s}, nanoseconds{100s}, nanoseconds{-10'000h}}) {
    step(by);
    const Grant resumed = holder.renew(*store, 1, Renewal::resume);
    EXPECT_GT(resumed.reserved.first_ms, last_ms);  // G8
    last_ms = resumed.reserved.last_ms;
  }
}

// An idle cluster ages: nobody was there to count the time, but a boot clock shows that it passed.
TEST_F(RedisClock, TimeThatABootClockBearsOutCountsInFull) {
  report_from_machine();
  step(100s);
  const Grant next = other("machine", 1100s).acquire(*store);
  EXPECT_EQ(next.worker_id, 1);
  EXPECT_GT(next.epoch, grant.epoch);
}

TEST_F(RedisClock, NoMoreCountsThanBothClocksShow) {
  report_from_machine();
  step(100s);
  EXPECT_EQ(time_left(other("machine", 1050s)), 40s);  // the wall clock stepped 50 s too far
  step(20s);
  EXPECT_GT(time_left(other("machine", 1150s)), 19s);  // the boot clock is of no more avail
  step(-100s);
  const auto left = time_left(other("machine", 1250s));
  step(-100s);
  EXPECT_EQ(time_left(other("machine", 1350s)), left);
}

TEST_F(RedisClock, OtherMachinesBearNothingOut) {
  report_from_machine();
  step(100s);
  EXPECT_EQ(time_left(other("another machine", 1100s)), 75s);
  step(100s);
  EXPECT_EQ(time_left(other("", 1200s)), 60s);
  step(100s);
  EXPECT_EQ(time_left(other("machine", 1300s)), 45s);  // it did not report at the last operation
}

// Messages overtake each other: the later time of one machine counts.
TEST_F(RedisClock, LateMessageDoesNotWinTimeTwice) {
  report_from_machine();
  step(100s);
  EXPECT_EQ(time_left(other("machine", 1050s)), 40s);
  step(-1s);
  EXPECT_EQ(time_left(other("machine", 1000s)), 40s);
  step(100s);
  EXPECT_EQ(time_left(other("machine", 1070s)), 20s);  // 20 s since 1050 s, not 70 s since 1000 s
}

// What had passed before a request was executed must not count again with the next one, even if the
// server's wall clock steps by as much in between.
TEST_F(RedisClock, AReportThatTookLongToComeBearsNothingOut) {
  report_from_machine(20s);
  step(20s);
  EXPECT_EQ(time_left(other("machine", 1000s)), 75s);
}

// The server's clock is as much behind as the request is late, so they agree; but another request,
// which came in time, shows it.
TEST_F(RedisClock, AServersClockThatIsAsLateAsARequestShowsNothing) {
  step(-20s);
  Client in_time = other("machine", 1000s);
  in_time.time.moment.wall += 20s;
  time_left(in_time);
  report_from_machine(20s, 20s);
  step(20s);
  EXPECT_EQ(time_left(other("machine", 1000s)), 75s);
}

// The server's clock steps back by as much as passed since the last operation, so it seems that none
// did. What is granted then must not end when the clock is set right.
TEST_F(RedisClock, ADisagreementIsKeptAtOnce) {
  for (const Renewal renewal : {Renewal::strict, Renewal::held}) {
    report_from_machine();
    renew_from_machine({BootTime{1600s}, server_wall() + 600s}, renewal);
    step(600s);
    EXPECT_EQ(time_left(other("machine", 1601s)), 75s);
  }
}

// Its reserved timestamps are bounded by the server's clock, before and after that stepped, so they
// do not show it.
TEST_F(RedisClock, ADisagreementOfAHolderFarAheadIsKeptToo) {
  renew_from_machine({BootTime{1000s}, server_wall() + 61s});
  for (const auto boot : {1014s, 1028s, 1042s, 1056s}) {
    step(14s);
    time_left(other("machine", boot));
  }
  renew_from_machine({BootTime{1656s}, server_wall() + 661s}, Renewal::held);
  step(600s);
  EXPECT_GT(time_left(other("machine", 1657s)), 74s);
}

TEST_F(RedisClock, ADisagreementOfAnAcquirerIsKeptToo) {
  std::array<Client, 3> clients{other("machine", 1000s), other("machine", 1600s),
                                other("machine", 1601s)};
  for (Client& client : clients) {
    client.cluster = "pair";
    client.configuration.max_worker_id = 2;
  }
  clients[0].acquire(*store);
  clients[1].time.moment.wall += 600s;
  clients[1].acquire(*store);
  step(600s);
  clients[2].time.moment.wall += 600s;
  EXPECT_GT(time_left(clients[2]), 74s);
}

}  // namespace
}  // namespace workerid::tests
