// SPDX-License-Identifier: MIT
#include "support/expect_error.hpp"

#include <workerid/memory_store.hpp>
#include <workerid/testing/fault_store.hpp>

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using testing::Fault;
using testing::FaultStore;
using namespace std::chrono_literals;

class FaultStoreTest : public ::testing::Test {
 protected:
  Grant acquire() { return faulty.acquire(request, 1s); }
  Grant renew() { return faulty.renew({"c", 1, request.token, Renewal::resume, {}}, 1s); }
  void release() { faulty.release({"c", 1, request.token, true, std::nullopt, {}}, 1s); }

  LeaseView record() const { return memory->inspect("c", 1s)->leases.at(0); }

  std::shared_ptr<Store> memory = open_memory_store();
  FaultStore faulty{memory};
  AcquireRequest request{.cluster = "c", .token = Token::random()};
};

TEST_F(FaultStoreTest, PassesOnWithoutAFault) {
  EXPECT_EQ(acquire().worker_id, 1);
  const std::uint64_t epoch = renew().epoch;
  EXPECT_EQ(record().epoch, epoch);
  release();
  EXPECT_EQ(record().state, LeaseState::cooling_down);
  EXPECT_EQ(faulty.inspect("c", 1s)->leases.size(), 1U);
  EXPECT_EQ(faulty.description(), memory->description());
}

TEST_F(FaultStoreTest, LostRequestChangesNothing) {
  faulty.schedule({Fault::request_lost});
  expect_error(ErrorCode::outcome_unknown, [&] { acquire(); });
  EXPECT_FALSE(memory->inspect("c", 1s).has_value());
}

TEST_F(FaultStoreTest, LostReplyIsAppliedAllTheSame) {
  faulty.always(Fault::reply_lost);
  expect_error(ErrorCode::outcome_unknown, [&] { acquire(); });
  const std::uint64_t epoch = record().epoch;
  expect_error(ErrorCode::outcome_unknown, [&] { renew(); });
  EXPECT_GT(record().epoch, epoch);
  expect_error(ErrorCode::outcome_unknown, [&] { release(); });
  EXPECT_EQ(record().state, LeaseState::cooling_down);
}

TEST_F(FaultStoreTest, UnavailableStoreChangesNothing) {
  faulty.always(Fault::unavailable);
  expect_error(ErrorCode::unavailable, [&] { acquire(); });
  EXPECT_FALSE(memory->inspect("c", 1s).has_value());
}

TEST_F(FaultStoreTest, ScheduledFaultsComeInOrderBeforeTheLastingOne) {
  faulty.always(Fault::unavailable);
  faulty.schedule({Fault::none, Fault::reply_lost});
  acquire();
  expect_error(ErrorCode::outcome_unknown, [&] { acquire(); });
  expect_error(ErrorCode::unavailable, [&] { acquire(); });
  faulty.always(Fault::none);
  EXPECT_EQ(acquire().worker_id, 1);
}

TEST_F(FaultStoreTest, EachOfSeveralRenewalsMeetsItsFault) {
  const Grant grant = acquire();
  faulty.schedule({Fault::none, Fault::request_lost, Fault::unavailable, Fault::reply_lost});
  const RenewRequest renewal{.cluster = "c",
                             .worker_id = grant.worker_id,
                             .token = request.token,
                             .renewal = Renewal::resume,
                             .client = {}};
  const auto answers = faulty.renew_all(std::vector<RenewRequest>(5, renewal), 30s);
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(std::get<Grant>(answers[0]).worker_id, grant.worker_id);
  EXPECT_EQ(std::get<Error>(answers[1]).error_code(), ErrorCode::outcome_unknown);
  EXPECT_EQ(std::get<Error>(answers[2]).error_code(), ErrorCode::unavailable);
  EXPECT_EQ(std::get<Error>(answers[3]).error_code(), ErrorCode::outcome_unknown);
  // The fourth was passed on, the second and third were not.
  EXPECT_GE(std::get<Grant>(answers[4]).epoch, std::get<Grant>(answers[0]).epoch + 2);
  EXPECT_EQ(faulty.count("renew"), 5);
}

TEST_F(FaultStoreTest, TellsAndCountsEachOperation) {
  std::vector<std::string> verbs;
  faulty.before([&](const std::string& verb) { verbs.push_back(verb); });
  acquire();
  renew();
  renew();
  release();
  EXPECT_EQ(verbs, (std::vector<std::string>{"acquire", "renew", "renew", "release"}));
  EXPECT_EQ(faulty.count("renew"), 2);
  EXPECT_EQ(faulty.count("release"), 1);
}

}  // namespace
}  // namespace workerid::tests
