// SPDX-License-Identifier: MIT
#include "support/expect_error.hpp"

#include <workerid/generator.hpp>
#include <workerid/memory_store.hpp>
#include <workerid/store.hpp>

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <variant>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

// Grants what it is told to, and counts what reaches it.
class ScriptedStore final : public Store {
 public:
  std::string description() const override { return "scripted:"; }

  Grant grant{5, 1, {10, 20}, 1s};
  int operations = 0;

 private:
  Grant do_acquire(const AcquireRequest&, std::chrono::milliseconds) override { return answer(); }
  Grant do_renew(const RenewRequest&, std::chrono::milliseconds) override { return answer(); }
  Grant do_restore(const RestoreRequest&, std::chrono::milliseconds) override { return answer(); }
  void do_release(const ReleaseRequest&, std::chrono::milliseconds) override { ++operations; }
  Guarantee do_guarantee(std::chrono::milliseconds) override {
    ++operations;
    return {GuaranteeLevel::conditional, GuaranteeLevel::exact, {}};
  }
  std::optional<ClusterView> do_inspect(const std::string&, std::chrono::milliseconds) override {
    ++operations;
    return std::nullopt;
  }

  Grant answer() {
    ++operations;
    return grant;
  }
};

AcquireRequest acquire_request() {
  return {.cluster = "c", .token = Token::random()};
}
RenewRequest renew_request() {
  return {.cluster = "c", .worker_id = 5, .token = Token::random(), .client = {}};
}
RestoreRequest restore_request() {
  return {.cluster = "c",
          .token = Token::random(),
          .grant = {5, 1, {10, 20}, 1s},
          .instance = {},
          .owner = {},
          .client = {}};
}
ReleaseRequest release_request() {
  return {.cluster = "c",
          .worker_id = 5,
          .token = Token::random(),
          .last_timestamp_ms = std::nullopt,
          .client = {}};
}

TEST(Store, PassesGoodRequestsOn) {
  ScriptedStore store;
  EXPECT_EQ(store.acquire(acquire_request(), 1s), store.grant);
  EXPECT_EQ(store.renew(renew_request(), 1s), store.grant);
  EXPECT_EQ(store.restore(restore_request(), 1s), store.grant);
  store.release(release_request(), 1s);
  EXPECT_FALSE(store.inspect("c", 1s).has_value());
  EXPECT_EQ(store.guarantee(1s).exclusivity, GuaranteeLevel::conditional);
  EXPECT_EQ(store.operations, 6);
}

TEST(Store, WrongAcquisitionNeverReachesTheServer) {
  ScriptedStore store;
  const auto refused = [&](ErrorCode code, const std::function<void(AcquireRequest&)>& change,
                           const std::string& named) {
    AcquireRequest request = acquire_request();
    change(request);
    expect_error_naming(
        code, [&] { store.acquire(request, 1s); }, named);
  };
  const auto invalid = ErrorCode::invalid_argument;
  refused(
      invalid, [](auto& request) { request.cluster = "two words"; }, "two words");
  refused(
      ErrorCode::invalid_token, [](auto& request) { request.token = {}; }, "empty");
  refused(
      invalid, [](auto& request) { request.configuration.min_worker_id = -3; }, "-3");
  refused(
      invalid, [](auto& request) { request.configuration.lease_time = 0ms; }, "0 ms");
  refused(
      invalid, [](auto& request) { request.configuration.reuse_delay = -1ms; }, "-1 ms");
  refused(
      invalid, [](auto& request) { request.configuration.cool_down = -2ms; }, "-2 ms");
  refused(
      invalid, [](auto& request) { request.instance = std::string(251, 'i'); }, "251");
  refused(
      invalid, [](auto& request) { request.instance = "line\nbreak"; }, "10");
  refused(
      invalid, [](auto& request) { request.owner = std::string(1, '\0'); }, "owner");
  refused(
      invalid, [](auto& request) { request.takeover.epoch = 1; }, "instance");
  refused(
      invalid, [](auto& request) { request.seen_epoch = largest_epoch; }, "9007199254740991");
  expect_error_naming(
      invalid, [&] { store.acquire(acquire_request(), -1ms); }, "-1 ms", "above 0");
  EXPECT_EQ(store.operations, 0);
}

TEST(Store, WrongRenewalNeverReachesTheServer) {
  ScriptedStore store;
  const auto refused = [&](ErrorCode code, const std::function<void(RenewRequest&)>& change,
                           const std::string& named) {
    RenewRequest request = renew_request();
    change(request);
    expect_error_naming(
        code, [&] { store.renew(request, 1s); }, named);
  };
  refused(
      ErrorCode::invalid_argument, [](auto& request) { request.cluster = ""; }, "empty");
  refused(
      ErrorCode::invalid_worker_id, [](auto& request) { request.worker_id = -1; }, "-1");
  refused(
      ErrorCode::invalid_worker_id,
      [](auto& request) { request.worker_id = largest_worker_id + 1; }, "2147483648");
  refused(
      ErrorCode::invalid_token, [](auto& request) { request.token = {}; }, "empty");
  expect_error(ErrorCode::invalid_argument, [&] { store.renew(renew_request(), 0ms); });
  EXPECT_EQ(store.operations, 0);
}

TEST(Store, WrongRestorationNeverReachesTheServer) {
  ScriptedStore store;
  const auto refused = [&](ErrorCode code, const std::function<void(RestoreRequest&)>& change,
                           const std::string& named) {
    RestoreRequest request = restore_request();
    change(request);
    expect_error_naming(
        code, [&] { store.restore(request, 1s); }, named);
  };
  refused(
      ErrorCode::invalid_argument, [](auto& request) { request.cluster = ""; }, "empty");
  refused(
      ErrorCode::invalid_worker_id, [](auto& request) { request.grant.worker_id = -1; }, "-1");
  refused(
      ErrorCode::invalid_token, [](auto& request) { request.token = {}; }, "empty");
  refused(
      ErrorCode::invalid_argument, [](auto& request) { request.configuration.lease_time = 0ms; },
      "0 ms");
  refused(
      ErrorCode::invalid_argument, [](auto& request) { request.owner = "line\nbreak"; }, "10");
  refused(
      ErrorCode::corrupt_record, [](auto& request) { request.grant.epoch = 0; }, "epoch 0");
  refused(
      ErrorCode::corrupt_record, [](auto& request) { request.grant.epoch = largest_epoch + 1; },
      "epoch 9007199254740992");
  refused(
      ErrorCode::corrupt_record,
      [](auto& request) {
        request.grant.reserved = {2, 1};
      },
      "2 to 1");
  EXPECT_EQ(store.operations, 0);
}

TEST(Store, WrongReleaseOrInspectionNeverReachesTheServer) {
  ScriptedStore store;
  const auto refused = [&](ErrorCode code, const std::function<void(ReleaseRequest&)>& change) {
    ReleaseRequest request = release_request();
    change(request);
    expect_error(code, [&] { store.release(request, 1s); });
  };
  refused(ErrorCode::invalid_argument, [](auto& request) { request.cluster = "a\nb"; });
  refused(ErrorCode::invalid_worker_id, [](auto& request) { request.worker_id = -1; });
  refused(ErrorCode::invalid_token, [](auto& request) { request.token = {}; });
  expect_error(ErrorCode::invalid_argument, [&] { store.release(release_request(), 0ms); });
  expect_error(ErrorCode::invalid_argument, [&] { store.inspect("", 1s); });
  expect_error(ErrorCode::invalid_argument, [&] { store.inspect("c", 0ms); });
  EXPECT_EQ(store.operations, 0);
}

TEST(Store, WrongAdministrationNeverReachesTheServer) {
  const auto store = open_memory_store();
  const auto resize = [&](const std::string& cluster, WorkerId low, WorkerId high) {
    store->resize({cluster, low, high, {}}, 1s);
  };
  const auto evict = [&](const std::string& cluster, WorkerId worker_id, std::uint64_t epoch) {
    store->evict({cluster, worker_id, epoch, {}}, 1s);
  };
  const auto invalid = ErrorCode::invalid_argument;
  store->acquire(acquire_request(), 1s);
  expect_error(invalid, [&] { resize("a b", 1, 2); });
  expect_error(invalid, [&] { resize("c", 2, 1); });
  expect_error(invalid, [&] { resize("c", -1, 1); });
  expect_error(invalid, [&] { resize("c", 1, largest_worker_id + 1); });
  expect_error(invalid, [&] { evict("a b", 1, 1); });
  expect_error(invalid, [&] { evict("c", 1, 0); });
  expect_error(invalid, [&] { evict("c", 1, largest_epoch); });
  expect_error(ErrorCode::invalid_worker_id, [&] { evict("c", -1, 1); });
  expect_error(ErrorCode::invalid_worker_id, [&] { evict("c", largest_worker_id + 1, 1); });
  expect_error(invalid, [&] { store->resize({"c", 1, 2, {}}, 0ms); });
  expect_error(invalid, [&] { store->evict({"c", 1, 1, {}}, 0ms); });
  expect_error(invalid, [&] { store->clusters(0ms); });
  EXPECT_EQ(store->clusters(1s), std::vector<std::string>{"c"});
  EXPECT_EQ(store->inspect("c", 1s)->leases.at(0).state, LeaseState::leased);
  EXPECT_EQ(store->inspect("c", 1s)->configuration, Configuration{});
}

TEST(Store, AdministrationMayBeLeftOut) {
  const auto scripted = std::make_shared<ScriptedStore>();
  ForwardingStore forwarding{scripted};
  for (Store* const store :
       {static_cast<Store*>(scripted.get()), static_cast<Store*>(&forwarding)}) {
    const auto unsupported = [](const std::string& function, const auto& verb) {
      expect_error_naming(ErrorCode::unsupported_server, verb, "scripted:", function);
    };
    unsupported("do_clusters", [&] { store->clusters(1s); });
    unsupported("do_resize", [&] { store->resize({"c", 1, 2, {}}, 1s); });
    unsupported("do_evict", [&] { store->evict({"c", 1, 1, {}}, 1s); });
  }
}

// Shows the leases that it is told to, of a cluster that has the IDs 3 to 5.
class ShowsSo final : public ForwardingStore {
 public:
  ShowsSo() : ForwardingStore(open_memory_store()) {}

  std::vector<LeaseView> leases;

 private:
  std::optional<ClusterView> do_inspect(const std::string&, std::chrono::milliseconds) override {
    ClusterView view;
    view.configuration.min_worker_id = 3;
    view.configuration.max_worker_id = 5;
    view.leases = leases;
    return view;
  }
};

TEST(Store, ShowsOutsideTheRangeWhatIsNotFree) {
  ShowsSo store;
  EXPECT_EQ(store.inspect("c", 1s)->never_granted, 3);
  const auto shown = [&](WorkerId worker_id, LeaseState state) {
    store.leases.assign(2, {});
    for (LeaseView& lease : store.leases) lease.epoch = 1;
    store.leases.front().worker_id = worker_id;
    store.leases.front().state = state;
    store.leases.back().worker_id = 4;
    return store.inspect("c", 1s);
  };
  for (const WorkerId outside : {2, 6}) {
    EXPECT_EQ(shown(outside, LeaseState::free)->leases.size(), 1U);
    for (const auto state : {LeaseState::leased, LeaseState::expired, LeaseState::cooling_down}) {
      EXPECT_EQ(shown(outside, state)->leases.size(), 2U);
      EXPECT_EQ(shown(outside, state)->never_granted, 2);
    }
  }
  EXPECT_EQ(shown(3, LeaseState::free)->leases.size(), 2U);
  EXPECT_EQ(shown(3, LeaseState::free)->never_granted, 1);
}

TEST(Store, WrongReplyNeverReachesAHolder) {
  const auto refused = [](const std::function<void(Grant&)>& change, const std::string& named) {
    ScriptedStore store;
    change(store.grant);
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { store.acquire(acquire_request(), 1s); },
        "scripted:", named);
    expect_error(ErrorCode::corrupt_record, [&] { store.renew(renew_request(), 1s); });
  };
  refused([](Grant& grant) { grant.worker_id = 1001; }, "1001");
  refused([](Grant& grant) { grant.worker_id = 0; }, "worker ID 0");
  refused([](Grant& grant) { grant.epoch = 0; }, "epoch 0");
  refused([](Grant& grant) { grant.lease_time = 0ms; }, "0 ms");
  refused([](Grant& grant) { grant.reserved = {21, 20}; }, "21 to 20");
  refused([](Grant& grant) { grant.reserved = {-1, 20}; }, "-1");
}

// Fails by what the test says.
class FailsSo final : public ForwardingStore {
 public:
  explicit FailsSo(Error error) : ForwardingStore(open_memory_store()), error_(std::move(error)) {}
  int operations = 0;

 private:
  [[noreturn]] void fail() {
    ++operations;
    throw Error(error_);
  }
  Grant do_acquire(const AcquireRequest&, std::chrono::milliseconds) override { fail(); }
  Grant do_renew(const RenewRequest&, std::chrono::milliseconds) override { fail(); }
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        std::chrono::milliseconds) override {
    return std::vector<RenewAnswer>(requests.size(), error_);
  }
  Grant do_restore(const RestoreRequest&, std::chrono::milliseconds) override { fail(); }
  void do_release(const ReleaseRequest&, std::chrono::milliseconds) override { fail(); }
  std::optional<ClusterView> do_inspect(const std::string&, std::chrono::milliseconds) override {
    fail();
  }
  std::optional<LeaseView> do_former_lease(const std::string&, const std::string&,
                                           std::chrono::milliseconds) override {
    fail();
  }
  Guarantee do_guarantee(std::chrono::milliseconds) override { fail(); }
  std::vector<std::string> do_clusters(std::chrono::milliseconds) override { fail(); }

  Error error_;
};

// Whoever waits for so long asks again at once, for ever, or never.
TEST(Store, AWaitThatMakesNoSenseNeverReachesAnyone) {
  for (const auto wait : {-1ms, std::chrono::milliseconds::min(), std::chrono::milliseconds::max(),
                          std::chrono::milliseconds{24h * 121}}) {
    const auto store = std::make_shared<FailsSo>(Error(ErrorCode::holding_back, "some text", wait));
    const auto refused = [&](const std::function<void()>& verb) {
      expect_error_naming(ErrorCode::corrupt_record, verb,
                          "memory:", std::to_string(wait.count()) + " ms");
    };
    refused([&] { store->acquire(acquire_request(), 1s); });
    refused([&] { store->renew(renew_request(), 1s); });
    refused([&] { store->restore(restore_request(), 1s); });
    refused([&] { store->release(release_request(), 1s); });
    refused([&] { store->inspect("c", 1s); });
    const std::vector<RenewRequest> one{renew_request()};
    EXPECT_EQ(std::get<Error>(store->renew_all(one, 1s).front()).error_code(),
              ErrorCode::corrupt_record);
    store->operations = 0;
    Generator generator(store, "c", {});
    expect_error(ErrorCode::corrupt_record, [&] { generator.get_id(0ms); });
    EXPECT_EQ(store->operations, 1);
  }
  FailsSo store{Error(ErrorCode::holding_back, "some text", 24h * 90)};
  EXPECT_EQ(expect_error(ErrorCode::holding_back, [&] { store.acquire(acquire_request(), 1s); })
                .retry_after(),
            24h * 90);
}

// What only reads changes nothing, whatever became of the question.
TEST(Store, TheOutcomeOfAQuestionIsNeverUnknown) {
  FailsSo store{Error(ErrorCode::outcome_unknown, "the line was cut")};
  expect_error(ErrorCode::outcome_unknown, [&] { store.acquire(acquire_request(), 1s); });
  expect_error(ErrorCode::outcome_unknown, [&] { store.release(release_request(), 1s); });
  const auto unavailable = [](const std::function<void()>& verb) {
    const Error error = expect_error_naming(ErrorCode::unavailable, verb, "the line was cut");
    EXPECT_EQ(std::string{error.what()}.find(make_error_code(ErrorCode::outcome_unknown).message()),
              std::string::npos);
  };
  unavailable([&] { store.inspect("c", 1s); });
  unavailable([&] { store.former_lease("c", "pod", 1s); });
  unavailable([&] { store.guarantee(1s); });
  unavailable([&] { store.clusters(1s); });
}

TEST(Store, WrongViewNeverReachesAnyone) {
  const auto refused = [](const std::function<void(LeaseView&)>& change, const std::string& named) {
    ShowsSo store;
    store.leases.assign(1, {});
    store.leases.front().worker_id = 4;
    store.leases.front().epoch = 1;
    EXPECT_TRUE(store.inspect("c", 1s));
    change(store.leases.front());
    expect_error_naming(
        ErrorCode::corrupt_record, [&] { store.inspect("c", 1s); }, "memory:", named);
  };
  refused([](LeaseView& lease) { lease.worker_id = -1; }, "-1");
  refused([](LeaseView& lease) { lease.worker_id = largest_worker_id + 1; }, "2147483648");
  refused([](LeaseView& lease) { lease.epoch = 0; }, "epoch 0");
  refused([](LeaseView& lease) { lease.epoch = largest_epoch + 1; }, "9007199254740992");
  refused([](LeaseView& lease) { lease.lease_left = -1ms; }, "-1 ms");
  refused([](LeaseView& lease) { lease.free_in = 24h * 121; }, "10454400000 ms");
  refused([](LeaseView& lease) { lease.reserved = {-1, 5}; }, "-1 to 5");
  refused([](LeaseView& lease) { lease.owner.assign(251, 'x'); }, "251 bytes");
  refused([](LeaseView& lease) { lease.instance.assign(251, 'x'); }, "251 bytes");
}

// Names the clusters that it is told to.
TEST(Store, RenewalOfAnotherIdIsNoReply) {
  ScriptedStore store;
  store.grant.worker_id = 6;
  EXPECT_EQ(store.acquire(acquire_request(), 1s).worker_id, 6);
  expect_error_naming(
      ErrorCode::corrupt_record, [&] { store.renew(renew_request(), 1s); }, "6", "5");
}

// G11: the sockets, files and locks below it are the parent's.
TEST(Store, ChildOfAForkIsRefused) {
  ScriptedStore store;
  const pid_t child = ::fork();
  if (child == 0) {
    int refusals = 0;
    const auto count = [&](const std::function<void()>& operation) {
      try {
        operation();
      } catch (const Error& error) {
        if (error.error_code() == ErrorCode::invalid_argument) ++refusals;
      }
    };
    count([&] { store.acquire(acquire_request(), 1s); });
    count([&] { store.renew(renew_request(), 1s); });
    count([&] { store.restore(restore_request(), 1s); });
    count([&] { store.guarantee(1s); });
    count([&] { store.release(release_request(), 1s); });
    count([&] { store.inspect("c", 1s); });
    ::_exit(refusals == 6 && store.operations == 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  store.release(release_request(), 1s);
  EXPECT_EQ(store.operations, 1);
}

// Renews by what the test says.
class RenewsSo final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::function<std::vector<RenewAnswer>(std::span<const RenewRequest>)> renew_so;

 private:
  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        std::chrono::milliseconds) override {
    return renew_so(requests);
  }
};

ErrorCode code_of(const RenewAnswer& answer) {
  return std::get<Error>(answer).error_code();
}

TEST(Store, RenewsOneAfterTheOtherWhereItCannotDoBetter) {
  ScriptedStore store;
  std::vector<RenewRequest> requests{renew_request(), renew_request(), renew_request()};
  requests[1].token = {};
  const std::vector<RenewAnswer> answers = store.renew_all(requests, 30s);
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(std::get<Grant>(answers[0]), store.grant);
  EXPECT_EQ(code_of(answers[1]), ErrorCode::invalid_token);
  EXPECT_EQ(std::get<Grant>(answers[2]), store.grant);
  EXPECT_EQ(store.operations, 2) << "the wrong one never reaches the store";
  expect_error(ErrorCode::invalid_argument, [&] { store.renew_all(requests, 0ms); });
  EXPECT_TRUE(store.renew_all({}, 30s).empty());
}

TEST(Store, ChecksEveryAnswerToSeveralRenewals) {
  RenewsSo store{std::make_shared<ScriptedStore>()};
  const std::vector<RenewRequest> requests(3, renew_request());
  const Grant good{5, 1, {10, 20}, 1s};
  Grant wrong = good;
  wrong.worker_id = 6;
  store.renew_so = [&](auto) { return std::vector<RenewAnswer>{wrong, good}; };
  std::vector<RenewAnswer> answers = store.renew_all(requests, 1s);
  EXPECT_EQ(code_of(answers.at(0)), ErrorCode::corrupt_record);
  EXPECT_EQ(std::get<Grant>(answers.at(1)), good);
  EXPECT_EQ(code_of(answers.at(2)), ErrorCode::outcome_unknown) << "it was not answered";

  store.renew_so = [&](auto) { return std::vector<RenewAnswer>(9, good); };
  EXPECT_EQ(store.renew_all(requests, 1s).size(), 3U);

  store.renew_so = [](auto) -> std::vector<RenewAnswer> {
    throw Error(ErrorCode::unavailable, "away");
  };
  for (const RenewAnswer& answer : store.renew_all(requests, 1s)) {
    EXPECT_EQ(code_of(answer), ErrorCode::unavailable);
  }
  store.renew_so = [](auto) -> std::vector<RenewAnswer> { throw std::runtime_error("odd"); };
  answers = store.renew_all(requests, 1s);
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(code_of(answers.at(2)), ErrorCode::outcome_unknown);
}

TEST(ForwardingStore, PassesEverythingOn) {
  const auto scripted = std::make_shared<ScriptedStore>();
  ForwardingStore store{scripted};
  EXPECT_EQ(store.acquire(acquire_request(), 1s), scripted->grant);
  EXPECT_EQ(store.renew(renew_request(), 1s), scripted->grant);
  EXPECT_EQ(store.restore(restore_request(), 1s), scripted->grant);
  store.release(release_request(), 1s);
  EXPECT_FALSE(store.inspect("c", 1s).has_value());
  EXPECT_EQ(store.guarantee(1s).exclusivity, GuaranteeLevel::conditional);
  const std::vector<RenewRequest> requests(2, renew_request());
  EXPECT_EQ(std::get<Grant>(store.renew_all(requests, 30s).at(1)), scripted->grant);
  EXPECT_EQ(scripted->operations, 8);
  EXPECT_EQ(store.description(), "scripted:");
}

TEST(ForwardingStore, NeedsAStore) {
  expect_error(ErrorCode::invalid_argument, [] { ForwardingStore{nullptr}; });
}

TEST(ClusterName, GoodOnesPass) {
  for (const std::string name : {"a", "orders.eu-1_b:c/d", "0"}) {
    EXPECT_NO_THROW(check_cluster_name(name)) << name;
  }
  EXPECT_NO_THROW(check_cluster_name(std::string(100, 'x')));
}

TEST(ClusterName, BadOnesAreRefusedWithThePlace) {
  const auto refused = [](const std::string& name, const std::string& named) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { check_cluster_name(name); }, named);
  };
  refused("", "empty");
  refused(std::string(101, 'x'), "101");
  refused("my cluster", "position 3");
  refused("{tag}", "position 1");
  refused("caf\xc3\xa9", "position 4");
  refused("a\tb", "position 2");
}

TEST(ClusterView, CountsStates) {
  ClusterView view;
  for (const LeaseState state : {LeaseState::leased, LeaseState::free, LeaseState::leased}) {
    view.leases.emplace_back().state = state;
  }
  EXPECT_EQ(view.count(LeaseState::leased), 2);
  EXPECT_EQ(view.count(LeaseState::free), 1);
  EXPECT_EQ(view.count(LeaseState::expired), 0);
}

TEST(LeaseState, HasItsName) {
  EXPECT_EQ(name(LeaseState::leased), "leased");
  EXPECT_EQ(name(LeaseState::expired), "expired");
  EXPECT_EQ(name(LeaseState::cooling_down), "cooling_down");
  EXPECT_EQ(name(LeaseState::free), "free");
}

}  // namespace
}  // namespace workerid::tests
