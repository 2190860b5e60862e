// SPDX-License-Identifier: MIT
//
// Real processes that hold leases while they are killed and stopped and their server stalls. All
// write down when they believed to hold which ID; one machine has one boot clock, so their notes
// can be compared (G1, G4).
#include "support/process.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/clock.hpp>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

struct Belief {
  std::uint64_t epoch = 0;
  std::int64_t before_ns = 0;
  std::int64_t after_ns = 0;
};

using Beliefs = std::map<std::int64_t, std::vector<Belief>>;  // by worker ID

// Adds what a process wrote down. The last line of a killed one may be cut off.
void add_beliefs(Beliefs& beliefs, const std::string& output) {
  std::istringstream lines(output.substr(0, output.rfind('\n') + 1));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what;
    std::int64_t worker_id = 0;
    Belief belief;
    if (words >> what >> worker_id >> belief.epoch >> belief.before_ns >> belief.after_ns &&
        what == "held") {
      beliefs[worker_id].push_back(belief);
    }
  }
}

// The first belief in an earlier grant that certainly came after one in a later grant, as text.
std::optional<std::string> find_overlap(const Beliefs& beliefs) {
  for (const auto& [worker_id, all] : beliefs) {
    std::vector<Belief> by_begin = all;
    std::vector<Belief> by_end = all;
    std::sort(by_begin.begin(), by_begin.end(),
              [](const Belief& a, const Belief& b) { return a.before_ns < b.before_ns; });
    std::sort(by_end.begin(), by_end.end(),
              [](const Belief& a, const Belief& b) { return a.after_ns < b.after_ns; });
    std::uint64_t latest = 0;
    auto ended = by_end.begin();
    for (const Belief& belief : by_begin) {
      for (; ended != by_end.end() && ended->after_ns < belief.before_ns; ++ended) {
        latest = std::max(latest, ended->epoch);
      }
      if (belief.epoch < latest) {
        return "worker ID " + std::to_string(worker_id) + " was believed held under epoch " +
               std::to_string(belief.epoch) + " at " + std::to_string(belief.before_ns) +
               " ns, after epoch " + std::to_string(latest) + " had begun";
      }
    }
  }
  return std::nullopt;
}

TEST(FindOverlap, Sees) {
  EXPECT_FALSE(find_overlap({{1, {{5, 10, 11}, {5, 20, 21}, {6, 30, 31}}}}));
  EXPECT_FALSE(find_overlap({{1, {{5, 10, 11}}}, {2, {{4, 20, 21}}}}));
  EXPECT_FALSE(find_overlap({{1, {{5, 10, 25}, {6, 20, 30}}}})) << "they may have been in order";
  EXPECT_TRUE(find_overlap({{1, {{5, 10, 11}, {6, 20, 21}, {5, 30, 31}}}}));
}

// A store that processes share: its URL, and a server to stall if it has one.
class SharedStore {
 public:
  explicit SharedStore(const std::string& kind) {
    if (kind == "redis") server_ = std::make_unique<RedisServer>();
  }
  std::string url() const {
    return server_ ? server_->url() : "sqlite:" + (directory_.path() / "leases.db").string();
  }
  RedisServer* server() const noexcept { return server_.get(); }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<RedisServer> server_;
};

class LeaseHolders : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Process> start(int max_worker_id) const {
    return std::make_unique<Process>(std::vector<std::string>{
        WORKERID_LEASE_HOLDER, store.url(), "holders", std::to_string(max_worker_id), "2000"});
  }

  SharedStore store{GetParam()};
};

TEST_P(LeaseHolders, AProcessStoppedPastItsLeaseDoesNotHoldItAtItsFirstUse) {  // F02, F03
  const auto first = start(1);
  ASSERT_TRUE(first->wait_for_output("held 1 "));
  const auto second = start(1);
  // One that is stopped with the write lock of the file keeps everybody waiting: stop it elsewhere.
  bool followed = false;
  for (int tries = 0; !followed && tries < 10; ++tries) {
    first->signal(SIGCONT);
    followed = second->wait_for_output("held 1 ", 300ms);  // it runs on for a moment
    first->signal(SIGSTOP);
    followed = followed || second->wait_for_output("held 1 ", 10s);
  }
  ASSERT_TRUE(followed);
  const std::int64_t woken_ns = BootClock::now().time_since_epoch().count();
  first->signal(SIGCONT);
  ASSERT_TRUE(first->wait_for_output("not held"));
  Beliefs beliefs;
  add_beliefs(beliefs, first->output());
  // A use that was interrupted in the middle was before the stop, whenever it is written down.
  for (const Belief& belief : beliefs[1]) EXPECT_LT(belief.before_ns, woken_ns);
  add_beliefs(beliefs, second->output());
  EXPECT_EQ(find_overlap(beliefs), std::nullopt);
}

TEST_P(LeaseHolders, AKilledProcessIsFollowedAfterLeaseAndReuseDelay) {  // F06
  auto first = start(1);
  ASSERT_TRUE(first->wait_for_output("held 1 "));
  const std::int64_t killed_ns = BootClock::now().time_since_epoch().count();
  first->signal(SIGKILL);
  first->wait();
  const auto second = start(1);
  ASSERT_TRUE(second->wait_for_output("held 1 "));
  Beliefs beliefs;
  add_beliefs(beliefs, second->output());
  // The last renewal was at most a third of the lease, and what a renewal takes, before the kill.
  const std::int64_t waited_ns = beliefs[1].front().before_ns - killed_ns;
  EXPECT_GT(waited_ns, std::chrono::nanoseconds{1500ms}.count());
}

// Kills, stops and stalls at random for a while; nobody may ever share an ID.
TEST_P(LeaseHolders, NobodySharesAnIdWhileProcessesAreKilledAndStopped) {
  const char* given = std::getenv("WORKERID_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  SCOPED_TRACE("replay with WORKERID_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr int max_worker_id = 3;
  constexpr std::size_t processes = 6;
  const auto draw = [&](std::uint64_t below) { return random() % below; };

  Beliefs beliefs;
  std::vector<std::unique_ptr<Process>> running;
  for (std::size_t count = 0; count < processes; ++count) running.push_back(start(max_worker_id));
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < end) {
    std::unique_ptr<Process>& victim = running[draw(processes)];
    const std::chrono::milliseconds time(100 + draw(4000));
    switch (draw(store.server() != nullptr ? 4 : 3)) {
      case 0:
        victim->signal(SIGKILL);
        victim->wait();
        add_beliefs(beliefs, victim->output());
        victim = start(max_worker_id);
        break;
      case 1:
      case 2:
        victim->signal(SIGSTOP);
        std::this_thread::sleep_for(time);  // the fault itself
        victim->signal(SIGCONT);
        break;
      default:
        store.server()->signal(SIGSTOP);
        std::this_thread::sleep_for(time / 2);
        store.server()->signal(SIGCONT);
    }
  }
  for (const auto& process : running) {
    process->signal(SIGKILL);
    process->wait();
    add_beliefs(beliefs, process->output());
  }

  EXPECT_EQ(find_overlap(beliefs), std::nullopt);
  std::set<std::uint64_t> epochs;
  for (const auto& [worker_id, all] : beliefs) {
    for (const Belief& belief : all) epochs.insert(belief.epoch);
  }
  EXPECT_GT(epochs.size(), static_cast<std::size_t>(max_worker_id)) << "IDs did change hands";
  EXPECT_EQ(beliefs.size(), static_cast<std::size_t>(max_worker_id));
}

INSTANTIATE_TEST_SUITE_P(Stores, LeaseHolders, ::testing::Values("sqlite", "redis"),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace workerid::tests
