// SPDX-License-Identifier: MIT
//
// How IDs are laid out and written; `snowflake` and `decode` have these options.
#pragma once

#include "options.hpp"

#include <workerid/snowflake.hpp>

#include <optional>
#include <string>

namespace workerid::cli {

struct SnowflakeFormat {
  SnowflakeLayout bits{};
  std::optional<WallTime> epoch;
  SnowflakeText form = SnowflakeText::decimal;

  /// The layout, checked. Errors: `invalid_argument`.
  SnowflakeLayout layout() const;
};

void add_snowflake_format(CLI::App& command, SnowflakeFormat& format);

/// A time as people write it, "2026-01-02T03:04:05.678Z", in UTC.
std::string utc_text(WallTime time);

}  // namespace workerid::cli
