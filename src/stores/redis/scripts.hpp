// SPDX-License-Identifier: MIT
//
// Internal: the Lua scripts of this folder, embedded when the library is built.
#pragma once

#include <string_view>

namespace workerid::detail::redis {

/// A script, and the SHA1 of its text, by which a server that has seen it knows it.
struct Script {
  std::string_view sha1;
  std::string_view text;
};

extern const Script acquire_script;
extern const Script renew_script;
extern const Script restore_script;
extern const Script release_script;
extern const Script inspect_script;
extern const Script resize_script;
extern const Script evict_script;

}  // namespace workerid::detail::redis
