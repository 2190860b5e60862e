// SPDX-License-Identifier: MIT
#include "torture/faults.hpp"

#include "values.hpp"

#include <array>
#include <sstream>
#include <string_view>

namespace workerid::cli {

namespace {

constexpr unsigned own_redis = data_none | data_appendonly | data_replica;
constexpr unsigned never = 0;

struct Row {
  std::string_view name;
  std::string_view meaning;
  std::string_view need;
  unsigned possible;  // with which targets
  unsigned forgets;   // with which ones the store loses what it acknowledged
};

// In the order of the enumeration.
constexpr std::array<Row, 12> rows{{
    {"kill", "a process is killed, and another one starts", "", any_store, never},
    {"stop", "a process is stopped for less or more than a lease, and goes on", "", any_store,
     never},
    {"leave", "a process releases its ID and ends, and another one starts", "", any_store, never},
    {"crash", "a process is killed between the store's answer and its first use", "", any_store,
     never},
    {"partition", "a connection is refused, cut, delayed, or stalled both or one way",
     "a redis:// URL or --server redis", plain_tcp, never},
    {"freeze", "the server is stopped, and goes on", "--server redis", own_redis, never},
    {"restart", "the server is killed and started again (* with the data none)",
     "--server redis with the data none or appendonly", data_none | data_appendonly, data_none},
    {"clock", "the server's wall clock steps", "--server redis and --step-clock", steps_clock,
     never},
    {"wipe", "* the server forgets everything", "--server redis", own_redis, own_redis},
    {"promote", "* the server is killed, and its replica lacks the last writes",
     "--server redis with the data replica", data_replica, data_replica},
    {"delete", "* the file is deleted", "--server sqlite", own_file, own_file},
    {"replace", "* the file is replaced by an older copy of itself", "--server sqlite", own_file,
     own_file},
}};

}  // namespace

std::string name(Fault fault) {
  return std::string{rows.at(static_cast<std::size_t>(fault)).name};
}

std::vector<Fault> parse_faults(const std::string& option, const std::string& list,
                                unsigned target) {
  std::vector<std::string> wanted;
  std::string known;
  for (const Row& row : rows) {
    known += ", " + std::string{row.name};
    const bool drawn = list == "all" || (list.empty() && (row.forgets & target) == 0);
    if (drawn && (row.possible & target) != 0) wanted.emplace_back(row.name);
  }
  std::istringstream words(list == "all" ? "" : list);
  for (std::string word; std::getline(words, word, ',');) wanted.push_back(word);

  std::vector<Fault> faults;
  for (const std::string& word : wanted) {
    const auto* const row =
        std::find_if(rows.begin(), rows.end(), [&](const Row& each) { return each.name == word; });
    if (row == rows.end()) {
      throw UsageError(option + ": \"" + word + "\" is no fault: use all" + known);
    }
    if ((row->possible & target) == 0) {
      throw UsageError(option + ": " + word + " needs " + std::string{row->need});
    }
    faults.push_back(static_cast<Fault>(row - rows.begin()));
  }
  return faults;
}

bool forgets(const std::vector<Fault>& faults, unsigned target) {
  return std::any_of(faults.begin(), faults.end(), [target](Fault fault) {
    return (rows.at(static_cast<std::size_t>(fault)).forgets & target) != 0;
  });
}

std::string fault_table() {
  std::string table = "Faults; those with a * only if they are named, or with \"all\":\n";
  for (const Row& row : rows) {
    table += "  " + std::string{row.name} + std::string(11 - row.name.size(), ' ') +
             std::string{row.meaning} + "\n";
  }
  return table;
}

}  // namespace workerid::cli
