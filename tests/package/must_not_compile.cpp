// SPDX-License-Identifier: MIT
//
// What the interface refuses. Without a case this compiles; each case alone must not, with an
// error that its comment matches.
#include <workerid/redis_store.hpp>
#include <workerid/rules.hpp>
#include <workerid/sqlite_store.hpp>
#include <workerid/testing/fault_store.hpp>
#include <workerid/testing/manual_clock.hpp>
#include <workerid/workerid.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

[[maybe_unused]] static void compiles(workerid::Generator& generator, workerid::Store& store) {
  using namespace std::chrono_literals;
  workerid::Lease lease = generator.lease(2s);
  workerid::Lease moved = std::move(lease);
  workerid::Generator other = std::move(generator);
  const auto [worker_id, token] = other.get_id(100ms);
  other.renew(worker_id, token);
  const bool same = worker_id == moved.worker_id() && token == moved.token();
  if (same) store.inspect("c", 1s);

#if defined(CASE_COPY_LEASE)
  // error: use of deleted function|call to (implicitly-)?deleted
  const workerid::Lease copy = moved;
#elif defined(CASE_COPY_GENERATOR)
  // error: use of deleted function|call to (implicitly-)?deleted
  const workerid::Generator copy = other;
#elif defined(CASE_MAKE_LEASE)
  // error: no matching function|no matching constructor
  const workerid::Lease made;
#elif defined(CASE_LEASE_FROM_CONTROL)
  // error: is private within this context|calling a private constructor
  const workerid::Lease made(std::shared_ptr<workerid::detail::LeaseControl>{});
#elif defined(CASE_COMPARE_ID_WITH_TOKEN)
  // error: no match for .operator==|invalid operands
  const bool equal = worker_id == token;
#elif defined(CASE_SWAP_ID_AND_TOKEN)
  // error: cannot convert|no viable conversion|could not convert
  other.renew(token, worker_id);
#elif defined(CASE_TOKEN_FROM_TEXT)
  // error: conversion from|no viable conversion
  const workerid::Token text = "0123456789012345678901";
#elif defined(CASE_PRIVATE_VERB)
  // error: is private within this context|is a private member
  store.do_inspect("c", 1s);
#elif defined(CASE_STORE_WITHOUT_VERBS)
  // error: abstract
  struct Nothing : workerid::Store {};
  Nothing nothing;
#elif defined(CASE_BARE_NUMBER_AS_WAIT)
  // error: could not convert|no viable conversion|cannot convert
  other.get_id(100);
#elif defined(CASE_BARE_NUMBER_AS_LEASE_TIME)
  // error: could not convert|no viable conversion|cannot convert
  const workerid::Options options{.max_lease_time = 300};
#elif defined(CASE_STEADY_CLOCK_AS_VALIDITY)
  // error: no match for .operator<|invalid operands
  const bool valid = std::chrono::steady_clock::now() < moved.valid_until();
#elif defined(CASE_WALL_CLOCK_AS_VALIDITY)
  // error: no match for .operator<|invalid operands
  const bool valid = std::chrono::system_clock::now() < moved.valid_until();
#endif
}
