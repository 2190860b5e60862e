// SPDX-License-Identifier: MIT
//
// Internal: what an error that a Redis server answered means to the caller.
#pragma once

#include <workerid/error.hpp>

#include <string>
#include <string_view>

namespace workerid::detail::redis {

/// True if the server does not know the script: send its text.
bool is_unknown_script(std::string_view server_text);

/// The error for what a server answered, with its words and what to do. An error answer means that
/// nothing was changed.
Error server_error(const std::string& server, std::string_view server_text);

/// Text from a server, fit to be shown: one line, of a bearable length, without the words of ours
/// that it repeats.
std::string shown(std::string_view server_text);

}  // namespace workerid::detail::redis
