// SPDX-License-Identifier: MIT
#include "torture/faults.hpp"

#include "values.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace workerid::cli {

namespace {

struct Row {
  Fault fault;
  std::string_view name;
  std::string_view meaning;
  std::string_view need;  // empty if any store will do
};

constexpr std::string_view own_redis = "--server redis";
constexpr std::string_view own_file = "--server sqlite";

constexpr std::array<Row, 12> rows{{
    {Fault::kill, "kill", "a process is killed, and another one starts", ""},
    {Fault::stop, "stop", "a process is stopped for less or more than a lease, and goes on", ""},
    {Fault::leave, "leave", "a process releases its ID and ends, and another one starts", ""},
    {Fault::crash, "crash", "a process is killed between the store's answer and its first use", ""},
    {Fault::partition, "partition",
     "a connection is refused, cut, delayed, stalled both or one way",
     "a redis:// URL or --server redis"},
    {Fault::freeze, "freeze", "the server is stopped, and goes on", own_redis},
    {Fault::restart, "restart", "the server is killed and started again (*with data \"none\")",
     "--server redis with data none or appendonly"},
    {Fault::clock, "clock", "the server's wall clock steps", "--server redis and --step-clock"},
    {Fault::wipe, "wipe", "*FLUSHALL", own_redis},
    {Fault::promote, "promote", "*the server is killed, its replica lacks the last writes",
     "--server redis with data replica"},
    {Fault::erase, "delete", "*the file is deleted", own_file},
    {Fault::replace, "replace", "*the file is replaced by an older copy of itself", own_file},
}};

bool possible(Fault fault, const Target& target) {
  switch (fault) {
    case Fault::kill:
    case Fault::stop:
    case Fault::leave:
    case Fault::crash:
      return true;
    case Fault::partition:
      return target.tcp;
    case Fault::freeze:
    case Fault::wipe:
      return target.redis.has_value();
    case Fault::restart:
      return target.redis && target.redis != ServerData::replica;
    case Fault::clock:
      return target.step_clock;
    case Fault::promote:
      return target.redis == ServerData::replica;
    case Fault::erase:
    case Fault::replace:
      return target.file;
  }
  return false;
}

// After it the store has forgotten something that it acknowledged.
bool forgets(Fault fault, const Target& target) {
  return fault == Fault::wipe || fault == Fault::promote || fault == Fault::erase ||
         fault == Fault::replace || (fault == Fault::restart && target.redis == ServerData::none);
}

const Row& row_of(const std::string& option, const std::string& name) {
  const auto* const row =
      std::find_if(rows.begin(), rows.end(), [&](const Row& each) { return each.name == name; });
  if (row != rows.end()) return *row;
  std::string names;
  for (const Row& each : rows) names += ", " + std::string{each.name};
  throw UsageError(option + ": \"" + name + "\" is no fault: use all" + names);
}

}  // namespace

std::string name(Fault fault) {
  return std::string{rows.at(static_cast<std::size_t>(fault)).name};
}

bool strikes_store(Fault fault) {
  return fault >= Fault::freeze;
}

std::vector<Fault> parse_faults(const std::string& option, const std::string& list,
                                const Target& target) {
  std::vector<Fault> faults;
  if (list.empty() || list == "all") {
    for (const Row& row : rows) {
      const bool wanted = !list.empty() || !forgets(row.fault, target);
      if (wanted && possible(row.fault, target)) faults.push_back(row.fault);
    }
    return faults;
  }
  std::istringstream words(list + ",");
  for (std::string word; std::getline(words, word, ',');) {
    const Row& row = row_of(option, word);
    if (!possible(row.fault, target)) {
      throw UsageError(option + ": " + word + " needs " + std::string{row.need});
    }
    if (std::find(faults.begin(), faults.end(), row.fault) == faults.end()) {
      faults.push_back(row.fault);
    }
  }
  return faults;
}

std::string fault_table() {
  std::string table = "Faults, those with a * only if they are named or by \"all\":\n";
  for (const Row& row : rows) {
    table += "  " + std::string{row.name} + std::string(11 - row.name.size(), ' ') +
             std::string{row.meaning} + "\n";
  }
  return table;
}

}  // namespace workerid::cli
