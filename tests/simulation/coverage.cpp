// SPDX-License-Identifier: MIT
#include "coverage.hpp"

#include <array>
#include <cstdio>

namespace simulation {

using workerid::ErrorCode;
using workerid::Event;

namespace {

constexpr std::array<std::string_view, 5> state_names{"acquiring", "held", "suspended", "releasing",
                                                      "ended"};

int code_of(const std::optional<ErrorCode>& code) {
  return code ? static_cast<int>(*code) : 0;
}

std::string outcome_name(Verb verb, int code) {
  return "outcome " + std::string{name(verb)} + ": " +
         (code == 0 ? "done" : std::string{workerid::name(static_cast<ErrorCode>(code))});
}

struct Expected {
  Verb verb;
  ErrorCode code;  // 0 if it went well
};

constexpr ErrorCode done{};

// What comes of each verb; a rule of the hold-back stands beside the outcome that shows it.
constexpr std::array expected_outcomes{
    Expected{Verb::acquire, done},
    Expected{Verb::acquire, ErrorCode::no_available_id},
    Expected{Verb::acquire, ErrorCode::configuration_mismatch},
    Expected{Verb::acquire, ErrorCode::holding_back},  // R1
    Expected{Verb::acquire, ErrorCode::invalid_token},
    Expected{Verb::acquire, ErrorCode::unavailable},
    Expected{Verb::acquire, ErrorCode::outcome_unknown},
    Expected{Verb::acquire, ErrorCode::denied},
    Expected{Verb::renew_held, done},
    Expected{Verb::renew_held, ErrorCode::not_assigned},
    Expected{Verb::renew_held, ErrorCode::token_mismatch},
    Expected{Verb::renew_held, ErrorCode::unavailable},
    Expected{Verb::renew_held, ErrorCode::outcome_unknown},
    Expected{Verb::renew_held, ErrorCode::denied},
    Expected{Verb::renew_resume, done},
    Expected{Verb::renew_resume, ErrorCode::not_assigned},
    Expected{Verb::renew_resume, ErrorCode::token_mismatch},
    Expected{Verb::renew_resume, ErrorCode::holding_back},  // R3
    Expected{Verb::renew_strict, done},
    Expected{Verb::renew_strict, ErrorCode::token_expired},
    Expected{Verb::renew_strict, ErrorCode::token_mismatch},
    Expected{Verb::renew_strict, ErrorCode::holding_back},  // R3
    Expected{Verb::restore, done},                          // R2, R4
    Expected{Verb::restore, ErrorCode::token_mismatch},     // R2
    Expected{Verb::restore, ErrorCode::not_assigned},
    Expected{Verb::release, done},
    Expected{Verb::release, ErrorCode::not_assigned},
    Expected{Verb::release, ErrorCode::token_mismatch},
    Expected{Verb::release, ErrorCode::token_expired},
};

constexpr std::array expected_notices{Event::Kind::granted,        Event::Kind::renewed,
                                      Event::Kind::renewal_failed, Event::Kind::restored,
                                      Event::Kind::early_warning,  Event::Kind::suspended,
                                      Event::Kind::resumed,        Event::Kind::lost,
                                      Event::Kind::released,       Event::Kind::abandoned};

// Broken assumptions: only where a violation is expected.
bool expected(What what) {
  return what != What::fork && what != What::stopped_boot && what != What::split &&
         what != What::silent_return && what != What::store_stepping;
}

}  // namespace

void Coverage::see_edge(const Entry& entry, State to) {
  const auto lease = static_cast<std::size_t>(entry.lease);
  if (states_.size() <= lease) states_.resize(lease + 1, State::acquiring);
  if (states_[lease] == to) return;
  ++edges_[{states_[lease], to}];
  states_[lease] = to;
}

void Coverage::begin(const Schedule& schedule) {
  states_.clear();
  orders_.emplace(schedule.configuration.lease_time / 8);
}

void Coverage::see(const Entry& entry) {
  orders_->see(entry);
  switch (entry.kind) {
    case Entry::Kind::executed:
      ++outcomes_[{entry.verb, code_of(entry.code)}];
      break;
    case Entry::Kind::answered:
      // The others came from a store that executed it.
      if (entry.code == ErrorCode::unavailable || entry.code == ErrorCode::outcome_unknown ||
          entry.code == ErrorCode::denied) {
        ++outcomes_[{entry.verb, code_of(entry.code)}];
      }
      break;
    case Entry::Kind::started:
      ++faults_[static_cast<std::size_t>(What::start)];
      break;
    case Entry::Kind::crashed:
      ++faults_[static_cast<std::size_t>(What::crash)];
      break;
    case Entry::Kind::paused:
      ++faults_[static_cast<std::size_t>(What::pause)];
      break;
    case Entry::Kind::checked:
      count("work checked");
      break;
    case Entry::Kind::acted:
      count("work acted");
      break;
    case Entry::Kind::calling:
      if (entry.verb == Verb::release) see_edge(entry, State::releasing);
      break;
    case Entry::Kind::over:
      if (entry.verb == Verb::acquire && entry.code) see_edge(entry, State::ended);
      if (entry.verb == Verb::release) {
        see_edge(entry, State::ended);
        count(entry.code ? "release not heard" : "release heard");
      }
      break;
    case Entry::Kind::belief:
      if (states_.size() <= static_cast<std::size_t>(entry.lease) ||
          states_[static_cast<std::size_t>(entry.lease)] == State::acquiring) {
        see_edge(entry, State::held);
      }
      break;
    case Entry::Kind::notice:
      count("notice " + std::string{workerid::name(*entry.event)});
      if (entry.event == Event::Kind::suspended) see_edge(entry, State::suspended);
      if (entry.event == Event::Kind::resumed) see_edge(entry, State::held);
      if (entry.event == Event::Kind::lost || entry.event == Event::Kind::abandoned) {
        see_edge(entry, State::ended);
      }
      break;
    default:
      break;
  }
}

void Coverage::see(const Schedule& schedule, const std::vector<Happening>& message_faults) {
  for (const Happening& happening : schedule.happenings) {
    if (happening.what > What::pause) ++faults_[static_cast<std::size_t>(happening.what)];
  }
  for (const Happening& happening : message_faults) {
    ++faults_[static_cast<std::size_t>(happening.what)];
  }
  for (std::size_t order = 0; order < orders_met_.size(); ++order) {
    orders_met_[order] += orders_->counts()[order];
  }
  count("profile " + schedule.profile);
}

void Coverage::add(const Coverage& other) {
  for (std::size_t what = 0; what < faults_.size(); ++what) faults_[what] += other.faults_[what];
  for (const auto& [key, times] : other.outcomes_) outcomes_[key] += times;
  for (const auto& [key, times] : other.edges_) edges_[key] += times;
  for (const auto& [what, times] : other.counts_) counts_[what] += times;
  for (std::size_t order = 0; order < orders_met_.size(); ++order) {
    orders_met_[order] += other.orders_met_[order];
  }
}

std::string Coverage::table() const {
  std::string lines;
  const auto line = [&](std::uint64_t times, const std::string& what) {
    char buffer[24];
    std::snprintf(buffer, sizeof buffer, "%12llu  ", static_cast<unsigned long long>(times));
    lines += buffer + what + "\n";
  };
  for (int what = 0; what < number_of_whats; ++what) {
    line(faults_[static_cast<std::size_t>(what)],
         "fault " + std::string{name(static_cast<What>(what))});
  }
  for (const auto& [key, times] : outcomes_) line(times, outcome_name(key.first, key.second));
  for (const auto& [key, times] : edges_) {
    line(times, "state " + std::string{state_names[static_cast<std::size_t>(key.first)]} + " -> " +
                    std::string{state_names[static_cast<std::size_t>(key.second)]});
  }
  for (const auto& [what, times] : counts_) line(times, what);
  for (int order = 0; order < number_of_orders; ++order) {
    line(orders_met_.at(static_cast<std::size_t>(order)),
         "order " + std::string{name(static_cast<Order>(order))});
  }
  return lines;
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> missing;
  for (int what = 0; what < number_of_whats; ++what) {
    if (expected(static_cast<What>(what)) && faults_[static_cast<std::size_t>(what)] == 0) {
      missing.push_back("fault " + std::string{name(static_cast<What>(what))});
    }
  }
  for (const Expected& one : expected_outcomes) {
    const auto key = std::pair{one.verb, static_cast<int>(one.code)};
    if (outcomes_.count(key) == 0) missing.push_back(outcome_name(key.first, key.second));
  }
  for (const Event::Kind kind : expected_notices) {
    const std::string what = "notice " + std::string{workerid::name(kind)};
    if (counts_.count(what) == 0) missing.push_back(what);
  }
  const std::array edges{
      std::pair{State::acquiring, State::held}, std::pair{State::acquiring, State::ended},
      std::pair{State::held, State::suspended}, std::pair{State::suspended, State::held},
      std::pair{State::held, State::ended},     std::pair{State::suspended, State::ended},
      std::pair{State::held, State::releasing}, std::pair{State::suspended, State::releasing},
      std::pair{State::releasing, State::ended}};
  for (const auto& edge : edges) {
    if (edges_.count(edge) != 0) continue;
    missing.push_back("state " + std::string{state_names[static_cast<std::size_t>(edge.first)]} +
                      " -> " + std::string{state_names[static_cast<std::size_t>(edge.second)]});
  }
  for (const std::string what : {"release heard", "release not heard", "work acted"}) {
    if (counts_.count(what) == 0) missing.push_back(what);
  }
  for (int order = 0; order < number_of_orders; ++order) {
    if (orders_met_.at(static_cast<std::size_t>(order)) == 0) {
      missing.push_back("order " + std::string{name(static_cast<Order>(order))});
    }
  }
  return missing;
}

}  // namespace simulation
