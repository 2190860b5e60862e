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

class RedisClock : public ::testing::Test {
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
    renew_from({moment, "machine"}, renewal);
  }

  void renew_from(const ClientTime& time, Renewal renewal = Renewal::strict) {
    holder.time = time;
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

  // Three processes of this machine for a cluster of two IDs.
  std::array<Client, 3> pair(const std::string& cluster) const {
    std::array<Client, 3> clients{other("machine", 1000s), other("machine", 1000s),
                                  other("machine", 1000s)};
    for (Client& client : clients) {
      client.cluster = cluster;
      client.configuration.max_worker_id = 2;
    }
    return clients;
  }

  // How long until the ID may come free, as an acquirer is told.
  std::chrono::milliseconds time_left(const Client& client) {
    const Error error = expect_error(ErrorCode::no_available_id, [&] { client.acquire(*store); });
    return error.retry_after().value_or(0ms);
  }

  // The same; nothing if it was granted one.
  std::chrono::milliseconds time_left_or_granted(const Client& client) {
    try {
      client.acquire(*store);
      return 0ms;
    } catch (const Error& error) {
      return error.retry_after().value_or(0ms);
    }
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

// The clock was not saved in between, so the later renewal would end first. Where a client is late its
// reserved timestamps do not move on with the lease.
TEST_F(RedisClock, AStepBackShortensNoPromise) {
  std::string cluster = "long";
  for (const Renewal renewal : {Renewal::held, Renewal::strict}) {
    for (const auto late : {0s, 3600s}) {
      Client client = other();
      client.cluster = cluster += '-';
      client.configuration = {1, 1, 10h, 5h, 0s};
      client.acquire(*store);
      step(1000s);
      client.time.moment.wall = server_wall();
      client.renew(*store, 1, renewal);
      step(-1000s);
      client.time.moment.wall = server_wall() - late;
      client.renew(*store, 1, renewal);
      client.token = Token::random();
      EXPECT_GT(time_left(client), 15h + 500s) << cluster;
    }
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
  report_from_machine();
  renew_from({{BootTime{50s}, server_wall() + 600s}, "another machine"});
  step(600s);
  EXPECT_EQ(time_left(other("machine", 1601s)), 75s);
}

// Its reserved timestamps are bounded by the server's clock, before and after that stepped, so they
// do not show it.
TEST_F(RedisClock, ADisagreementOfAHolderFarAheadIsKeptToo) {
  renew_from({{BootTime{50s}, server_wall() + 61s}, "another machine"});
  for (const auto boot : {1014s, 1028s, 1042s, 1056s}) {
    step(14s);
    time_left(other("machine", boot));
  }
  renew_from({{BootTime{706s}, server_wall() + 661s}, "another machine"}, Renewal::held);
  step(600s);
  EXPECT_GT(time_left(other("machine", 1657s)), 74s);
}

// The clock of the server's own machine steps with the server's; its boot clock shows it.
TEST_F(RedisClock, AWitnessThatSawMoreTimePassIsKeptAtOnce) {
  report_from_machine();
  renew_from_machine({BootTime{1600s}, server_wall()}, Renewal::held);
  step(600s);
  EXPECT_GT(time_left(other("machine", 1601s)), 74s);
}

TEST_F(RedisClock, WhatAnAcquirerShowsIsKeptToo) {
  const std::array<ClientTime, 2> times{
      {{{BootTime{1600s}, server_wall()}, "machine"},
       {{BootTime{650s}, server_wall() + 600s}, "another machine"}}};
  for (const ClientTime& time : times) {
    auto clients = pair("pair-of-" + time.machine.substr(0, 1));
    clients[0].acquire(*store);
    clients[1].time = time;
    clients[1].acquire(*store);
    step(600s);
    clients[2].time.moment = {BootTime{1601s}, server_wall()};
    EXPECT_GT(time_left(clients[2]), 74s);
    step(-600s);
  }
}

// Also one of which the time that was shown before does not tell: of 17 s, beside 14 s before.
TEST_F(RedisClock, ASmallDisagreementIsKeptAtOnce) {
  renew_from({{BootTime{50s}, server_wall() + 14s}, "another machine"});
  step(4s);
  renew_from_machine({BootTime{1000s}, server_wall() + 7s});
  renew_from({{BootTime{71s}, server_wall() + 17s}, "another machine"});
  step(17s);
  EXPECT_EQ(time_left(other("machine", 1017s)), 75s);
}

TEST_F(RedisClock, ASmallDisagreementOfAnAcquirerIsKeptAtOnce) {
  const auto acquire = [this](const std::string& machine, std::chrono::seconds boot,
                              std::chrono::seconds ahead) {
    Client client = other(machine, boot);
    client.cluster = "four";
    client.configuration.max_worker_id = 4;
    client.time.moment.wall += ahead;
    return time_left_or_granted(client);
  };
  acquire("", 0s, 0s);
  acquire("another machine", 50s, 14s);
  step(4s);
  acquire("machine", 1000s, 7s);
  acquire("another machine", 71s, 17s);
  step(17s);
  EXPECT_GT(acquire("machine", 1017s, 0s), 70s);  // 90 s less 4 s and 15 s
}

// By it the server knows who is late.
TEST_F(RedisClock, ALaterTimeOfAnAcquirerIsKeptAtOnce) {
  auto clients = pair("pair");
  clients[0].time.machine.clear();
  clients[0].acquire(*store);
  clients[1].time.moment.wall += 30s;
  clients[1].acquire(*store);
  step(-1s);
  clients[2].time.moment.wall = server_wall();
  time_left(clients[2]);
  step(100s);
  clients[2].time.moment = {BootTime{1100s}, server_wall()};
  EXPECT_GT(time_left(clients[2]), 74s);
}

// Of something that was lost while the server's clock, and the one of who noticed it, were behind.
TEST_F(RedisClock, AHoldBackIsCountedFromItsBeginning) {
  report_from_machine();
  AcquireRequest noticing = other().acquisition();
  noticing.seen_epoch = grant.epoch + 1'000'000'000;
  expect_error(ErrorCode::holding_back, [&] { store->acquire(noticing, patience); });
  step(600s);
  const Error error =
      expect_error(ErrorCode::holding_back, [&] { other("machine", 1600s).acquire(*store); });
  EXPECT_GT(error.retry_after(), 74s);
}

}  // namespace
}  // namespace workerid::tests
