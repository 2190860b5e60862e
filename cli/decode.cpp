// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "snowflake_format.hpp"

namespace workerid::cli {

namespace {

struct DecodeArguments {
  std::string id;
  SnowflakeFormat format;
};

int decode(Output output, const DecodeArguments& arguments) {
  const std::int64_t id = parse_snowflake(arguments.id, arguments.format.form);
  const SnowflakeParts parts = arguments.format.layout().decompose(id);
  const std::string decimal = to_text(id, SnowflakeText::decimal);
  const std::string base62 = to_text(id, SnowflakeText::base62);
  const std::string base32 = to_text(id, SnowflakeText::base32);
  const std::string time = utc_text(parts.time);
  print(output,
        table({{"time", time},
               {"worker ID", std::to_string(parts.worker_id)},
               {"sequence", std::to_string(parts.sequence)},
               {"decimal", decimal},
               {"base62", base62},
               {"base32", base32}}),
        {{"time", time},
         {"time_ms", parts.time.time_since_epoch().count()},
         {"worker_id", parts.worker_id},
         {"sequence", parts.sequence},
         {"decimal", decimal},
         {"base62", base62},
         {"base32", base32}});
  return exit_success;
}

}  // namespace

Command add_decode(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("decode", "Show what a 64-bit ID consists of");
  const auto arguments = std::make_shared<DecodeArguments>();
  add_output_option(*parser, invocation.common);
  parser->add_option("ID", arguments->id, "The ID, as --form says")->required()->type_name("");
  add_snowflake_format(*parser, arguments->format);
  parser->footer(
      "Needs no store. The ID does not tell its layout: give the one that it was generated with.\n"
      "\n"
      "Examples:\n"
      "  workerid decode 123456789012345678\n"
      "  workerid decode 0NZ3bqjB4eC --form base62 --output json\n"
      "  workerid decode 1541815603606036480 --layout twitter\n");
  return {parser,
          [&invocation, arguments] { return decode(invocation.common.output, *arguments); }};
}

}  // namespace workerid::cli
