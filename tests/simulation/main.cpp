// SPDX-License-Identifier: MIT
//
// workerid_simulation: runs seeds, replays one, shrinks what fails.
#include "judgement.hpp"
#include "profiles.hpp"
#include "shrink.hpp"
#include "whole_number.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace simulation;  // NOLINT: this is its program

constexpr std::string_view usage =
    R"(usage: workerid_simulation [--seed N [--worlds N] | --seeds FROM..TO | --case FILE] [option...]

Simulates worlds of processes, networks and stores that fail, each drawn from a seed, and judges
them from outside. Ends with 1 if one breaks a promise.
  --seed N             one world
  --worlds N           as many, from that seed on; all if --minutes is given
  --seeds FROM..TO     these worlds; 1..1000 if nothing is said
  --minutes M          no longer than that
  --jobs N             at once; 1 if nothing is said
  --case FILE          a world that was saved
  --profile NAME       the kind of world; without it the seed draws one. --profiles lists them
  --trace              prints everything that happens
  --shrink             makes the world smaller as long as it fails, and saves it
  --save FILE          where to; shrunk.txt if nothing is said
  --keep-going         goes on after a violation, shrinks three of each kind, and adds profile and
                       seed to the name of FILE
  --expect-violation   ends with 1 if no promise is broken
  --twice              runs each world again and compares the traces
  --coverage           counts what was met; ends with 1 if some fault, outcome, state or order never
                       was, but for --keep-going
)";

constexpr std::uint64_t for_ever = std::numeric_limits<std::uint64_t>::max();

struct Choice {
  std::string program{};
  std::uint64_t from = 1;
  std::uint64_t worlds = 1000;
  std::chrono::minutes minutes{0};  // 0 if they do not matter
  std::uint64_t jobs = 1;
  std::string file{};
  std::string profile{};
  std::string save = "shrunk.txt";
  bool trace = false;
  bool shrink = false;
  bool expect_violation = false;
  bool twice = false;
  bool coverage = false;
  bool keep_going = false;
};

std::uint64_t number(const std::string& option, std::string_view text, std::uint64_t least) {
  const auto value = workerid::detail::whole_number(text, least, for_ever);
  if (!value) {
    throw std::runtime_error(option + " needs a whole number from " + std::to_string(least) +
                             " on");
  }
  return *value;
}

Choice read(const std::string& program, const std::vector<std::string>& words) {
  Choice choice;
  choice.program = program;
  std::optional<std::uint64_t> worlds;
  for (std::size_t index = 0; index < words.size(); ++index) {
    const std::string& word = words[index];
    const auto value = [&] {
      if (index + 1 == words.size()) throw std::runtime_error(word + " needs a value");
      return words[++index];
    };
    if (word == "--seed") {
      choice.from = number(word, value(), 0);
      choice.worlds = 1;
    } else if (word == "--worlds") {
      worlds = number(word, value(), 1);
    } else if (word == "--minutes") {
      choice.minutes = std::chrono::minutes{number(word, value(), 1)};
    } else if (word == "--jobs") {
      choice.jobs = number(word, value(), 1);
    } else if (word == "--seeds") {
      const std::string range = value();
      const std::size_t dots = range.find("..");
      if (dots == std::string::npos) throw std::runtime_error("--seeds needs FROM..TO");
      choice.from = number(word, range.substr(0, dots), 0);
      const std::uint64_t to = number(word, range.substr(dots + 2), choice.from);
      choice.worlds = to - choice.from + 1;
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
    } else if (word == "--keep-going") {
      choice.keep_going = true;
    } else {
      throw std::runtime_error("there is no option " + word);
    }
  }
  if (choice.minutes != std::chrono::minutes{0}) choice.worlds = for_ever;
  choice.worlds = worlds.value_or(choice.worlds);
  return choice;
}

void list_profiles() {
  for (const Profile& one : profiles()) {
    std::cout << one.name << std::string(18 - one.name.size(), ' ') << one.purpose << '\n';
  }
}

void show_trace(std::ostream& out, const Schedule& schedule) {
  out << text(schedule) << '\n';
  std::vector<Entry> entries;
  judge(schedule, nullptr, &entries);
  for (const Entry& entry : entries) out << text(entry) << '\n';
}

void show_timeline(std::ostream& out, const Schedule& schedule, std::size_t lines) {
  std::vector<Entry> entries;
  judge(schedule, nullptr, &entries);
  for (const std::string& line : timeline(entries, lines)) out << "  " << line << '\n';
}

void shrink(std::ostream& out, const Schedule& schedule, const std::string& program,
            const std::string& file) {
  const Schedule small = shrunk(schedule);
  const Verdict verdict = judge(small);
  std::ofstream(file) << "# " << verdict.violation.value_or("no violation") << '\n' << text(small);
  out << "\nSmaller: " << verdict.violation.value_or("no violation") << '\n' << text(small);
  out << "\nWhat happens in it:\n";
  show_timeline(out, small, 25);
  out << "\nReplay: " << program << " --trace --case " << file << '\n';
}

// Runs worlds, on one thread or on several, and sums up what came of them.
class Batch {
 public:
  explicit Batch(const Choice& choice) : choice_(choice) {}

  void add(const Schedule& schedule) {
    Sums sums;
    run(schedule, sums);
    sums_.add(sums);
  }

  // The worlds of these seeds, in order, until one fails or the time is over.
  void add_seeds() {
    std::vector<std::jthread> threads;
    for (std::uint64_t job = 0; job < choice_.jobs; ++job) {
      threads.emplace_back([this] {
        Sums sums;
        for (std::uint64_t seed = 0; !over_ && take_seed(seed);) {
          run(draw(seed, choice_.profile), sums);
        }
        const std::lock_guard lock(mutex_);
        sums_.add(sums);
      });
    }
    for (std::jthread& thread : threads) thread.join();
  }

  int finish() {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start_);
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(sums_.process_time).count();
    const std::int64_t elapsed = std::max<std::int64_t>(1, ms.count());
    if (choice_.coverage) std::cout << sums_.coverage.table();
    std::cout << sums_.worlds << " worlds, " << sums_.events << " events, " << seconds / 3600
              << " process-hours in " << ms.count()
              << " ms: " << static_cast<std::int64_t>(sums_.worlds) * 1000 / elapsed
              << " worlds and " << seconds * 1000 / 3600 / elapsed << " process-hours a second\n";
    if (sums_.ids > 0)
      std::cout << sums_.ids << " snowflake IDs in " << sums_.blocks << " blocks, "
                << sums_.hand_overs << " hand-overs\n";
    bool missing = false;
    if (choice_.coverage) {
      for (const std::string& what : sums_.coverage.missing()) {
        std::cout << "never met: " << what << '\n';
        missing = !choice_.keep_going;  // which may be about less than everything
      }
    }
    if (choice_.expect_violation && violations_.empty()) std::cout << "no violation was seen\n";
    if (choice_.keep_going) {
      std::cout << violations_.size() << (violations_.size() == 1 ? " violation" : " violations")
                << '\n';
      for (const std::string& violation : violations_) std::cout << "  " << violation << '\n';
    }
    return failed_ || missing || violations_.empty() == choice_.expect_violation ? 1 : 0;
  }

 private:
  struct Sums {
    Coverage coverage;
    std::uint64_t worlds = 0;
    std::uint64_t events = 0;
    Time process_time{};
    std::int64_t ids = 0;
    std::int64_t blocks = 0;
    std::int64_t hand_overs = 0;

    void add(const Sums& other) {
      coverage.add(other.coverage);
      worlds += other.worlds;
      events += other.events;
      process_time += other.process_time;
      ids += other.ids;
      blocks += other.blocks;
      hand_overs += other.hand_overs;
    }
  };

  bool take_seed(std::uint64_t& seed) {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (taken_ == choice_.worlds) return false;
    if (choice_.minutes != std::chrono::minutes{0} && now - start_ >= choice_.minutes) return false;
    if (choice_.keep_going && now - told_ >= std::chrono::minutes{5}) {
      told_ = now;
      std::cout << taken_ << " worlds, " << violations_.size() << " violations so far" << std::endl;
    }
    seed = choice_.from + taken_++;
    return true;
  }

  void run(const Schedule& schedule, Sums& sums) {
    if (choice_.trace) {
      const std::lock_guard lock(mutex_);
      show_trace(std::cout, schedule);
    }
    const Verdict verdict = judge(schedule, choice_.coverage ? &sums.coverage : nullptr);
    ++sums.worlds;
    sums.events += verdict.run.events;
    sums.process_time += verdict.run.process_time;
    sums.ids += verdict.ids;
    sums.blocks += verdict.blocks;
    sums.hand_overs += verdict.hand_overs;
    if (choice_.twice && judge(schedule).hash != verdict.hash) {
      const std::lock_guard lock(mutex_);
      std::cout << "seed " << schedule.seed << " is not deterministic\n";
      failed_ = over_ = true;
    }
    if (verdict.violation) see_violation(schedule, *verdict.violation);
  }

  void see_violation(const Schedule& schedule, const std::string& violation) {
    const std::string summary = "seed " + std::to_string(schedule.seed) + ", profile " +
                                schedule.profile + ": " + violation;
    {
      const std::lock_guard lock(mutex_);
      if (!choice_.keep_going && over_) return;  // Another thread's was the first.
      violations_.push_back(summary);
      if (!choice_.keep_going) over_ = true;
      if (choice_.expect_violation && !choice_.shrink) {
        std::cout << "violation in " << summary << '\n';
        return;
      }
    }
    std::ostringstream out;
    out << "\nVIOLATION in " << summary << '\n';
    if (choice_.file.empty()) {
      out << "Replay: " << choice_.program << " --trace --profile " << schedule.profile
          << " --seed " << schedule.seed << '\n';
    }
    if (shrinks(kind_of(violation))) {
      out << "\nThe end of it:\n";
      show_timeline(out, schedule, 25);
      shrink(out, schedule, choice_.program, file_for(schedule));
    }
    const std::lock_guard lock(mutex_);
    std::cout << out.str() << std::flush;
  }

  // It takes as long as thousands of worlds: of a defect that many worlds show, a few are enough.
  bool shrinks(const std::string& kind) {
    const std::lock_guard lock(mutex_);
    return ++shrunk_[kind] <= 3;
  }

  std::string file_for(const Schedule& schedule) const {
    std::filesystem::path file = choice_.save;
    if (choice_.keep_going) {
      file.replace_filename(file.stem().string() + "-" + schedule.profile + "-" +
                            std::to_string(schedule.seed) + file.extension().string());
    }
    return file.string();
  }

  const Choice& choice_;
  std::mutex mutex_;  // over what several threads share, and the output
  Sums sums_;
  std::uint64_t taken_ = 0;
  std::vector<std::string> violations_;
  std::map<std::string, int> shrunk_;  // by kind
  std::atomic<bool> over_ = false;
  bool failed_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point told_ = start_;  // how far it is
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
  const std::string profile = choice.profile.empty() ? "drawn" : choice.profile;
  std::cout << "seeds from " << choice.from << " on";
  if (choice.worlds != for_ever) std::cout << ", " << choice.worlds << " worlds";
  if (choice.minutes != std::chrono::minutes{0})
    std::cout << ", " << choice.minutes.count() << " min";
  std::cout << ", profile " << profile << std::endl;
  if (choice.worlds == 1) {
    const Schedule schedule = draw(choice.from, choice.profile);
    if (!choice.trace) std::cout << text(schedule) << std::flush;
    batch.add(schedule);
  } else {
    batch.add_seeds();
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
    return run(read(arguments[0], words));
  } catch (const std::exception& error) {
    std::cerr << "workerid_simulation: " << error.what() << '\n' << usage;
    return 2;
  }
}
