// SPDX-License-Identifier: MIT
//
// The holes of other allocators of worker IDs, each as a test: what duplicated or lost an ID there
// does neither here. The first line of each test says whose hole it is.
#include "conformance/subjects.hpp"
#include "support/expect_error.hpp"

#include <workerid/generator.hpp>
#include <workerid/testing/fault_store.hpp>
#include <workerid/testing/manual_clock.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using testing::Fault;
using testing::FaultStore;
using testing::ManualClock;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

// A process that uses the explicit calls, and the ID that it has.
struct Holder {
  Generator generator;
  Assignment assigned;

  void renew() { generator.renew(assigned.worker_id, assigned.token); }
  void release() { generator.release(assigned.worker_id, assigned.token); }
};

class Peers : public ::testing::TestWithParam<Backend> {
 protected:
  static Options range(WorkerId low, WorkerId high) {
    return {.min_worker_id = low, .max_worker_id = high, .cool_down = 0ms};
  }
  static Options pool_of(WorkerId size) { return range(1, size); }

  Generator generator(Options options) {
    if (!options.clock) options.clock = clock;
    return {subject.open(), cluster, options};
  }

  // A process that got an ID; it does not wait for one.
  Holder process(const Options& options) {
    Generator generator = this->generator(options);
    Assignment assigned = generator.get_id(0ms);
    return {std::move(generator), assigned};
  }

  std::vector<Holder> processes(int count, const Options& options) {
    std::vector<Holder> processes;
    processes.reserve(static_cast<std::size_t>(count));
    for (int index = 0; index < count; ++index) processes.push_back(process(options));
    return processes;
  }

  // A process whose wall clock is off.
  static Options with_clock_off_by(Options options, milliseconds difference) {
    const auto clock = std::make_shared<ManualClock>();
    clock->step_wall(boottime_clock()->now().wall - clock->now().wall + difference);
    options.clock = clock;
    return options;
  }

  Error expect_exhausted(const Options& options) {
    return expect_error(ErrorCode::no_available_id, [&] { process(options); });
  }

  LeaseView record(WorkerId worker_id) {
    const auto view = subject.open()->inspect(cluster, 5s);
    const auto found =
        std::find_if(view->leases.begin(), view->leases.end(),
                     [=](const LeaseView& lease) { return lease.worker_id == worker_id; });
    return found == view->leases.end() ? LeaseView{} : *found;
  }

  // Runs `work(index)` in threads that begin together.
  static void at_once(int count, const std::function<void(int)>& work) {
    std::latch start{count};
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(count));
    for (int index = 0; index < count; ++index) {
      threads.emplace_back([&, index] {
        start.arrive_and_wait();
        work(index);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  testing::StoreSubject subject = make_subject(GetParam());
  std::string cluster = "peers-" + Token::random().text();
  std::shared_ptr<ManualClock> clock;  // of the processes; the machine's if there is none
};

INSTANTIATE_TEST_SUITE_P(, Peers,
                         ::testing::Values(Backend::memory, Backend::sqlite, Backend::redis),
                         ::testing::PrintToStringParamName());

// Those that need leases to end, on clocks that can be moved. The default lease lasts 5 minutes, the
// reuse delay half of that.
class PeersInTime : public Peers {
 protected:
  PeersInTime() { clock = std::make_shared<ManualClock>(); }

  void pass(milliseconds time) {
    subject.let_time_pass(time);
    clock->advance(time);
  }
  void outlast_the_lease() { pass(5min); }
  void outlast_the_reuse_delay() { pass(5min + 150s); }
};

INSTANTIATE_TEST_SUITE_P(, PeersInTime, ::testing::Values(Backend::memory, Backend::sqlite),
                         ::testing::PrintToStringParamName());

// ---- Clocks -------------------------------------------------------------------------------------

// libx (both versions): a client 301 s ahead takes a leased ID of a full pool. CosId: 6 min ahead.
TEST_P(Peers, ClientClockAheadStealsNothing) {
  auto holders = processes(8, pool_of(8));
  for (const milliseconds ahead : {milliseconds{301s}, milliseconds{6min}, milliseconds{240h}}) {
    expect_exhausted(with_clock_off_by(pool_of(8), ahead));
  }
  for (Holder& holder : holders) holder.renew();
}

// AutoRegister writes local time without a zone, libx on MySQL compares in the session's zone: each
// sees the leases of a server in another time zone as ended.
TEST_P(Peers, TimeZonesEndNoLease) {
  auto holders = processes(2, pool_of(2));
  for (const milliseconds zone : {milliseconds{8h}, milliseconds{-8h}, milliseconds{14h}}) {
    expect_exhausted(with_clock_off_by(pool_of(2), zone));
  }
  for (Holder& holder : holders) holder.renew();
}

// libx: leases end at whole seconds of a client's clock, up to a second early or late.
TEST_P(PeersInTime, LeaseLastsToTheMillisecond) {
  Options options = pool_of(1);
  options.max_lease_time = 2500ms;
  Holder holder = process(options);
  pass(2499ms);
  holder.renew();
  pass(2500ms);
  expect_error(ErrorCode::token_expired, [&] { holder.renew(); });
  pass(1249ms);
  EXPECT_EQ(expect_exhausted(options).retry_after(), 1ms);
  pass(1ms);
  EXPECT_EQ(process(options).assigned.worker_id, holder.assigned.worker_id);
}

// ---- Initialisation -----------------------------------------------------------------------------

// libx v0.2.0: whoever sees the empty pool late resets IDs that are leased already; four processes
// that start together suffice. Butterfly on ZooKeeper and Leaf's first start: one ID for several.
TEST_P(Peers, SimultaneousFirstUseGivesDistinctIds) {
  constexpr int count = 32;
  std::vector<WorkerId> ids(count);
  at_once(count, [&](int index) {
    Generator own = generator(pool_of(1024));
    ids.at(static_cast<std::size_t>(index)) = own.get_id(0ms).worker_id;
  });
  EXPECT_EQ(std::set<WorkerId>(ids.begin(), ids.end()).size(), static_cast<std::size_t>(count));
}

// libx v0.2.0, the same hole step by step: A and B open the empty pool, A gets an ID, B initialises.
TEST_P(Peers, LateInitialiserResetsNothing) {
  Generator first = generator(pool_of(8));
  Generator second = generator(pool_of(8));
  const Assignment held = first.get_id(0ms);
  EXPECT_NE(second.get_id(0ms).worker_id, held.worker_id);
  EXPECT_NE(process(pool_of(8)).assigned.worker_id, held.worker_id);
  first.renew(held.worker_id, held.token);
}

// libx v0.2.0 that dies while it fills the pool, CosId on ZooKeeper that dies between delete and
// create: IDs that nobody can ever have again.
TEST_P(PeersInTime, EveryIdComesBack) {
  processes(5, pool_of(5));
  expect_exhausted(pool_of(5));
  outlast_the_reuse_delay();
  std::set<WorkerId> again;
  for (const Holder& holder : processes(5, pool_of(5))) again.insert(holder.assigned.worker_id);
  EXPECT_EQ(again.size(), 5U);
}

// NebulaGraph counts from 0 again when its server restarts, CosId when Redis lost the counter's key:
// live IDs are handed out again. Here a new handle goes on where the last one stopped.
TEST_P(Peers, ReopenedStoreDoesNotCountFromTheBeginning) {
  std::set<WorkerId> ids;
  for (int restart = 0; restart < 5; ++restart) {
    EXPECT_TRUE(ids.insert(process(pool_of(10)).assigned.worker_id).second);
  }
}

// ---- Releasing ----------------------------------------------------------------------------------

// libx v0.2.0 releases in four commands: A reads its token, pauses past its lease, B gets the ID, A
// deletes B's entry, C gets the ID too. Butterfly's exit hook deletes the row of the ID likewise.
TEST_P(PeersInTime, LateReleaseChangesNothing) {
  Holder former = process(pool_of(1));
  outlast_the_reuse_delay();
  Holder present = process(pool_of(1));
  expect_error(ErrorCode::token_mismatch, [&] { former.release(); });
  expect_exhausted(pool_of(1));
  present.renew();
}

// AutoRegister, yitter: unregistering is a DEL without a look at who has the key now.
TEST_P(Peers, BlindDeleteIsRefused) {
  Holder former = process(pool_of(1));
  former.release();
  Holder present = process(pool_of(1));
  expect_error(ErrorCode::token_mismatch, [&] { former.release(); });
  const WorkerId worker_id = present.assigned.worker_id;
  expect_error(ErrorCode::token_mismatch,
               [&] { former.generator.release(worker_id, Token::random()); });
  expect_exhausted(pool_of(1));
  present.renew();
}

// libx, CosId, AutoRegister: a released ID goes to the very next caller.
TEST_P(Peers, ReleasedIdIsNotTheNextOneOut) {
  Holder released = process(pool_of(3));
  released.release();
  for (const Holder& next : processes(2, pool_of(3))) {
    EXPECT_NE(next.assigned.worker_id, released.assigned.worker_id);
  }
  EXPECT_EQ(process(pool_of(3)).assigned.worker_id, released.assigned.worker_id);
}

// MASA reads the list of released IDs and takes none out: two processes pick the same one.
TEST_P(Peers, ReleasedIdIsGivenToOne) {
  for (Holder& former : processes(2, pool_of(2))) former.release();
  const auto present = processes(2, pool_of(2));
  EXPECT_NE(present.at(0).assigned.worker_id, present.at(1).assigned.worker_id);
  expect_exhausted(pool_of(2));
}

// ---- Renewing -----------------------------------------------------------------------------------

// yitter's EXPIRE, sfid's SET, MASA's ZADD, TiDB's PUT, Butterfly's UPDATE by row: whoever lapsed
// renews what another has now, and both go on for ever.
TEST_P(PeersInTime, RenewalOfALostIdIsRefused) {
  Holder former = process(pool_of(1));
  outlast_the_reuse_delay();
  Holder present = process(pool_of(1));
  const LeaseView before = record(present.assigned.worker_id);
  for (int tick = 0; tick < 3; ++tick) {
    expect_error(ErrorCode::token_expired, [&] { former.renew(); });  // it asks nobody
  }
  EXPECT_EQ(record(present.assigned.worker_id), before);
  present.renew();
}

// imadcn renews by deleting and creating its node: who registers in between gets the ID.
TEST_P(Peers, RenewalLeavesNoGap) {
  Holder holder = process(pool_of(1));
  std::atomic<bool> renewing{true};
  int stolen = 0;
  std::thread renewals([&] {
    for (int tick = 0; tick < 100; ++tick) holder.renew();
    renewing = false;
  });
  while (renewing) {
    try {
      process(pool_of(1));
      ++stolen;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_code(), ErrorCode::no_available_id) << error.what();
    }
  }
  renewals.join();
  EXPECT_EQ(stolen, 0);
}

// libx main: EXPIRE on the hash of all holders, so a process with a short lease ends the others'.
// CosId, yitter and AutoRegister compare no lease lengths either.
TEST_P(Peers, MixedLeaseLengthsAreRefused) {
  Holder holder = process(pool_of(8));
  Options shorter = pool_of(8);
  shorter.max_lease_time = 2s;
  expect_error_naming(
      ErrorCode::configuration_mismatch, [&] { process(shorter); }, "300000", "2000");
  holder.renew();
}

// libx: one time to live for the entries of all holders; one that renews keeps its own here, though
// another one's ended long ago.
TEST_P(PeersInTime, LeasesHaveNoTimeToLiveInCommon) {
  Holder silent = process(pool_of(2));
  Holder renewing = process(pool_of(2));
  for (int minutes = 0; minutes < 60; minutes += 4) {
    pass(4min);
    renewing.renew();
  }
  EXPECT_EQ(record(renewing.assigned.worker_id).state, LeaseState::leased);
  EXPECT_EQ(record(silent.assigned.worker_id).state, LeaseState::free);
  EXPECT_EQ(process(pool_of(2)).assigned.worker_id, silent.assigned.worker_id);
}

// ---- Choosing -----------------------------------------------------------------------------------

// yitter reads whether an ID is free and then sets it, AutoRegister's SQL deletes and then inserts:
// two that read at once both get it.
TEST_P(Peers, LastIdIsGivenToOne) {
  processes(7, pool_of(8));
  std::atomic<int> granted{0};
  at_once(16, [&](int) {
    try {
      process(pool_of(8));
      ++granted;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_code(), ErrorCode::no_available_id) << error.what();
    }
  });
  EXPECT_EQ(granted, 1);
}

// Adnc hands out what was refreshed the longest ago, live or not: the 65th of 64 steals.
TEST_P(Peers, OneMoreThanThePoolStealsNothing) {
  auto holders = processes(64, pool_of(64));
  expect_exhausted(pool_of(64));
  for (Holder& holder : holders) holder.renew();
}

// libx on Redis orders IDs that are equally free as text: 0, 1, 10, 100, 101, …
TEST_P(Peers, OrderIsThatOfNumbers) {
  auto holders = processes(12, range(0, 11));
  std::sort(holders.begin(), holders.end(), [](const Holder& left, const Holder& right) {
    return left.assigned.worker_id < right.assigned.worker_id;
  });
  for (Holder& holder : holders) holder.release();
  for (WorkerId expected = 0; expected < 12; ++expected) {
    EXPECT_EQ(process(range(0, 11)).assigned.worker_id, expected);
  }
}

// CosId on JDBC and MongoDB reuses IDs that expired before it takes new ones.
TEST_P(PeersInTime, ExpiredIdsComeAfterNewOnes) {
  const WorkerId expired = process(pool_of(2)).assigned.worker_id;
  outlast_the_reuse_delay();
  EXPECT_NE(process(pool_of(2)).assigned.worker_id, expired);
}

// ShardingSphere, CosId and libx give an ID to another as soon as the lease is over; whoever was
// cut off still uses it.
TEST_P(PeersInTime, ExpiredIdIsKeptForTheReuseDelay) {
  process(pool_of(1));
  outlast_the_lease();
  EXPECT_EQ(expect_exhausted(pool_of(1)).retry_after(), 150s);
}

// CosId, yitter and others sweep over an exhausted pool for up to 42 s and then return -1.
TEST_P(Peers, ExhaustedPoolSaysAtOnceWhenTheNextComes) {
  processes(2, pool_of(2));
  const auto counting = std::make_shared<FaultStore>(subject.open());
  Generator late{counting, cluster, pool_of(2)};
  const Error error = expect_error(ErrorCode::no_available_id, [&] { late.get_id(); });
  EXPECT_EQ(counting->count("acquire"), 1);
  ASSERT_TRUE(error.retry_after().has_value());
  EXPECT_GT(*error.retry_after(), 7min);
  EXPECT_LE(*error.retry_after(), 7min + 30s);
}

// yitter, hyperf, sonyflake and baidu mask or wrap an ID that is too wide; libx before main, and all
// others, let processes with other widths in.
TEST_P(Peers, OtherWidthIsRefused) {
  Holder holder = process(Options::worker_bits(10));
  for (const int bits : {9, 13, 31}) {
    Options other = Options::worker_bits(bits);
    expect_error_naming(
        ErrorCode::configuration_mismatch, [&] { process(other); }, "1023",
        std::to_string(other.max_worker_id));
  }
  holder.renew();
}

TEST_P(Peers, RangeIsUsedToItsEndAndNotBeyond) {
  std::set<WorkerId> ids;
  for (const Holder& holder : processes(3, range(8189, 8191))) {
    ids.insert(holder.assigned.worker_id);
  }
  EXPECT_EQ(ids, (std::set<WorkerId>{8189, 8190, 8191}));
  expect_exhausted(range(8189, 8191));
}

// ---- Identity -----------------------------------------------------------------------------------

Options named(Options options, const std::string& instance) {
  options.instance = instance;
  return options;
}

// CosId's IP:PID, AutoRegister's MAC and path, sfid's machine-id, imadcn's cache file: two live
// processes of one name get one ID.
TEST_P(Peers, OneNameTwiceGivesTwoIds) {
  Holder first = process(named(pool_of(4), "172.17.0.2:1"));
  Holder second = process(named(pool_of(4), "172.17.0.2:1"));
  EXPECT_NE(first.assigned.worker_id, second.assigned.worker_id);
  first.renew();
  second.renew();
}

// CosId with a state file, and its proxy, answer a restarted instance from what they remember,
// without asking the store: the ID is another's by now. Leaf falls back to a file likewise.
TEST_P(PeersInTime, StoreIsAskedBeforeAnIdIsUsedAgain) {
  const WorkerId former = process(named(pool_of(2), "stable")).assigned.worker_id;
  outlast_the_reuse_delay();
  auto others = processes(1, pool_of(2));
  others.push_back(process(pool_of(2)));
  EXPECT_EQ(others.back().assigned.worker_id, former);
  others.front().release();
  EXPECT_NE(process(named(pool_of(2), "stable")).assigned.worker_id, former);
  others.back().renew();
}

// NebulaGraph stores the ID plus one for a host: after a restart it has its neighbour's.
TEST_P(Peers, RestartedInstanceGetsItsOwnIdNotItsNeighbours) {
  Holder first = process(named(pool_of(8), "host-a"));
  Holder second = process(named(pool_of(8), "host-b"));
  first.release();
  EXPECT_EQ(process(named(pool_of(8), "host-a")).assigned.worker_id, first.assigned.worker_id);
  second.renew();
}

// Leaf, baidu, Hazelcast: every start takes a new ID for ever, until the service refuses to start.
TEST_P(Peers, RestartsDoNotUseThePoolUp) {
  for (int start = 0; start < 20; ++start) process(pool_of(3)).release();
  processes(3, pool_of(3));
}

// ---- Answers ------------------------------------------------------------------------------------

// Every allocator with leases: an answer that is lost after it was decided, repeated, burns an ID.
TEST_P(Peers, RetryBurnsNoSecondId) {
  const auto faulty = std::make_shared<FaultStore>(subject.open());
  faulty->schedule({Fault::reply_lost});
  Generator unlucky{faulty, cluster, pool_of(3)};
  const Assignment assigned = unlucky.get_id(20s);
  EXPECT_EQ(faulty->count("acquire"), 2);
  EXPECT_EQ(unlucky.inspect().never_granted, 2);
  unlucky.renew(assigned.worker_id, assigned.token);
}

template <typename Operation>
ErrorCode caught(Operation operation) {
  try {
    operation();
  } catch (const Error& error) {
    return error.error_code();
  }
  return {};
}

// libx v0.2.0: a Lua error arrives as text, so its six typed errors are never seen by callers.
TEST_P(Peers, TheSixErrorsOfTheOriginalAreCaughtByTypeAndCode) {
  Holder holder = process(pool_of(1));
  Generator& generator = holder.generator;
  const WorkerId worker_id = holder.assigned.worker_id;
  const Token token = holder.assigned.token;
  EXPECT_EQ(caught([&] { generator.get_id(0ms); }), ErrorCode::no_available_id);
  EXPECT_EQ(caught([&] { generator.renew(2, token); }), ErrorCode::invalid_worker_id);
  EXPECT_EQ(caught([&] { generator.renew(worker_id, Token::random()); }),
            ErrorCode::token_mismatch);
  EXPECT_EQ(caught([&] { generator.renew(worker_id, Token{}); }), ErrorCode::invalid_token);
  holder.release();
  EXPECT_EQ(caught([&] { holder.renew(); }), ErrorCode::not_assigned);
  try {
    holder.renew();
    FAIL() << "renewed what was released";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_assigned);
  }
}

// The sixth of them needs a lease to end.
TEST_P(PeersInTime, TokenExpiredIsCaughtByTypeAndCode) {
  Holder holder = process(pool_of(1));
  outlast_the_lease();
  EXPECT_EQ(caught([&] { holder.renew(); }), ErrorCode::token_expired);
  EXPECT_EQ(caught([&] { holder.release(); }), ErrorCode::token_expired);
}

// hyperf, yitter, sonyflake-py and others under pre-forking servers: one ID in many processes, and
// none of the allocators notices a fork.
TEST_P(Peers, ForkedChildHasNothing) {
  Holder parent = process(pool_of(4));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused =
        caught([&] { parent.renew(); }) == ErrorCode::invalid_argument &&
        caught([&] { parent.release(); }) == ErrorCode::invalid_argument &&
        caught([&] { parent.generator.get_id(0ms); }) == ErrorCode::invalid_argument;
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  parent.renew();
}

}  // namespace
}  // namespace workerid::tests
