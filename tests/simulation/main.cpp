// SPDX-License-Identifier: MIT
//
// workerid_simulation: runs seeds, replays one, shrinks what fails.
#include "judgement.hpp"
#include "profiles.hpp"
#include "shrink.hpp"

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace simulation;  // NOLINT: this is its program

constexpr std::string_view usage =
    R"(usage: workerid_simulation [--seed N | --seeds FROM..TO | --case FILE] [option...]

Simulates worlds of processes, networks and stores that fail, each drawn from a seed, and judges
them from outside. Ends with 1 if one breaks a promise.
  --seed N             one world
  --seeds FROM..TO     these worlds; 1..1000 if nothing is said
  --case FILE          a world that was saved
  --profile NAME       the kind of world; without it the seed draws one. --profiles lists them
  --trace              prints everything that happens
  --shrink             makes the world smaller as long as it fails, and saves it
  --save FILE          where to; shrunk.txt if nothing is said
  --expect-violation   ends with 1 if no promise is broken
  --twice              runs each world again and compares the traces
  --coverage           ends with 1 if some fault, outcome or state was never met
)";

struct Choice {
  std::uint64_t from = 1;
  std::uint64_t to = 1000;
  std::string file{};
  std::string profile{};
  std::string save = "shrunk.txt";
  bool trace = false;
  bool shrink = false;
  bool expect_violation = false;
  bool twice = false;
  bool coverage = false;
};

Choice read(const std::vector<std::string>& words) {
  Choice choice;
  for (std::size_t index = 0; index < words.size(); ++index) {
    const std::string& word = words[index];
    const auto value = [&] {
      if (index + 1 == words.size()) throw std::runtime_error(word + " needs a value");
      return words[++index];
    };
    if (word == "--seed") {
      choice.from = choice.to = std::stoull(value());
    } else if (word == "--seeds") {
      const std::string range = value();
      const std::size_t dots = range.find("..");
      if (dots == std::string::npos) throw std::runtime_error("--seeds needs FROM..TO");
      choice.from = std::stoull(range);
      choice.to = std::stoull(range.substr(dots + 2));
    } else if (word == "--case") {
      choice.file = value();
    } else if (word == "--profile") {
      choice.profile = value();
      profile(choice.profile);
    } else if (word == "--save") {
      choice.save = value();
    } else if (word == "--trace") {
      choice.trace = true;
    } else if (word == "--shrink") {
      choice.shrink = true;
    } else if (word == "--expect-violation") {
      choice.expect_violation = true;
    } else if (word == "--twice") {
      choice.twice = true;
    } else if (word == "--coverage") {
      choice.coverage = true;
    } else {
      throw std::runtime_error("there is no option " + word);
    }
  }
  return choice;
}

void list_profiles() {
  for (const Profile& one : profiles()) {
    std::cout << one.name << std::string(18 - one.name.size(), ' ') << one.purpose << '\n';
  }
}

void show_trace(const Schedule& schedule) {
  std::vector<Entry> entries;
  judge(schedule, nullptr, &entries);
  for (const Entry& entry : entries) std::cout << text(entry) << '\n';
}

void show_timeline(const Schedule& schedule, std::size_t lines) {
  std::vector<Entry> entries;
  judge(schedule, nullptr, &entries);
  for (const std::string& line : timeline(entries, lines)) std::cout << "  " << line << '\n';
}

void shrink(const Schedule& schedule, const std::string& file) {
  const Schedule small = shrunk(schedule);
  const Verdict verdict = judge(small);
  std::ofstream(file) << "# " << verdict.violation.value_or("no violation") << '\n' << text(small);
  std::cout << "\nSmaller: " << verdict.violation.value_or("no violation") << '\n' << text(small);
  std::cout << "\nWhat happens in it:\n";
  show_timeline(small, 25);
  std::cout << "\nReplay: workerid_simulation --trace --case " << file << '\n';
}

void show_failure(const Schedule& schedule, const Verdict& verdict, const Choice& choice) {
  std::cout << "\nVIOLATION in seed " << schedule.seed << ", profile " << schedule.profile << ": "
            << *verdict.violation << "\n\nThe end of it:\n";
  show_timeline(schedule, 25);
  if (choice.file.empty()) {
    std::cout << "\nReplay: workerid_simulation --trace --profile " << schedule.profile
              << " --seed " << schedule.seed << '\n';
  }
}

class Batch {
 public:
  explicit Batch(const Choice& choice) : choice_(choice) {}

  // False if nothing more needs to be run.
  bool add(const Schedule& schedule) {
    if (choice_.trace) {
      std::cout << text(schedule) << '\n';
      show_trace(schedule);
    }
    const Verdict verdict = judge(schedule, &coverage_);
    ++worlds_;
    events_ += verdict.run.events;
    process_time_ += verdict.run.process_time;
    ids_ += verdict.ids;
    blocks_ += verdict.blocks;
    hand_overs_ += verdict.hand_overs;
    if (choice_.twice && judge(schedule).hash != verdict.hash) {
      std::cout << "seed " << schedule.seed << " is not deterministic\n";
      failed_ = true;
      return false;
    }
    if (!verdict.violation) return true;
    violated_ = true;
    if (choice_.expect_violation && !choice_.shrink) {
      std::cout << "violation in world " << worlds_ << ", seed " << schedule.seed << ", profile "
                << schedule.profile << ": " << *verdict.violation << '\n';
      return false;
    }
    show_failure(schedule, verdict, choice_);
    shrink(schedule, choice_.save);
    return false;
  }

  int finish() {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start_);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(process_time_).count();
    const std::int64_t elapsed = std::max<std::int64_t>(1, ms.count());
    if (choice_.coverage) std::cout << coverage_.table();
    std::cout << worlds_ << " worlds, " << events_ << " events, " << seconds / 3600
              << " process-hours in " << ms.count()
              << " ms: " << static_cast<std::int64_t>(worlds_) * 1000 / elapsed << " worlds and "
              << seconds * 1000 / 3600 / elapsed << " process-hours a second\n";
    if (ids_ > 0)
      std::cout << ids_ << " snowflake IDs in " << blocks_ << " blocks, " << hand_overs_
                << " hand-overs\n";
    bool missing = false;
    if (choice_.coverage) {
      for (const std::string& what : coverage_.missing()) {
        std::cout << "never met: " << what << '\n';
        missing = true;
      }
    }
    if (choice_.expect_violation && !violated_) std::cout << "no violation was seen\n";
    return failed_ || missing || violated_ != choice_.expect_violation ? 1 : 0;
  }

 private:
  const Choice& choice_;
  Coverage coverage_;
  std::uint64_t worlds_ = 0;
  std::uint64_t events_ = 0;
  Time process_time_{};
  std::int64_t ids_ = 0;
  std::int64_t blocks_ = 0;
  std::int64_t hand_overs_ = 0;
  bool violated_ = false;
  bool failed_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Schedule load(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file);
  std::ostringstream all;
  all << in.rdbuf();
  return parse(all.str());
}

int run(const Choice& choice) {
  Batch batch(choice);
  if (!choice.file.empty()) {
    std::cout << "case " << choice.file << std::endl;
    batch.add(load(choice.file));
    return batch.finish();
  }
  std::cout << "seeds " << choice.from << ".." << choice.to << ", profile "
            << (choice.profile.empty() ? "drawn" : choice.profile) << std::endl;
  if (choice.from == choice.to && !choice.trace) {
    std::cout << text(draw(choice.from, choice.profile)) << std::flush;
  }
  for (std::uint64_t seed = choice.from; seed <= choice.to; ++seed) {
    if (!batch.add(draw(seed, choice.profile))) break;
  }
  return batch.finish();
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  try {
    if (words == std::vector<std::string>{"--profiles"}) {
      list_profiles();
      return 0;
    }
    if (words == std::vector<std::string>{"--help"}) {
      std::cout << usage;
      return 0;
    }
    return run(read(words));
  } catch (const std::exception& error) {
    std::cerr << "workerid_simulation: " << error.what() << '\n' << usage;
    return 2;
  }
}
