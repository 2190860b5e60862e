// SPDX-License-Identifier: MIT
//
// workerid_simulation: runs seeds, replays one, shrinks a failing one.
#include "judgement.hpp"
#include "profiles.hpp"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace simulation;  // NOLINT: this is its program

namespace {

struct Choice {
  std::uint64_t from = 1;
  std::uint64_t to = 1000;
  std::string profile{};
  bool trace = false;
};

int run_seeds(const Choice& choice) {
  Coverage coverage;
  std::uint64_t events = 0;
  Time process_time{};
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = choice.from; seed <= choice.to; ++seed) {
    const Schedule schedule = draw(seed, choice.profile);
    std::vector<Entry> entries;
    const Verdict verdict = judge(schedule, &coverage, choice.trace ? &entries : nullptr);
    if (choice.trace) {
      std::cout << text(schedule);
      for (const Entry& entry : entries) std::cout << text(entry) << '\n';
    }
    events += verdict.run.events;
    process_time += verdict.run.process_time;
    if (verdict.violation) {
      std::cout << "seed " << seed << " profile " << schedule.profile << ": " << *verdict.violation << '\n';
      return 1;
    }
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  std::cout << coverage.table();
  for (auto& m : coverage.missing()) std::cout << "MISSING " << m << '\n';
  std::cout << ms.count() << " ms, " << events << " events, "
            << std::chrono::duration_cast<std::chrono::hours>(process_time).count() << " h\n";
  return 0;
}

}  // namespace

int main(int count, char** words) {
  Choice choice;
  for (int index = 1; index < count; ++index) {
    const std::string word = words[index];
    if (word == "--seed") choice.from = choice.to = std::stoull(words[++index]);
    if (word == "--seeds") {
      const std::string range = words[++index];
      choice.from = std::stoull(range);
      choice.to = std::stoull(range.substr(range.find("..") + 2));
    }
    if (word == "--profile") choice.profile = words[++index];
    if (word == "--trace") choice.trace = true;
  }
  return run_seeds(choice);
}
