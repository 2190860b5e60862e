// SPDX-License-Identifier: MIT
//
// A trial: many processes hold the IDs of one cluster, faults strike, a judge listens.
#pragma once

#include "torture/child.hpp"
#include "torture/faults.hpp"
#include "torture/judge.hpp"
#include "torture/relay.hpp"

#include <workerid/options.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace workerid::cli {

struct TrialOptions {
  std::string store;  ///< A URL, for the holders' eyes only: it may have a password.
  std::string cluster;
  Options options;
  std::chrono::milliseconds early{};  ///< See `Promise`.
  std::chrono::seconds time{60};
  std::size_t processes = 8;
  std::uint64_t seed = 0;
  std::vector<Fault> faults;
  bool forgetful = false;  ///< The store loses what it acknowledged by one of them.
  OwnRedis* redis = nullptr;
  const OwnFile* file = nullptr;
  /// The server that holders reach through a relay each, and their URL for a port of it.
  std::optional<Address> server;
  std::function<std::string(std::uint16_t)> relayed_url;
};

/// Leaves SIGINT and SIGTERM to the trial, in this thread and those that it starts.
void block_ending_signals();

struct Struck {
  BootTime at;
  std::string line;
};

struct TrialResult {
  BootTime start;
  BootTime end;
  int interrupted_by = 0;  ///< The signal, or 0.
  int processes = 0;
  std::map<std::string, int> faults;
  std::deque<Struck> struck;
  Figures figures;
  std::vector<Violation> violations;
};

/// Use once, on the main thread, after `block_ending_signals()`.
class Trial {
 public:
  /// `told` hears of each fault as it strikes.
  Trial(TrialOptions options, std::function<void(const std::string&)> told);
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial();

  /// Lasts for the time of the faults, and until all hold an ID again. Errors: std::runtime_error if
  /// a server does not start again.
  TrialResult run();

 private:
  struct Holder;

  void start(Holder& holder, bool crash = false);
  void read(Holder& holder);
  void ended(Holder& holder);
  void tell(Fault fault, const std::string& text);
  void later(std::chrono::milliseconds time, std::function<void()> action);
  void listen(BootTime until);
  void replace(Holder& holder, bool crash);
  void strike();
  void strike(Fault fault, Holder& holder);
  void strike_store(Fault fault);
  void stop(Holder& holder);
  void disturb(Holder& holder);
  void with_all_stopped(const std::function<void()>& action);
  void step_clock();
  void heal();
  void expect_liveness();
  void end_all();
  std::chrono::milliseconds draw_length();

  const TrialOptions options_;
  const Configuration configuration_;
  const std::chrono::milliseconds whole_;  // lease and reuse delay: until an ID comes free
  const std::function<void(const std::string&)> told_;
  const BootTime start_;
  const Descriptor signals_;
  Draw draw_;
  Deck deck_;
  TrialResult findings_;
  Judge judge_;
  std::vector<std::unique_ptr<Holder>> holders_;
  std::multimap<BootTime, std::function<void()>> later_;
  BootTime store_rests_until_;
};

}  // namespace workerid::cli
