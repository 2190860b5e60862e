// SPDX-License-Identifier: MIT
//
// Results go to standard output, everything else to standard error. What strangers wrote is cleaned on
// its way (printable.hpp).
#pragma once

#include "options.hpp"

#include <workerid/error.hpp>
#include <workerid/store.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace workerid::cli {

using Json = nlohmann::ordered_json;

/// Writes to standard output. Errors: std::runtime_error if it does not take all of it.
void write_result(const std::string& text);

/// Waits until standard output takes something, or never will.
void wait_for_room();

/// Writes a result: `text` or `json`, whichever is asked for. Errors: as `write_result`.
void print(Output output, const std::string& text, const Json& json);

/// Tells something to people, on standard error; as JSON, "message" is added to `json`.
void say(Output output, const std::string& message, Json json = Json::object());

/// Tells an error, with what to do next.
void say(Output output, const Error& error);

/// Rows as a table with aligned columns, each field made fit to be shown: one line each.
std::string table(std::vector<std::vector<std::string>> rows);

/// How long the lease lasts, or how long its ID is kept from others.
std::chrono::milliseconds time_left(const LeaseView& lease);

Json to_json(const LeaseView& lease);
Json to_json(const Configuration& configuration);

/// A cluster without its leases.
Json to_json(const std::string& cluster, const ClusterView& view);

}  // namespace workerid::cli
