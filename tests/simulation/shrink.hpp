// SPDX-License-Identifier: MIT
//
// Makes a failing schedule smaller as long as it fails in the same way.
#pragma once

#include "judgement.hpp"
#include "schedule.hpp"

#include <string>
#include <vector>

namespace simulation {

// What a random network did becomes part of the list.
Schedule materialised(const Schedule& schedule, const std::vector<Happening>& message_faults);

// The checker that saw the violation: its first word.
std::string kind_of(const std::string& violation);

// A schedule with the same kind of violation; the given one, materialised, if nothing can go.
Schedule shrunk(const Schedule& schedule);

// What matters of a trace, at most `lines` lines of it.
std::vector<std::string> timeline(const std::vector<Entry>& entries, std::size_t lines);

}  // namespace simulation
