// SPDX-License-Identifier: MIT
//
// Internal: what a Redis server tells by INFO.
#pragma once

#include <algorithm>
#include <string_view>

namespace workerid::detail::redis {

/// The value of the line "field:value" of `info`; empty if there is none.
inline std::string_view value_of(std::string_view info, std::string_view field) {
  while (!info.empty()) {
    const std::string_view line = info.substr(0, info.find('\n'));
    info.remove_prefix(std::min(info.size(), line.size() + 1));
    if (line.size() <= field.size() || line.substr(0, field.size()) != field) continue;
    if (line[field.size()] != ':') continue;
    const std::string_view value = line.substr(field.size() + 1);
    return value.substr(0, value.find('\r'));
  }
  return {};
}

}  // namespace workerid::detail::redis
