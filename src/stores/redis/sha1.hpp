// SPDX-License-Identifier: MIT
//
// Internal: SHA-1, the name by which a Redis server knows a script. Not for secrets.
#pragma once

#include <string>
#include <string_view>

namespace workerid::detail::redis {

/// The 40 hexadecimal digits of a text's SHA-1, in small letters.
std::string sha1_hex(std::string_view text);

}  // namespace workerid::detail::redis
