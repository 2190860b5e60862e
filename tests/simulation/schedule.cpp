// SPDX-License-Identifier: MIT
#include "schedule.hpp"

#include "trace.hpp"

#include <array>
#include <sstream>
#include <stdexcept>

namespace simulation {

namespace {

using std::chrono::milliseconds;

constexpr std::array<std::string_view, 4> store_names{"redis", "server", "sqlite", "memory"};

constexpr std::array<std::string_view, number_of_whats> what_names{
    "start",          "crash",         "pause",        "release",
    "abandon",        "work",          "fork",         "wall_step",
    "rate",           "suspend",       "stopped_boot", "checkpoint",
    "hidden_pause",   "cut",           "cut_requests", "cut_replies",
    "restart",        "wipe",          "file_deleted", "fail_over",
    "split",          "silent_return", "lose_record",  "store_step",
    "store_rate",     "store_pause",   "store_slow",   "store_denies",
    "store_stepping", "drop_request",  "drop_reply",   "delay_request",
    "delay_reply",    "duplicate"};

template <typename Enumeration, std::size_t Size>
Enumeration named(const std::array<std::string_view, Size>& names, const std::string& word) {
  for (std::size_t index = 0; index < Size; ++index) {
    if (names[index] == word) return static_cast<Enumeration>(index);
  }
  throw std::runtime_error("there is no \"" + word + "\"");
}

Time read_time(std::istream& words) {
  std::string word;
  words >> word;
  if (word.empty() || word.back() != 's') throw std::runtime_error("no time: \"" + word + "\"");
  word.pop_back();
  const bool negative = !word.empty() && word.front() == '-';
  if (negative) word.erase(0, 1);
  const std::size_t point = word.find('.');
  std::string fraction = point == std::string::npos ? "" : word.substr(point + 1);
  fraction.resize(9, '0');
  const std::int64_t ns = std::stoll(word.substr(0, point)) * 1'000'000'000 + std::stoll(fraction);
  return Time{negative ? -ns : ns};
}

template <typename Number>
Number read(std::istream& words) {
  Number number{};
  if (!(words >> number)) throw std::runtime_error("a number is missing");
  return number;
}

HostClock::Line read_line(std::istream& words) {
  HostClock::Line line;
  line.boot = read_time(words);
  line.wall = read_time(words);
  line.boot_rate = line.wall_rate = read<std::int64_t>(words);
  return line;
}

std::string line_text(const HostClock::Line& line) {
  return text(line.boot) + " " + text(line.wall) + " " + std::to_string(line.boot_rate);
}

void read(Schedule& schedule, std::istream& words) {
  std::string key;
  words >> key;
  if (key == "profile") {
    words >> schedule.profile;
  } else if (key == "seed") {
    schedule.seed = read<std::uint64_t>(words);
  } else if (key == "store") {
    std::string kind;
    std::string more;
    words >> kind >> more;
    schedule.store = named<StoreKind>(store_names, kind);
    schedule.store_was_just_started = more == "just_started";
  } else if (key == "cluster") {
    auto& [low, high, lease_time, reuse_delay, cool_down] = schedule.configuration;
    low = read<workerid::WorkerId>(words);
    high = read<workerid::WorkerId>(words);
    lease_time = milliseconds{read<std::int64_t>(words)};
    reuse_delay = milliseconds{read<std::int64_t>(words)};
    cool_down = milliseconds{read<std::int64_t>(words)};
  } else if (key == "rho") {
    schedule.rho = read<std::int64_t>(words);
  } else if (key == "server") {
    schedule.server = read_line(words);
  } else if (key == "host") {
    schedule.hosts.push_back(read_line(words));
  } else if (key == "seat") {
    Seat seat;
    seat.host = read<int>(words);
    seat.leases = read<int>(words);
    seat.wait = milliseconds{read<std::int64_t>(words)};
    for (std::string word; words >> word;) {
      if (word == "identity") {
        seat.identity = true;
      } else if (word == "takeover") {
        seat.takeover = true;
      } else if (word == "script") {
        seat.script = true;
      } else if (word == "explicit") {
        seat.explicit_calls = true;
      } else if (word == "other") {
        seat.other_configuration = true;
      } else if (word == "fresh") {
        seat.fresh = true;
      } else {
        seat.instance = word;
      }
    }
    schedule.seats.push_back(seat);
  } else if (key == "snowflakes") {
    auto& [sequence_bits, tick, max_ahead, max_borrowed, coarse] = schedule.snowflakes.emplace();
    sequence_bits = read<int>(words);
    for (milliseconds* const time : {&tick, &max_ahead, &max_borrowed, &coarse}) {
      *time = milliseconds{read<std::int64_t>(words)};
    }
  } else if (key == "network") {
    schedule.drops = read<std::int64_t>(words);
    schedule.delays = read<std::int64_t>(words);
    schedule.duplicates = read<std::int64_t>(words);
  } else if (key == "heal") {
    schedule.heal_at = read_time(words);
  } else if (key == "end") {
    schedule.end_at = read_time(words);
  } else if (key == "at") {
    Happening happening;
    happening.at = read_time(words);
    std::string what;
    words >> what;
    happening.what = named<What>(what_names, what);
    happening.target = read<int>(words);
    happening.amount = read_time(words);
    happening.extra = read<std::int64_t>(words);
    schedule.happenings.push_back(happening);
  } else if (!key.empty() && key.front() != '#') {
    throw std::runtime_error("there is no \"" + key + "\"");
  }
}

}  // namespace

std::string_view name(StoreKind kind) {
  return store_names.at(static_cast<std::size_t>(kind));
}

std::string_view name(What what) {
  return what_names.at(static_cast<std::size_t>(what));
}

bool about_a_message(What what) noexcept {
  return what >= What::drop_request;
}

std::string text(const Happening& happening) {
  return "at " + text(happening.at) + " " + std::string{name(happening.what)} + " " +
         std::to_string(happening.target) + " " + text(happening.amount) + " " +
         std::to_string(happening.extra);
}

std::string text(const Schedule& schedule) {
  std::ostringstream out;
  const auto& [low, high, lease_time, reuse_delay, cool_down] = schedule.configuration;
  out << "profile " << schedule.profile << "\nseed " << schedule.seed << "\nstore "
      << name(schedule.store) << (schedule.store_was_just_started ? " just_started" : " old")
      << "\ncluster " << low << ' ' << high << ' ' << lease_time.count() << ' '
      << reuse_delay.count() << ' ' << cool_down.count() << "\nrho " << schedule.rho << "\nserver "
      << line_text(schedule.server) << '\n';
  for (const HostClock::Line& host : schedule.hosts) out << "host " << line_text(host) << '\n';
  for (const Seat& seat : schedule.seats) {
    out << "seat " << seat.host << ' ' << seat.leases << ' ' << seat.wait.count();
    if (!seat.instance.empty()) out << ' ' << seat.instance;
    if (seat.identity) out << " identity";
    if (seat.takeover) out << " takeover";
    if (seat.explicit_calls) out << " explicit";
    if (seat.script) out << " script";
    if (seat.other_configuration) out << " other";
    if (seat.fresh) out << " fresh";
    out << '\n';
  }
  if (schedule.snowflakes) {
    const auto& [sequence_bits, tick, max_ahead, max_borrowed, coarse] = *schedule.snowflakes;
    out << "snowflakes " << sequence_bits;
    for (const milliseconds time : {tick, max_ahead, max_borrowed, coarse}) {
      out << ' ' << time.count();
    }
    out << '\n';
  }
  if (schedule.random_network()) {
    out << "network " << schedule.drops << ' ' << schedule.delays << ' ' << schedule.duplicates
        << '\n';
  }
  out << "heal " << text(schedule.heal_at) << "\nend " << text(schedule.end_at) << '\n';
  for (const Happening& happening : schedule.happenings) out << text(happening) << '\n';
  return out.str();
}

Schedule parse(const std::string& text) {
  Schedule schedule;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    try {
      read(schedule, words);
    } catch (const std::exception& error) {
      throw std::runtime_error(line + ": " + error.what());
    }
  }
  return schedule;
}

}  // namespace simulation
