// SPDX-License-Identifier: MIT
#include "snowflake_format.hpp"

#include "parsed_option.hpp"
#include "values.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

namespace workerid::cli {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char character : text) {
    if (character == separator) {
      parts.emplace_back();
    } else {
      parts.back() += character;
    }
  }
  return parts;
}

SnowflakeLayout parse_layout(const std::string& option, const std::string& text) {
  if (text == "default") return {};
  if (text == "twitter") return SnowflakeLayout::twitter();
  if (text == "sonyflake") return SnowflakeLayout::sonyflake();
  if (text == "javascript") return SnowflakeLayout::javascript();
  if (text == "seconds") return SnowflakeLayout::seconds();
  const std::vector<std::string> bits = split(text, '/');
  if (bits.size() != 3) {
    throw UsageError(option + ": \"" + text +
                     "\" is not a layout: use default, twitter, sonyflake, javascript, seconds, or "
                     "bits of timestamp/worker ID/sequence as in 41/10/12");
  }
  SnowflakeLayout layout;
  layout.timestamp_bits = parse_integer<int>(option, bits[0]);
  layout.worker_bits = parse_integer<int>(option, bits[1]);
  layout.sequence_bits = parse_integer<int>(option, bits[2]);
  return layout;
}

WallTime parse_day(const std::string& option, const std::string& text) {
  const std::vector<std::string> parts = split(text, '-');
  if (parts.size() == 3) {
    const std::chrono::year_month_day day{
        std::chrono::year{parse_integer<int>(option, parts[0])},
        std::chrono::month{parse_integer<unsigned>(option, parts[1])},
        std::chrono::day{parse_integer<unsigned>(option, parts[2])}};
    if (day.ok()) return std::chrono::sys_days{day};
  }
  throw UsageError(option + ": \"" + text + "\" is not a day: use YEAR-MONTH-DAY");
}

SnowflakeText parse_form(const std::string& option, const std::string& text) {
  if (text == "decimal") return SnowflakeText::decimal;
  if (text == "base62") return SnowflakeText::base62;
  if (text == "base32") return SnowflakeText::base32;
  throw UsageError(option + ": \"" + text + "\" is not a form: use decimal, base62 or base32");
}

}  // namespace

SnowflakeLayout SnowflakeFormat::layout() const {
  SnowflakeLayout layout = bits;
  if (epoch) layout.epoch = *epoch;
  layout.check();
  return layout;
}

void add_snowflake_format(CLI::App& command, SnowflakeFormat& format) {
  add_parsed(
      command, "--layout", format.bits, parse_layout, "LAYOUT",
      "default, twitter, sonyflake, javascript, seconds, or the bits of timestamp, worker ID "
      "and sequence (default: 41/10/12)");
  add_parsed(command, "--epoch", format.epoch, parse_day, "DAY",
             "When timestamps begin, in UTC (default: the layout's, 2025-01-01)");
  add_parsed(command, "--form", format.form, parse_form, "FORM",
             "How IDs are written: decimal (the default), base62 or base32, Crockford's");
}

std::string utc_text(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t count = seconds.time_since_epoch().count();
  std::tm utc{};
  ::gmtime_r(&count, &utc);
  char text[32] = {};
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03dZ",
                static_cast<int>((time - seconds).count()));
  return text;
}

}  // namespace workerid::cli
