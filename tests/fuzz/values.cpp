// SPDX-License-Identifier: MIT
//
// Numbers and times on the command line: what is accepted is what was written.
#include "values.hpp"

#include "fuzz/require.hpp"

using namespace workerid;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds longest = std::chrono::hours{24 * 36500};

void check_duration(const std::string& text) {
  try {
    const milliseconds time = cli::parse_duration("--lease", text);
    fuzz::require(time >= milliseconds{0} && time <= longest, "a time is within its limits");
    const std::string in_ms = std::to_string(time.count()) + "ms";
    fuzz::require(cli::parse_duration("--lease", in_ms) == time, "a time in ms is the same time");
    fuzz::require(!cli::to_text(time).empty(), "a time has a text for people");
  } catch (const cli::UsageError& error) {
    fuzz::require(fuzz::contains(error.what(), "--lease: "), "the message names the option");
  }
}

void check_integer(const std::string& text) {
  try {
    const auto value = cli::parse_integer<std::int64_t>("--max", text);
    const auto again = cli::parse_integer<std::int64_t>("--max", std::to_string(value));
    fuzz::require(again == value, "a number written and read is the same");
  } catch (const cli::UsageError& error) {
    fuzz::require(fuzz::contains(error.what(), "--max: "), "the message names the option");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  // What a command line can contain.
  if (text.find('\0') != std::string::npos) return 0;
  check_duration(text);
  check_integer(text);
  if (size >= sizeof(std::int64_t)) {
    std::int64_t count = 0;
    for (std::size_t index = 0; index < sizeof count; ++index) count = count * 31 + data[index];
    cli::to_text(milliseconds{count});
  }
  return 0;
}
