// SPDX-License-Identifier: MIT
//
// Generator: the explicit way, waiting, names and identity files.
#include "identity.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/testing/fault_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/workerid.hpp>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <iterator>
#include <set>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace workerid {
namespace {

using namespace std::chrono_literals;
using testing::Fault;
using testing::FaultStore;
using testing::ManualClock;
using tests::TemporaryDirectory;

static_assert(!std::is_copy_constructible_v<Lease> && std::is_nothrow_move_constructible_v<Lease>);
static_assert(!std::is_copy_constructible_v<Generator>);

// Done once, before the next lock is tried.
std::function<void()> before_flock;

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.error_code();
  }
  ADD_FAILURE() << "it did not fail";
  return ErrorCode{};
}

class GeneratorTest : public ::testing::Test {
 protected:
  Generator generator(Options options = {}) {
    options.clock = clock;
    return Generator(store, "test", options);
  }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<FaultStore> store = std::make_shared<FaultStore>(open_memory_store(clock));
};

TEST_F(GeneratorTest, GetsRenewsAndReleasesAnId) {
  Generator test = generator();
  const auto [worker_id, token] = test.get_id();
  EXPECT_EQ(worker_id, 1);
  clock->advance(4min);
  test.renew(worker_id, token);
  clock->advance(4min);
  test.renew(worker_id, token);
  test.release(worker_id, token);
  test.release(worker_id, token);  // G5: repeating it is no error
  EXPECT_EQ(code_of([&, id = worker_id, t = token] { test.renew(id, t); }),
            ErrorCode::not_assigned);
}

TEST_F(GeneratorTest, NeverRevivesAnExpiredLease) {
  Generator test = generator();
  const auto [worker_id, token] = test.get_id();
  clock->advance(5min);
  EXPECT_EQ(code_of([&, id = worker_id, t = token] { test.renew(id, t); }),
            ErrorCode::token_expired);
  EXPECT_EQ(store->count("renew"), 0) << "it knows, and asks nobody";
  EXPECT_EQ(code_of([&, id = worker_id, t = token] { test.release(id, t); }),
            ErrorCode::token_expired);
}

TEST_F(GeneratorTest, ARenewalCountsFromBeforeItsRequest) {  // G2
  Generator test = generator();
  const auto [worker_id, token] = test.get_id();
  clock->advance(4min);
  store->before([&](const std::string&) { clock->advance(30s); });
  test.renew(worker_id, token);
  store->before({});
  clock->advance(4min + 30s);
  EXPECT_EQ(code_of([&, id = worker_id, t = token] { test.renew(id, t); }),
            ErrorCode::token_expired);
  EXPECT_EQ(store->count("renew"), 1) << "it knows, and asks nobody";
}

TEST_F(GeneratorTest, AnAnswerThatComesWhenTheLeaseEndedRenewsNothing) {  // G2
  for (const auto wall_step : {0h, 1h}) {
    Generator test = generator();
    const auto [worker_id, token] = test.get_id();
    clock->step_wall(wall_step);
    clock->advance(4min);
    const int asked = store->count("renew");
    store->before([&](const std::string&) { clock->advance(1min); });
    for (int attempt = 0; attempt < 2; ++attempt) {
      EXPECT_EQ(code_of([&, id = worker_id, t = token] { test.renew(id, t); }),
                ErrorCode::token_expired);
    }
    store->before({});
    EXPECT_EQ(store->count("renew"), asked + 1) << "it knows, and asks nobody";
  }
}

// Has forgotten every lease that it is to renew, and takes its time.
class SlowAndForgetful final : public ForwardingStore {
 public:
  SlowAndForgetful(std::shared_ptr<Store> next, std::shared_ptr<ManualClock> clock)
      : ForwardingStore(std::move(next)), clock_(std::move(clock)) {}

  std::chrono::seconds renewal{0};
  std::chrono::seconds restoration{0};

 private:
  Grant do_renew(const RenewRequest&, std::chrono::milliseconds) override {
    clock_->advance(renewal);
    throw Error(ErrorCode::not_assigned, "it was never granted");
  }
  Grant do_restore(const RestoreRequest& request, std::chrono::milliseconds timeout) override {
    const Grant grant = next().restore(request, timeout);
    clock_->advance(restoration);
    return grant;
  }

  const std::shared_ptr<ManualClock> clock_;
};

class ForgottenExplicitLease : public GeneratorTest {
 protected:
  // When four of its five minutes are over.
  void renew(std::chrono::seconds renewal, std::chrono::seconds restoration) {
    clock->advance(4min);
    forgetful->renewal = renewal;
    forgetful->restoration = restoration;
    test.renew(mine.worker_id, mine.token);
  }
  ErrorCode code_of_another_renewal() {
    return code_of([this] { test.renew(mine.worker_id, mine.token); });
  }

  std::shared_ptr<SlowAndForgetful> forgetful = std::make_shared<SlowAndForgetful>(store, clock);
  Generator test{forgetful, "test", {.clock = clock}};
  const Assignment mine = test.get_id();
};

TEST_F(ForgottenExplicitLease, CountsFromBeforeItsRestoration) {  // G2, G7
  renew(10s, 20s);
  clock->advance(4min + 40s);
  EXPECT_EQ(code_of_another_renewal(), ErrorCode::token_expired);
  EXPECT_EQ(store->count("restore"), 1) << "it knows, and asks nobody";
}

TEST_F(ForgottenExplicitLease, IsNotRestoredWhenItEnded) {  // G7, R3
  EXPECT_EQ(code_of([&] { renew(1min, 0s); }), ErrorCode::token_expired);
  EXPECT_EQ(store->count("restore"), 0);
}

TEST_F(ForgottenExplicitLease, IsNotRevivedByALateRestoration) {  // G2
  EXPECT_EQ(code_of([&] { renew(10s, 50s); }), ErrorCode::token_expired);
  EXPECT_EQ(code_of_another_renewal(), ErrorCode::token_expired);
}

TEST_F(GeneratorTest, RefusesForeignAndEmptyTokensAndForeignIds) {
  Generator test = generator();
  const Assignment mine = test.get_id();
  EXPECT_EQ(code_of([&] { test.renew(mine.worker_id, Token::random()); }),
            ErrorCode::token_mismatch);
  EXPECT_EQ(code_of([&] { test.release(mine.worker_id, Token::random()); }),
            ErrorCode::token_mismatch);
  EXPECT_EQ(code_of([&] { test.renew(mine.worker_id, Token{}); }), ErrorCode::invalid_token);
  EXPECT_EQ(code_of([&] { test.renew(1001, mine.token); }), ErrorCode::invalid_worker_id);
  EXPECT_EQ(code_of([&] { test.renew(-1, mine.token); }), ErrorCode::invalid_worker_id);
  EXPECT_EQ(code_of([&] { test.renew(2, mine.token); }), ErrorCode::not_assigned);
  test.renew(mine.worker_id, mine.token);
}

TEST_F(GeneratorTest, AFullPoolFailsAtOnceAndSaysWhenTheNextComesFree) {  // G9
  Generator test = generator({.max_worker_id = 3});
  std::set<WorkerId> ids;
  for (int count = 0; count < 3; ++count) ids.insert(test.get_id().worker_id);
  EXPECT_EQ(ids, (std::set<WorkerId>{1, 2, 3}));
  try {
    static_cast<void>(test.get_id(1min));  // the clock stands still: waiting would never end
    FAIL() << "there is no ID";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_code(), ErrorCode::no_available_id);
    EXPECT_EQ(error.retry_after(), 5min + 150s);
    EXPECT_NE(std::string{error.what()}.find("all of its 3 worker IDs are taken"),
              std::string::npos);
  }
  EXPECT_EQ(store->count("acquire"), 4);
}

TEST_F(GeneratorTest, WaitsForAnIdThatComesFreeInTime) {
  Generator test = generator({.max_worker_id = 1});
  const Assignment former = test.get_id();
  test.release(former.worker_id, former.token);
  auto waiting = std::async(std::launch::async, [&] { return test.get_id(); });
  clock->await_waiters(1);
  clock->advance(1200ms);  // the cool-down, and what the wait is spread by
  EXPECT_EQ(waiting.get().worker_id, 1);
}

TEST_F(GeneratorTest, RepeatsAnUnansweredRequestUnderTheSameToken) {  // G5, F07, F34
  Generator test = generator({.max_worker_id = 2});
  store->schedule({Fault::reply_lost, Fault::request_lost, Fault::unavailable});
  auto waiting = std::async(std::launch::async, [&] { return test.get_id(1h); });
  // Whoever waits may not have seen the last step yet, so their number is not known.
  while (waiting.wait_for(1ms) != std::future_status::ready) clock->advance(100ms);
  EXPECT_EQ(waiting.get().worker_id, 1);
  EXPECT_EQ(store->count("acquire"), 4);
  EXPECT_EQ(test.inspect().never_granted, 1) << "the repetitions took no second ID";
}

TEST_F(GeneratorTest, SaysWhatIsWrongWithEveryOption) {
  const auto text = [&](const std::string& cluster, Options options) {
    try {
      const Generator refused(store, cluster, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.error_code(), ErrorCode::invalid_argument);
      return std::string{error.what()};
    }
    ADD_FAILURE() << "it was accepted";
    return std::string{};
  };
  EXPECT_NE(text("", {}).find("name is empty"), std::string::npos);
  EXPECT_NE(text("a{b}", {}).find("\"a{b}\" has a wrong character at position 2"),
            std::string::npos);
  EXPECT_NE(text("a", {.min_worker_id = 5, .max_worker_id = 4}).find("min_worker_id is 5"),
            std::string::npos);
  EXPECT_NE(text("a", {.max_lease_time = 1s}).find("max_lease_time is 1000 ms"), std::string::npos);
  EXPECT_NE(text("a", {.reuse_delay = 0s}).find("reuse_delay is 0 ms"), std::string::npos);
  EXPECT_NE(text("a", {.takeover = true}).find("takeover"), std::string::npos);
  EXPECT_THROW(Generator(nullptr, "a"), Error);
  EXPECT_EQ(code_of([&] { static_cast<void>(generator().get_id(-1ms)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(store->count("acquire"), 0);
}

TEST_F(GeneratorTest, InspectShowsAnUnusedClusterByItsConfiguration) {
  Generator test = generator({.max_worker_id = 10});
  const ClusterView unused = test.inspect();
  EXPECT_EQ(unused.never_granted, 10);
  EXPECT_TRUE(unused.leases.empty());
  static_cast<void>(test.get_id());
  const ClusterView used = test.inspect();
  EXPECT_EQ(used.never_granted, 9);
  ASSERT_EQ(used.count(LeaseState::leased), 1);
  EXPECT_NE(used.leases.at(0).owner.find("/" + std::to_string(::getpid()) + "/"),
            std::string::npos);
}

TEST_F(GeneratorTest, AnInstanceGetsItsIdBackWhenItIsFree) {
  const Assignment other = generator().get_id();
  EXPECT_EQ(other.worker_id, 1);
  {
    Generator test = generator({.instance = "web-0"});
    const Assignment first = test.get_id();
    EXPECT_EQ(first.worker_id, 2);
    test.release(first.worker_id, first.token);
  }
  clock->advance(1s);
  EXPECT_EQ(generator({.instance = "web-0"}).get_id().worker_id, 2);
}

TEST_F(GeneratorTest, TwoLiveProcessesOfOneNameGetTwoIds) {  // F75
  Generator first = generator({.instance = "web-0"});
  Generator second = generator({.instance = "web-0"});
  EXPECT_NE(first.get_id().worker_id, second.get_id().worker_id);
}

TEST_F(GeneratorTest, ATakeoverGetsTheIdAtOnceUnderANewEpoch) {
  Generator former = generator({.instance = "web-0"});
  const Lease before = former.lease();
  Generator next = generator({.instance = "web-0", .takeover = true});
  const Lease after = next.lease();
  EXPECT_EQ(after.worker_id(), before.worker_id());
  EXPECT_GT(after.epoch(), before.epoch());
  EXPECT_GT(after.reserved_timestamps().first_ms, before.reserved_timestamps().last_ms);
}

// What is meant is the lease that was there when the acquisition began.
TEST_F(GeneratorTest, ATakeoverLeavesALaterLeaseAlone) {
  const auto memory = open_memory_store(clock);
  store = std::make_shared<FaultStore>(memory);
  const Lease former = generator({.instance = "web-0"}).lease();
  store->before([&](const std::string& verb) {
    if (verb != "acquire") return;
    store->before({});
    generator({.instance = "web-0", .takeover = true}).lease().abandon();
  });
  const Lease late = generator({.instance = "web-0", .takeover = true}).lease();
  EXPECT_NE(late.worker_id(), former.worker_id());
  EXPECT_EQ(memory->former_lease("test", "web-0", 1s)->worker_id, late.worker_id());
}

// Passes on, and notes, what can be delivered once more.
class ReplayingStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  std::vector<AcquireRequest> acquisitions;
  std::vector<ReleaseRequest> releases;

 private:
  Grant do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) override {
    acquisitions.push_back(request);
    return next().acquire(request, timeout);
  }
  void do_release(const ReleaseRequest& request, std::chrono::milliseconds timeout) override {
    releases.push_back(request);
    next().release(request, timeout);
  }
};

// G1: a takeover that comes once more takes nothing from who took over after it, and the release that
// follows it frees nothing.
TEST_F(GeneratorTest, AReplayedTakeoverTakesNothing) {
  const auto replaying = std::make_shared<ReplayingStore>(open_memory_store(clock));
  const auto make = [&](Options options) {
    options.clock = clock;
    options.max_worker_id = 2;
    return Generator(replaying, "test", options);
  };
  make({.instance = "web-0"}).lease().abandon();
  Generator second = make({.instance = "web-0", .takeover = true});
  second.lease().release();
  Generator third = make({.instance = "web-0", .takeover = true});
  const Lease held = third.lease();
  EXPECT_EQ(held.worker_id(), 1);

  // Its token is not known any more, so it gets the other ID, and leaves it to expire.
  const AcquireRequest late = replaying->acquisitions.at(1);
  EXPECT_EQ(replaying->acquire(late, 1s).worker_id, 2);
  const ReleaseRequest freeing = replaying->releases.at(0);
  EXPECT_EQ(code_of([&] { replaying->release(freeing, 1s); }), ErrorCode::token_mismatch);
  clock->advance(2s);
  EXPECT_EQ(code_of([&] { static_cast<void>(make({}).get_id(0ms)); }), ErrorCode::no_available_id);
  EXPECT_TRUE(held.held());
}

// Whoever said that the former holder is gone may be wrong: others wait as long as without.
TEST_F(GeneratorTest, AReleaseAfterATakeoverFreesNothingSooner) {
  const Lease former = generator({.max_worker_id = 1, .instance = "web-0"}).lease();
  generator({.max_worker_id = 1, .instance = "web-0", .takeover = true}).lease().release();
  ASSERT_TRUE(former.held());
  clock->advance(4min);
  EXPECT_EQ(code_of([&] { static_cast<void>(generator({.max_worker_id = 1}).get_id(0ms)); }),
            ErrorCode::no_available_id);
}

TEST_F(GeneratorTest, ATakeoverWaitsWhileTheStoreIsAway) {
  static_cast<void>(generator({.instance = "web-0"}).get_id());
  store->schedule({Fault::unavailable});
  Generator test = generator({.instance = "web-0", .takeover = true});
  auto waiting = std::async(std::launch::async, [&] { return test.get_id(1h); });
  while (waiting.wait_for(1ms) != std::future_status::ready) clock->advance(100ms);
  EXPECT_EQ(waiting.get().worker_id, 1);
}

TEST_F(GeneratorTest, ANameServesOneLeaseAtATime) {
  Generator test = generator({.instance = "web-0", .takeover = true});
  std::optional<Lease> first(test.lease());
  const Lease second = test.lease();  // must not take the first one's ID over
  EXPECT_NE(first->worker_id(), second.worker_id());
  EXPECT_TRUE(first->held());
  EXPECT_EQ(test.inspect().leases.at(1).instance, "");

  const WorkerId named = first->worker_id();
  first.reset();
  const Lease third = test.lease();
  EXPECT_EQ(third.worker_id(), named) << "the name is free again";
}

TEST_F(GeneratorTest, ANameServesOneExplicitIdAtATime) {
  Generator test = generator({.instance = "web-0", .takeover = true});
  const Assignment first = test.get_id();
  const Assignment second = test.get_id();
  EXPECT_NE(first.worker_id, second.worker_id);
  clock->advance(4min);
  test.renew(first.worker_id, first.token);
  clock->advance(4min);  // the first one was renewed
  EXPECT_NE(test.get_id().worker_id, first.worker_id);
  clock->advance(1min);  // now its holder has stopped
  EXPECT_EQ(test.get_id().worker_id, first.worker_id);
  EXPECT_EQ(code_of([&] { test.renew(first.worker_id, first.token); }), ErrorCode::token_expired);
}

TEST_F(GeneratorTest, AFailedAcquisitionLetsTheNameGo) {
  Generator test = generator({.max_worker_id = 1, .instance = "web-0"});
  store->schedule({Fault::unavailable});
  EXPECT_EQ(code_of([&] { static_cast<void>(test.get_id(0ms)); }), ErrorCode::unavailable);
  static_cast<void>(test.get_id());
  EXPECT_EQ(test.inspect().leases.at(0).instance, "web-0");
}

class IdentityTest : public GeneratorTest {
 protected:
  Options options(WorkerId max_worker_id = 3) {
    Options made;
    made.max_worker_id = max_worker_id;
    made.identity_file = file;
    return made;
  }

  std::string content() const {
    std::ifstream stream{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, {}};
  }
  void write(const std::string& content) const { std::ofstream{file, std::ios::binary} << content; }

  TemporaryDirectory directory;
  std::filesystem::path file = directory.path() / "identity";
};

TEST_F(IdentityTest, ResumesItsIdAtOnceWhenTheFormerProcessIsGone) {
  std::set<WorkerId> ids;
  for (int life = 0; life < 50; ++life) {  // F08: a crash loop burns no IDs
    Generator test = generator(options());
    Lease lease = test.lease(0ms);
    ids.insert(lease.worker_id());
    lease.abandon();  // as a crash leaves it
  }
  EXPECT_EQ(ids, std::set<WorkerId>{1});
}

TEST_F(IdentityTest, IsLockedAsLongAsItsGeneratorLives) {
  std::optional<Generator> first(generator(options()));
  EXPECT_EQ(first->identity_descriptor(), -1);
  const Assignment held = first->get_id();
  EXPECT_GE(first->identity_descriptor(), 0);
  EXPECT_NE(::fcntl(first->identity_descriptor(), F_GETFD) & FD_CLOEXEC, 0);
  Generator second = generator(options());
  try {
    static_cast<void>(second.get_id(0ms));
    FAIL() << "the first one lives";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_code(), ErrorCode::denied);
    EXPECT_NE(std::string{error.what()}.find(file.string()), std::string::npos);
  }
  first.reset();
  EXPECT_EQ(second.get_id(0ms).worker_id, held.worker_id);
}

TEST_F(IdentityTest, IsLockedAsLongAsALeaseOfItsGeneratorLives) {
  std::optional<Generator> first(generator(options()));
  std::optional<Lease> lease(first->lease());
  first.reset();
  Generator second = generator(options());
  EXPECT_EQ(code_of([&] { static_cast<void>(second.lease(0ms)); }), ErrorCode::denied);
  EXPECT_TRUE(lease->held());
  lease.reset();
  EXPECT_NO_THROW(static_cast<void>(second.lease(0ms)));
}

TEST_F(IdentityTest, AFileThatWasRefusedMayBePutRight) {
  write("");
  const std::filesystem::path link = directory.path() / "link";
  std::filesystem::create_hard_link(file, link);
  Generator test = generator(options());
  EXPECT_EQ(code_of([&] { static_cast<void>(test.get_id(0ms)); }), ErrorCode::unsupported_server);
  EXPECT_EQ(test.identity_descriptor(), -1);
  std::filesystem::remove(link);
  EXPECT_NO_THROW(static_cast<void>(test.get_id(0ms)));
}

// Whoever planted it would choose what is made, or written to.
TEST_F(IdentityTest, ASymbolicLinkIsNotFollowed) {
  const std::filesystem::path target = directory.path() / "target";
  std::filesystem::create_symlink(target, file);
  Generator test = generator(options());
  EXPECT_EQ(code_of([&] { static_cast<void>(test.get_id(0ms)); }), ErrorCode::denied);
  EXPECT_FALSE(std::filesystem::exists(target));
  std::ofstream{target};
  EXPECT_EQ(code_of([&] { static_cast<void>(test.get_id(0ms)); }), ErrorCode::denied);
  EXPECT_TRUE(std::filesystem::is_empty(target));
  std::filesystem::remove(file);
  EXPECT_NO_THROW(static_cast<void>(test.get_id(0ms)));
}

TEST_F(IdentityTest, AFileInAFolderThatIsMissingIsRefused) {
  file = directory.path() / "missing" / "identity";
  EXPECT_EQ(code_of([&] { static_cast<void>(generator(options()).get_id(0ms)); }),
            ErrorCode::invalid_argument);
}

TEST_F(IdentityTest, TheFileHasItsModeWhateverTheUmask) {
  const mode_t former = ::umask(0777);
  static_cast<void>(generator(options()).get_id(0ms));
  ::umask(former);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_NO_THROW(static_cast<void>(generator(options()).get_id(0ms)));
}

TEST_F(IdentityTest, WaitsForAProcessThatIsEnding) {
  std::optional<Generator> first(generator(options()));
  static_cast<void>(first->get_id());
  Generator second = generator(options());
  auto waiting = std::async(std::launch::async, [&] { return second.get_id(); });
  clock->await_waiters(1);
  first.reset();
  clock->advance(20ms);
  EXPECT_EQ(waiting.get().worker_id, 1);
}

TEST_F(IdentityTest, TwoNamesInTwoFilesDoNotMeetEvenWithOneInstance) {
  Options first = options();
  first.instance = "web-0";
  Options second = first;
  second.identity_file = directory.path() / "another";
  Generator one = generator(first);
  Generator two = generator(second);
  EXPECT_NE(one.get_id().worker_id, two.get_id().worker_id);
}

// The lock proves that whoever wrote the file while holding it is gone, and nothing else.
TEST_F(IdentityTest, InACopyTheFormerIdIsAWish) {
  for (const bool lives : {false, true}) {
    Generator original = generator(options());
    const Assignment held = original.get_id();
    Options copied = options();
    copied.identity_file = directory.path() / (lives ? "copy of a live one" : "copy");
    std::filesystem::copy_file(file, copied.identity_file);
    if (!lives) original.release(held.worker_id, held.token);
    clock->advance(1s);
    EXPECT_EQ(generator(copied).get_id().worker_id == held.worker_id, !lives);
    clock->advance(10min);
  }
}

TEST_F(IdentityTest, OnAnotherBootTheFormerIdIsAWish) {
  const Assignment held = generator(options()).get_id();
  detail::IdentityText text = detail::IdentityText::parse(content());
  ASSERT_EQ(text.tokens, std::vector{held.token});
  text.place.front() = text.place.front() == 'a' ? 'b' : 'a';  // of the boot ID
  write(text.text());
  EXPECT_NE(generator(options()).get_id().worker_id, held.worker_id);
}

// Whoever dies between its request and the answer leaves its token to the next one.
TEST_F(IdentityTest, TheTokenIsInTheFileBeforeTheRequestIsSent) {
  store->before([&](const std::string& verb) {
    if (verb != "acquire") return;
    const auto tokens = detail::IdentityText::parse(content()).tokens;
    EXPECT_EQ(tokens.size(), static_cast<std::size_t>(store->count("acquire")));
  });
  store->schedule({Fault::reply_lost});
  EXPECT_EQ(code_of([&] { static_cast<void>(generator(options()).get_id(0ms)); }),
            ErrorCode::outcome_unknown);
  EXPECT_EQ(generator(options()).get_id(0ms).worker_id, 1);
  // Where the request was lost, the one before it counts.
  store->schedule({Fault::request_lost});
  EXPECT_EQ(code_of([&] { static_cast<void>(generator(options()).get_id(0ms)); }),
            ErrorCode::outcome_unknown);
  EXPECT_EQ(generator(options()).get_id(0ms).worker_id, 1);
  EXPECT_EQ(generator(options()).inspect().leases.size(), 1U);
}

TEST_F(IdentityTest, OfManyLostRequestsTheOldestIsForgotten) {
  static_cast<void>(generator(options()).get_id(0ms));
  store->always(Fault::request_lost);
  for (std::size_t count = 0; count < Takeover::most_tokens; ++count) {
    EXPECT_EQ(code_of([&] { static_cast<void>(generator(options()).get_id(0ms)); }),
              ErrorCode::outcome_unknown);
  }
  store->always(Fault::none);
  EXPECT_EQ(detail::IdentityText::parse(content()).tokens.size(), Takeover::most_tokens);
  EXPECT_EQ(generator(options()).get_id(0ms).worker_id, 2);
}

TEST_F(IdentityTest, OnlyTheLeaseThatHasTheNameWritesTheFile) {
  Generator test = generator(options());
  const Lease named = test.lease();
  const std::string before = content();
  const Lease other = test.lease();
  EXPECT_EQ(content(), before);
}

TEST_F(IdentityTest, AFileOfTheFirstFormGivesItsNameAlone) {
  const Token name = Token::random();
  Options named;
  named.max_worker_id = 3;
  named.instance = name.text();
  const Assignment held = generator(named).get_id();
  struct stat status {};
  write("");
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  const std::string first_form =
      "workerid identity 1\n" + name.text() + "\ninode " + std::to_string(status.st_ino) + "\n";
  write(first_form);
  EXPECT_NE(generator(options()).get_id().worker_id, held.worker_id) << "no takeover";
  EXPECT_EQ(detail::IdentityText::parse(content()).name, name.text());
}

// Wherever a write was torn or a byte was lost, the live lease is not taken over.
TEST_F(IdentityTest, ATornFileIsAWish) {
  static_cast<void>(generator(options()).get_id());
  const std::string whole = content();
  for (std::size_t at = 0; at < whole.size(); at += 5) {
    for (const bool cut : {false, true}) {
      std::string torn = whole;
      if (cut) {
        torn.resize(at);
      } else if (torn[at] == 'x') {
        torn[at] = 'y';
      } else {
        torn[at] = 'x';
      }
      const std::size_t end = whole.find_last_not_of('\n') + 1;
      if (torn.substr(0, end) == whole.substr(0, end)) continue;  // what is left out is empty
      try {
        EXPECT_TRUE(detail::IdentityText::parse(torn).tokens.empty()) << at << cut;
      } catch (const Error& error) {
        EXPECT_EQ(error.error_code(), ErrorCode::corrupt_record);
        EXPECT_LT(at, std::string_view{"workerid identity 2\n"}.size());
      }
    }
  }
}

TEST_F(IdentityTest, AFileOfAnotherKindIsLeftAsItIs) {
  const std::string zeros(4, '\0');
  for (const std::string& content :
       {std::string{"precious\n"}, std::string{"workerid identity 1\n"},
        std::string{"workerid identity 1\nshort\ninode 1\n"}, zeros + "data",
        "work" + zeros + "data", std::string(10'000, '\0')}) {
    write(content);
    EXPECT_EQ(code_of([&] { static_cast<void>(generator(options()).get_id()); }),
              ErrorCode::corrupt_record);
    std::string present(content.size() + 1, '\0');
    std::ifstream stream(file);
    stream.read(present.data(), static_cast<std::streamsize>(present.size()));
    EXPECT_EQ(present.substr(0, static_cast<std::size_t>(stream.gcount())), content);
  }
}

TEST_F(IdentityTest, APathThatCannotBeUsedIsNamed) {
  Options missing = options();
  missing.identity_file = directory.path() / "no" / "folder";
  EXPECT_EQ(code_of([&] { static_cast<void>(generator(missing).get_id()); }),
            ErrorCode::invalid_argument);
  Options folder = options();
  folder.identity_file = directory.path();
  EXPECT_EQ(code_of([&] { static_cast<void>(generator(folder).get_id()); }),
            ErrorCode::invalid_argument);
}

// Else one process would lock what nobody else finds any more, and another what is there.
TEST_F(IdentityTest, AFileThatIsReplacedBeforeItIsLockedIsLockedAnew) {
  {
    detail::Identity former(file);
    ASSERT_TRUE(former.lock());
    former.add(Token::random());  // with the name
  }
  const std::string name = detail::IdentityText::parse(content()).name;
  for (const bool deleted : {false, true}) {
    SCOPED_TRACE(deleted ? "deleted" : "replaced by a copy");
    detail::Identity other(file);
    before_flock = [&] {
      const std::filesystem::path copy = directory.path() / "copy";
      if (!deleted) std::filesystem::copy_file(file, copy);
      std::filesystem::remove(file);
      if (!deleted) std::filesystem::rename(copy, file);
      ASSERT_TRUE(other.lock());
      EXPECT_EQ(other.name() == name, !deleted);
    };
    detail::Identity late(file);
    EXPECT_FALSE(late.lock()) << late.name();
    EXPECT_FALSE(before_flock);
  }
  before_flock = [&] { std::filesystem::remove(file); };
  detail::Identity alone(file);
  EXPECT_TRUE(alone.lock());
  EXPECT_FALSE(detail::Identity(file).lock());
}

TEST_F(IdentityTest, IsReadableByItsOwnerAlone) {
  Generator test = generator(options());
  static_cast<void>(test.get_id());
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(IdentityTest, AChildOfForkKeepsTheLockButNotTheId) {  // as long as what it runs lives
  std::optional<Generator> test(generator(options()));
  static_cast<void>(test->get_id());
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(gate[1]);
    char byte = 0;
    ::_exit(::read(gate[0], &byte, 1) == 0 ? 0 : 1);
  }
  ::close(gate[0]);
  test.reset();
  Generator next = generator(options());
  EXPECT_EQ(code_of([&] { static_cast<void>(next.get_id(0ms)); }), ErrorCode::denied);
  ::close(gate[1]);
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(next.get_id(0ms).worker_id, 1);
}

}  // namespace
}  // namespace workerid

extern "C" int flock(int descriptor, int operation) noexcept {
  if (const auto action = std::exchange(workerid::before_flock, nullptr)) action();
  return static_cast<int>(::syscall(SYS_flock, descriptor, operation));
}
