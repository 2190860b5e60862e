// SPDX-License-Identifier: MIT
//
// Two processes and one ID, step by step. `workerid torture` does to many at random what is done
// here to two in order; the processes and the judge are its own.
#include "support/process.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"
#include "torture/judge.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using cli::Note;

const std::string held = "use - 1 1 ";  // in its first lease, worker ID 1

// What a process wrote down. The last line of a killed one may be cut off.
std::vector<Note> notes_of(const Process& process) {
  const std::string output = process.output();
  std::istringstream lines(output.substr(0, output.rfind('\n') + 1));
  std::vector<Note> notes;
  for (std::string line; std::getline(lines, line);) {
    const auto note = cli::parse_note(line);
    EXPECT_TRUE(note) << line;
    if (note) notes.push_back(*note);
  }
  return notes;
}

// A store that processes share: its URL, and a server if it has one.
class SharedStore {
 public:
  explicit SharedStore(const std::string& kind) {
    if (kind == "redis") server_ = std::make_unique<RedisServer>();
  }
  std::string url() const {
    return server_ ? server_->url() : "sqlite:" + (directory_.path() / "leases.db").string();
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<RedisServer> server_;
};

class LeaseHolders : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Process> start() const {
    return std::make_unique<Process>(
        std::vector<std::string>{WORKERID_TOOL_PATH, "torture-holder", "--max", "1", "--lease",
                                 "2s", "--wait", "1h"},
        Environment{{"WORKERID_STORE", store.url()}, {"WORKERID_CLUSTER", "holders"}});
  }

  // G1, G4, G6, G8 and more.
  static void expect_nothing_broken(const Process& first, const Process& second) {
    cli::Judge judge(
        {.max_worker_id = 1, .reuse_delay = 1s, .cool_down = 1s, .early = 10ms, .late = 1h},
        BootTime{});
    for (const Note& note : notes_of(first)) judge.hear(1, note);
    for (const Note& note : notes_of(second)) judge.hear(2, note);
    for (const cli::Violation& violation : judge.violations()) {
      ADD_FAILURE() << violation.guarantee << ": " << violation.text;
    }
    EXPECT_GE(judge.figures().grants, 2);
  }

  SharedStore store{GetParam()};
};

TEST_P(LeaseHolders, AProcessStoppedPastItsLeaseDoesNotHoldItAtItsFirstUse) {  // F02, F03
  const auto first = start();
  ASSERT_TRUE(first->wait_for_output(held));
  const auto second = start();
  // One that is stopped with the write lock of the file keeps everybody waiting: stop it elsewhere.
  bool followed = false;
  for (int tries = 0; !followed && tries < 10; ++tries) {
    first->signal(SIGCONT);
    followed = second->wait_for_output(held, 300ms);  // it runs on for a moment
    first->signal(SIGSTOP);
    followed = followed || second->wait_for_output(held, 10s);
  }
  ASSERT_TRUE(followed);
  const BootTime woken = BootClock::now();
  first->signal(SIGCONT);
  ASSERT_TRUE(first->wait_for_output("end lost "));
  // A use that was interrupted in the middle was before the stop, whenever it is written down.
  for (const Note& note : notes_of(*first)) {
    if (note.kind == Note::Kind::use) {
      EXPECT_LT(note.before, woken);
    }
  }
  expect_nothing_broken(*first, *second);
}

TEST_P(LeaseHolders, AKilledProcessIsFollowedAfterLeaseAndReuseDelay) {  // F06
  const auto first = start();
  ASSERT_TRUE(first->wait_for_output(held));
  const BootTime killed = BootClock::now();
  first->signal(SIGKILL);
  first->wait();
  const auto second = start();
  ASSERT_TRUE(second->wait_for_output(held));
  for (const Note& note : notes_of(*second)) {
    // The last renewal was at most a third of the lease, and what a renewal takes, before the kill.
    if (note.kind == Note::Kind::use) {
      EXPECT_GT(note.before, killed + 1500ms);
    }
  }
  expect_nothing_broken(*first, *second);
}

INSTANTIATE_TEST_SUITE_P(Stores, LeaseHolders, ::testing::Values("sqlite", "redis"),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace workerid::tests
