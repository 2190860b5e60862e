// SPDX-License-Identifier: MIT
#include "bench/measure.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "values.hpp"

#include <workerid/version.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sys/resource.h>
#include <thread>

namespace workerid::cli {

namespace {

std::string processor() {
  std::ifstream lines{"/proc/cpuinfo"};
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

// Each of the crowd has files of its own.
void allow_many_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

std::string in_digits(double value) {
  std::array<char, 32> text{};
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string cell(const Json& value) {
  return value.is_null() ? "-" : in_digits(value.get<double>());
}

std::string member(const Json& object, const char* name) {
  return object.is_null() ? "-" : cell(object.at(name));
}

// "1.52 (1.48..1.60)"
std::string range(const Json& spread) {
  if (spread.is_null()) return "-";
  return cell(spread.at("median")) + " (" + cell(spread.at("min")) + ".." + cell(spread.at("max")) +
         ")";
}

// "8 granted, 0 duplicates, 2 unavailable (no answer in time)"
std::string outcome(const Json& start) {
  std::string text =
      start.at("granted").dump() + " granted, " + start.at("duplicates").dump() + " duplicates";
  for (const auto& [code, count] : start.at("failed").items()) {
    text += ", " + count.dump() + " " + code;
  }
  const Json& first = start.at("first_failure");
  if (!first.is_null()) text += " (" + first.get<std::string>() + ")";
  return text;
}

std::string report_text(const Json& result) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : result.at("environment").items()) {
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  std::string text = table(rows);

  std::string starts;
  if (const Json& herd = result.at("herd"); !herd.is_null()) {
    starts += "herd: " + herd.at("processes").dump() +
              " processes, from the first fork to the last lease in a new cluster: " +
              range(herd.at("seconds")) + " s, " + range(herd.at("ratio")) +
              " times the floor, rounds: " + herd.at("rounds").dump() + ", " + outcome(herd) + "\n";
  }
  if (const Json& crowd = result.at("crowd"); !crowd.is_null()) {
    starts += "crowd: " + crowd.at("connections").dump() +
              " connections of one process at once in a new cluster: " + cell(crowd.at("seconds")) +
              " s, " + outcome(crowd) + "\n";
  }
  if (const Json& many = result.at("many_leases"); !many.is_null()) {
    starts += "one process with " + many.at("leases").dump() + " leases: acquired in " +
              cell(many.at("acquire_seconds")) + " s, released in " +
              cell(many.at("release_seconds")) + " s, " + cell(many.at("process_bytes_per_lease")) +
              " bytes of the process each\n";
  }
  if (!starts.empty()) text += "\n" + starts;

  rows = {{"POOL", "FIRST USE us", "SERVER CPU us", "FILLED IN s", "BYTES PER LEASE"}};
  for (const Json& pool : result.at("pools")) {
    const Json first = pool.at("first_use").is_null() ? Json{} : pool.at("first_use");
    rows.push_back({pool.at("pool").dump(), first.is_null() ? "-" : range(first.at("latency_us")),
                    first.is_null() ? "-" : range(first.at("server_cpu_us")),
                    cell(pool.at("fill_seconds")), cell(pool.at("bytes_per_lease"))});
  }
  text += "\n" + table(rows);

  rows = {{"POOL", "FILL", "OPERATION", "p50 us", "p99", "p99.9", "TO FLOOR", "PER s", "TO FLOOR",
           "SERVER CPU us", "TO FLOOR"}};
  for (const Json& each : result.at("results")) {
    for (const char* const kind : {"floor", "acquire", "renew", "release"}) {
      const Json& figures = each.at(kind);
      const auto ratio = [&](const char* name) {
        return figures.contains(name) ? range(figures.at(name)) : "";
      };
      const bool refused =
          kind == std::string{"acquire"} && each.at("acquire_outcome") == "refused";
      const Json& latency = figures.at("latency_us");
      if (latency.is_null()) continue;
      rows.push_back({each.at("pool").dump(), each.at("fill").dump() + " %",
                      refused ? "refused" : kind, member(latency, "p50"), member(latency, "p99"),
                      member(latency, "p999"), ratio("latency_ratio"),
                      member(figures.at("throughput_per_s"), "median"), ratio("throughput_ratio"),
                      member(figures.at("server_cpu_us"), "median"), ratio("server_cpu_ratio")});
    }
  }
  text += "\n" + table(rows);

  for (const Json& line : result.at("left_out")) {
    text += "left out: " + line.get<std::string>() + "\n";
  }
  return text;
}

int bench(const CommonOptions& common, const BenchOptions& options) {
  block_limit_signals();
  allow_many_files();
  Limit limit{options.time};
  Json result;
  {
    const auto subject = make_subject(common.store);
    Json environment = subject->environment();
    environment.update({{"library", WORKERID_VERSION},
                        {"processor", processor()},
                        {"processors", std::thread::hardware_concurrency()},
                        {"time", time_now()}});
    result = {{"environment", std::move(environment)},
              {"options",
               {{"pools", options.pools},
                {"fills", options.fills},
                {"rounds", options.rounds},
                {"operations", options.operations},
                {"connections", options.connections},
                {"herd", options.herd},
                {"crowd", options.crowd},
                {"seconds", options.time.count()}}}};
    result.update(measure(*subject, options, limit));
  }  // the scratch data are gone before anything is said
  print(common.output, common.output == Output::text ? report_text(result) : "", result);
  return limit.signal() == 0 ? exit_success : exit_signal + limit.signal();
}

// An option that may be given several times; the first one replaces the default.
template <typename Value>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<Value>& values,
                      Value least, Value most, const std::string& description) {
  const auto parse = [&values, name, least, most](const std::vector<std::string>& texts) {
    values.clear();
    for (const std::string& text : texts) {
      const auto value = parse_integer<Value>(name, text);
      if (value < least || value > most) {
        throw UsageError(name + ": " + text + " is not from " + std::to_string(least) + " to " +
                         std::to_string(most));
      }
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    return true;
  };
  return command.add_option_function<std::vector<std::string>>(name, parse, description)
      ->type_name("N")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("N");
}

}  // namespace

Command add_bench(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("bench", "Measure what leasing costs on a store");
  const auto options = std::make_shared<BenchOptions>();
  add_common_options(*parser, invocation.common);
  parser->remove_option(parser->get_option("--cluster"));
  parser->get_option("--store")->option_text("URL")->description(
      "sqlite:PATH, a path that begins with /, ./ or ../, redis://, rediss://, unix:// or memory: "
      "(default: WORKERID_STORE)");
  add_list<WorkerId>(*parser, "--pool", options->pools, 1, 1'048'576,
                     "How many IDs there are; may be given several times (default: 512, 1024 and "
                     "65536)");
  add_list<int>(*parser, "--fill", options->fills, 0, 100,
                "How many percent of them are leased; may be given several times (default: 0, 50, "
                "99 and 100)");
  const auto number = [&](const std::string& name, auto& value, int least, int most,
                          const std::string& description) {
    using Value = std::remove_reference_t<decltype(value)>;
    add_parsed(*parser, name, value, parse_integer<Value>, "N", description)
        ->check(CLI::Range(least, most))
        ->option_text("N");
  };
  number("--rounds", options->rounds, 1, 1000, "How often all is measured (default: 5)");
  number("--operations", options->operations, 1, 1'000'000,
         "How many operations of each kind a round has, three times over (default: 1000)");
  number("--connections", options->connections, 1, 1000,
         "How many threads with a connection each the throughput is that of (default: 50)");
  number("--herd", options->herd, 0, 10'000,
         "How many processes start at once in a new cluster, and how many leases one process then "
         "holds (default: 1000)");
  number("--crowd", options->crowd, 0, 20'000,
         "How many connections of one process ask at once in a new cluster (default: 1000)");
  add_parsed(
      *parser, "--seconds", options->time,
      [](const std::string& name, const std::string& text) {
        return std::chrono::seconds{parse_integer<int>(name, text)};
      },
      "N", "How long it may take; what does not fit in is left out, and said (default: 60)")
      ->check(CLI::Range(1, 86'400))
      ->option_text("N");
  parser->footer(
      "Works in a scratch cluster, workerid-bench- and a random name, that is removed afterwards, "
      "also\n"
      "when it is interrupted. Acquire, renew and release are measured beside the floor: the least "
      "that\n"
      "this kind of store can do for a durable change, in the same rounds; a herd beside as many "
      "processes\n"
      "that do the least with which one can begin: Redis connect and PING, SQLite open and read.\n"
      "\n"
      "Examples:\n"
      "  workerid bench --store redis://db:6379\n"
      "  workerid bench --store ./leases.db --pool 1024 --fill 50 --output json\n");
  return {parser, [&invocation, options] { return bench(invocation.common, *options); }};
}

}  // namespace workerid::cli
