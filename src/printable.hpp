// SPDX-License-Identifier: MIT
//
// Internal: the one place that cleans what strangers wrote: a server, whoever can write to a file, the
// name of a host. What an Error says has been through it, and what the tool shows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace workerid::detail {

/// The text as valid UTF-8 that stays where it is put: every control character (line breaks too), every
/// character that is invisible or turns the direction of writing, and every byte that is no UTF-8 is
/// replaced by '?'. At most `longest` bytes of it, in whole characters.
std::string printable(std::string_view text, std::size_t longest = std::string::npos);

}  // namespace workerid::detail
