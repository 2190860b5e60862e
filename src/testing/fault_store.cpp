// SPDX-License-Identifier: MIT
#include <workerid/testing/fault_store.hpp>

#include <algorithm>
#include <utility>

namespace workerid::testing {

namespace {

// Does `operation` with the fault; an operation that returns nothing does so here too.
template <typename Operation>
auto suffer(Fault fault, Operation operation) {
  switch (fault) {
    case Fault::request_lost:
      throw Error(ErrorCode::outcome_unknown, "the request was lost on purpose");
    case Fault::unavailable:
      throw Error(ErrorCode::unavailable, "the store is unavailable on purpose");
    case Fault::reply_lost:
      operation();
      throw Error(ErrorCode::outcome_unknown, "the reply was lost on purpose");
    case Fault::none:
      break;
  }
  return operation();
}

}  // namespace

FaultStore::FaultStore(std::shared_ptr<Store> next) : ForwardingStore(std::move(next)) {}

void FaultStore::schedule(std::deque<Fault> faults) {
  const std::lock_guard lock(mutex_);
  scheduled_ = std::move(faults);
}

void FaultStore::always(Fault fault) {
  const std::lock_guard lock(mutex_);
  always_ = fault;
}

void FaultStore::before(std::function<void(const std::string& verb)> hook) {
  const std::lock_guard lock(mutex_);
  before_ = std::move(hook);
}

int FaultStore::count(const std::string& verb) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count(seen_.begin(), seen_.end(), verb));
}

Fault FaultStore::next_fault(const std::string& verb) {
  std::function<void(const std::string&)> hook;
  Fault fault = Fault::none;
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(verb);
    hook = before_;
    fault = always_;
    if (!scheduled_.empty()) {
      fault = scheduled_.front();
      scheduled_.pop_front();
    }
  }
  if (hook) hook(verb);
  return fault;
}

Grant FaultStore::do_acquire(const AcquireRequest& request, std::chrono::milliseconds timeout) {
  return suffer(next_fault("acquire"), [&] { return next().acquire(request, timeout); });
}

Grant FaultStore::do_renew(const RenewRequest& request, std::chrono::milliseconds timeout) {
  return suffer(next_fault("renew"), [&] { return next().renew(request, timeout); });
}

std::vector<RenewAnswer> FaultStore::do_renew_all(std::span<const RenewRequest> requests,
                                                  std::chrono::milliseconds timeout) {
  std::vector<Fault> faults;
  std::vector<RenewRequest> passed;
  for (const RenewRequest& request : requests) {
    const Fault fault = next_fault("renew");
    faults.push_back(fault);
    if (fault == Fault::none || fault == Fault::reply_lost) passed.push_back(request);
  }
  std::vector<RenewAnswer> given;
  if (!passed.empty()) given = next().renew_all(passed, timeout);
  std::vector<RenewAnswer> answers;
  auto next_given = given.begin();
  for (const Fault fault : faults) {
    try {
      answers.push_back(suffer(fault, [&] { return *next_given++; }));
    } catch (const Error& error) {
      answers.emplace_back(error);
    }
  }
  return answers;
}

Grant FaultStore::do_restore(const RestoreRequest& request, std::chrono::milliseconds timeout) {
  return suffer(next_fault("restore"), [&] { return next().restore(request, timeout); });
}

void FaultStore::do_release(const ReleaseRequest& request, std::chrono::milliseconds timeout) {
  suffer(next_fault("release"), [&] { next().release(request, timeout); });
}

}  // namespace workerid::testing
