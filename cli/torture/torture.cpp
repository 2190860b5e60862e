// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "torture/trial.hpp"
#include "values.hpp"

#include <workerid/generator.hpp>

#include <array>
#include <csignal>
#include <iostream>
#include <random>
#include <string_view>
#include <unistd.h>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

struct TortureOptions {
  std::int64_t seconds = 60;
  int processes = 8;
  std::optional<int> ids;
  milliseconds lease = std::chrono::seconds{2};
  std::optional<std::uint64_t> seed;
  std::string faults;
  std::string server;
  std::optional<ServerData> data;
  std::string step_clock;
};

constexpr std::array<std::pair<std::string_view, ServerData>, 3> data_names{
    {{"none", ServerData::none},
     {"appendonly", ServerData::appendonly},
     {"replica", ServerData::replica}}};

ServerData parse_data(const std::string& option, const std::string& text) {
  for (const auto& [name, data] : data_names) {
    if (text == name) return data;
  }
  throw UsageError(option + ": \"" + text + "\" is unknown: use none, appendonly or replica");
}

std::string parse_server(const std::string& option, const std::string& text) {
  if (text == "redis" || text == "sqlite") return text;
  throw UsageError(option + ": \"" + text + "\" is no server of ours: use redis or sqlite");
}

std::string parse_library(const std::string& option, const std::string& text) {
  if (::access(text.c_str(), R_OK) == 0) return text;
  throw UsageError(option + ": \"" + text + "\" cannot be read");
}

template <typename Integer>
void check_between(const std::string& option, Integer value, Integer low, Integer high) {
  if (value >= low && value <= high) return;
  throw UsageError(option + ": " + std::to_string(value) + " must be " + std::to_string(low) +
                   " to " + std::to_string(high));
}

void check(const TortureOptions& torture) {
  check_between<std::int64_t>("--seconds", torture.seconds, 1, 7 * 24 * 3600);
  check_between("--processes", torture.processes, 1, 500);
  if (torture.ids) check_between("--ids", *torture.ids, 1, 500);
  if (torture.data && torture.server != "redis") {
    throw UsageError("--server-data: there is no --server redis whose data it could be");
  }
  if (!torture.step_clock.empty() && torture.server != "redis") {
    throw UsageError("--step-clock: there is no --server redis whose clock could step");
  }
}

// A URL of plain TCP with its host and port apart, so that a relay can stand in between.
struct RedisUrl {
  std::string before;
  std::string host;
  std::string port = "6379";
  std::string after;
};

std::optional<RedisUrl> parse_redis_url(const std::string& url) {
  constexpr std::string_view scheme = "redis://";
  if (url.rfind(scheme, 0) != 0) return std::nullopt;
  const std::size_t end = std::min(url.find_first_of("/?", scheme.size()), url.size());
  const std::size_t at = url.rfind('@', end);
  const std::size_t begin = at == std::string::npos || at < scheme.size() ? scheme.size() : at + 1;
  RedisUrl parsed{.before = url.substr(0, begin), .host = {}, .after = url.substr(end)};
  parsed.host = url.substr(begin, end - begin);
  const std::size_t colon = parsed.host.rfind(':');
  const std::size_t bracket = parsed.host.rfind(']');
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    parsed.port = parsed.host.substr(colon + 1);
    parsed.host.resize(colon);
  }
  if (bracket != std::string::npos) parsed.host = parsed.host.substr(1, bracket - 1);
  return parsed;
}

// What is tortured, and what exists only for that.
struct Scene {
  std::unique_ptr<OwnRedis> redis;
  std::unique_ptr<OwnFile> file;
  TrialOptions trial;
};

void set_store(Scene& scene, const CommonOptions& common, const TortureOptions& torture) {
  TrialOptions& trial = scene.trial;
  const ServerData data = torture.data.value_or(ServerData::appendonly);
  const bool own_file = torture.server == "sqlite" || (torture.server.empty() && !common.store);
  const auto url = common.store ? parse_redis_url(*common.store) : std::nullopt;
  const Target target{.tcp = torture.server == "redis" || (torture.server.empty() && url),
                      .redis = torture.server == "redis" ? std::optional{data} : std::nullopt,
                      .file = own_file,
                      .step_clock = !torture.step_clock.empty()};
  trial.faults = parse_faults("--faults", torture.faults, target);
  if (target.redis) {
    scene.redis = std::make_unique<OwnRedis>(data, torture.step_clock);
    trial.redis = scene.redis.get();
    trial.server = Address::loopback(scene.redis->port());
    trial.relayed_url = [](std::uint16_t port) {
      return "redis://127.0.0.1:" + std::to_string(port);
    };
    trial.store = trial.relayed_url(scene.redis->port());
  } else if (target.file) {
    scene.file = std::make_unique<OwnFile>();
    trial.file = scene.file.get();
    trial.store = "sqlite:" + scene.file->path().string();
  } else {
    trial.store = *common.store;
    if (!url) return;
    open_store(trial.store);  // refuses what is wrong with it in better words
    trial.server = Address::resolved(url->host, url->port);
    trial.relayed_url = [parts = *url](std::uint16_t port) {
      return parts.before + "127.0.0.1:" + std::to_string(port) + parts.after;
    };
  }
}

// The first acquisition makes the cluster, and shows that the store can be used at all.
void make_cluster(const TrialOptions& trial) {
  Generator generator{open_store(trial.store), trial.cluster, trial.options};
  const Configuration configuration = trial.options.configuration();
  const auto [worker_id, token] =
      generator.get_id(2 * (configuration.lease_time + configuration.reuse_delay));
  generator.release(worker_id, token);
}

std::string list(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault fault : faults) text += (text.empty() ? "" : ",") + name(fault);
  return text;
}

Json to_json(const std::map<std::string, std::int64_t>& counts) {
  return Json(counts);
}

Json options_json(const TrialOptions& trial) {
  return {{"store", open_store(trial.store)->description()},
          {"cluster", trial.cluster},
          {"seconds", trial.time.count()},
          {"processes", trial.processes},
          {"ids", trial.options.max_worker_id},
          {"lease_ms", trial.options.max_lease_time.count()},
          {"faults", list(trial.faults)}};
}

// Those that may have led to it.
std::vector<std::string> faults_before(const Findings& findings, BootTime time) {
  constexpr std::size_t most = 5;
  std::vector<std::string> lines;
  for (auto struck = findings.struck.rbegin(); struck != findings.struck.rend(); ++struck) {
    if (struck->at <= time && lines.size() < most) lines.insert(lines.begin(), struck->line);
  }
  return lines;
}

std::string verdict_of(const Findings& findings) {
  if (!findings.violations.empty()) return "violated";
  return findings.interrupted_by == 0 ? "clean" : "interrupted";
}

Json findings_json(const Findings& findings) {
  const auto count = [&](const char* event) {
    const auto found = findings.figures.events.find(event);
    return found == findings.figures.events.end() ? 0 : found->second;
  };
  std::int64_t losses = 0;
  std::int64_t overlaps = 0;
  for (const auto& [event, times] : findings.figures.events) {
    if (event.rfind("lost", 0) == 0) losses += times;
  }
  for (const Violation& violation : findings.violations) overlaps += violation.guarantee == "G1";
  const auto outage = std::chrono::floor<milliseconds>(findings.figures.longest_outage);
  const auto lasted = std::chrono::floor<milliseconds>(findings.end - findings.start);
  return {{"processes_started", findings.processes},
          {"grants", findings.figures.grants},
          {"renewals", count("renewed")},
          {"beliefs", findings.figures.beliefs},
          {"suspensions", count("suspended")},
          {"resumptions", count("resumed")},
          {"losses", losses},
          {"longest_outage_ms", outage.count()},
          {"lasted_ms", lasted.count()},
          {"overlaps", overlaps},
          {"violations", findings.violations.size()}};
}

std::string to_text(const Findings& findings) {
  std::vector<std::vector<std::string>> rows;
  const Json figures = findings_json(findings);
  for (const auto& [name, value] : figures.items()) rows.push_back({name, value.dump()});
  for (const auto& [fault, times] : findings.faults)
    rows.push_back({"fault " + fault, std::to_string(times)});
  for (const auto& [call, times] : findings.figures.calls)
    rows.push_back({"call " + call, std::to_string(times)});
  for (const auto& [event, times] : findings.figures.events) {
    if (event.find('/') != std::string::npos)
      rows.push_back({"event " + event, std::to_string(times)});
  }
  std::string text = "\n" + table(rows);
  constexpr std::size_t most = 10;
  for (const Violation& violation : findings.violations) {
    if (&violation - findings.violations.data() >= static_cast<std::ptrdiff_t>(most)) break;
    text += "\nVIOLATED " + violation.guarantee + ": " + violation.text +
            "\n  the last faults before it:\n";
    for (const std::string& line : faults_before(findings, violation.at))
      text += "  " + line + "\n";
  }
  return text + "\nverdict: " + verdict_of(findings) + "\n";
}

Json to_json(const TrialOptions& trial, const Findings& findings) {
  Json violations = Json::array();
  for (const Violation& violation : findings.violations) {
    violations.push_back({{"guarantee", violation.guarantee},
                          {"text", violation.text},
                          {"faults_before", faults_before(findings, violation.at)}});
  }
  return {{"seed", trial.seed},
          {"options", options_json(trial)},
          {"faults", findings.faults},
          {"figures", findings_json(findings)},
          {"calls", to_json(findings.figures.calls)},
          {"events", to_json(findings.figures.events)},
          {"violations", std::move(violations)},
          {"verdict", verdict_of(findings)}};
}

int torture(const CommonOptions& common, bool cluster_named, const TortureOptions& torture) {
  check(torture);
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGINT);
  ::sigaddset(&ending, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  Scene scene;
  TrialOptions& trial = scene.trial;
  std::random_device random;
  trial.seed = torture.seed.value_or(random());
  trial.cluster = cluster_named ? common.cluster : "torture-" + std::to_string(random());
  trial.time = std::chrono::seconds{torture.seconds};
  trial.processes = static_cast<std::size_t>(torture.processes);
  trial.options.max_worker_id = torture.ids.value_or(std::max(1, torture.processes * 2 / 3));
  trial.options.max_lease_time = torture.lease;
  set_store(scene, common, torture);
  // A clock of ours that is left alone runs as this machine's does, but for the milliseconds.
  trial.early = milliseconds{10};
  const bool own_clock = (scene.redis || scene.file) && torture.step_clock.empty();
  if (!own_clock) trial.early += trial.options.tolerance().store_step;
  make_cluster(trial);

  const auto tell = [&](const std::string& line) {
    if (common.output == Output::text) print(common.output, line + "\n", {});
  };
  std::vector<std::vector<std::string>> rows{{"seed", std::to_string(trial.seed)}};
  const Json options = options_json(trial);
  for (const auto& [name, value] : options.items()) {
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  tell(table(rows));
  const Findings findings = Trial{trial, tell}.run();
  print(common.output, to_text(findings), to_json(trial, findings));
  if (!findings.violations.empty()) return exit_violated;
  return findings.interrupted_by == 0 ? exit_success : exit_signal + findings.interrupted_by;
}

}  // namespace

Command add_torture(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser =
      tool.add_subcommand("torture", "Try a store out, with processes that hold IDs and faults");
  const auto options = std::make_shared<TortureOptions>();
  add_common_options(*parser, invocation.common);
  CLI::Option* const cluster = parser->get_option("--cluster");
  cluster->description(
      "The pool to use, for this alone (default: a new one, \"torture-\" and a number)");
  CLI::Option* const store = parser->get_option("--store");
  add_parsed(*parser, "--seconds", options->seconds, parse_integer<std::int64_t>, "N",
             "How long faults strike; then all must recover (default: 60)");
  add_parsed(*parser, "--processes", options->processes, parse_integer<int>, "N",
             "How many hold IDs at once (default: 8)");
  add_parsed(*parser, "--ids", options->ids, parse_integer<int>, "N",
             "How many IDs there are (default: two thirds of --processes, so that they compete)");
  add_parsed(*parser, "--lease", options->lease, parse_duration, "TIME",
             "How long a lease lasts without being renewed (default: 2s)");
  add_parsed(*parser, "--seed", options->seed, parse_integer<std::uint64_t>, "N",
             "Draw the same faults as a run that printed this seed");
  add_parsed(*parser, "--faults", options->faults, parse_text, "LIST",
             "Which faults, separated by commas, or all (default: all but those with a *)");
  CLI::Option* const server =
      add_parsed(*parser, "--server", options->server, parse_server, "KIND",
                 "A store of its own instead of --store: redis, with redis-server from PATH, or "
                 "sqlite, which is the default without --store and WORKERID_STORE");
  server->excludes(store)->option_text("KIND");
  store->option_text("URL");
  add_parsed(*parser, "--server-data", options->data, parse_data, "DATA",
             "What --server redis keeps: none, appendonly (the default) or replica");
  add_parsed(*parser, "--step-clock", options->step_clock, parse_library, "FILE",
             "A library to preload into --server redis that adds to its wall clock the nanoseconds "
             "which stand, as 64 bits, in the file that STEPCLOCK names");
  parser->footer(
      "Runs processes that hold IDs of a cluster of their own, and lets faults strike them, their\n"
      "connections and, if it is torture's own, their server. All write down when they believed\n"
      "to hold which ID; from these notes it is judged whether an ID was held twice at once, came\n"
      "back too early or with a smaller epoch, timestamps were reserved twice, a lost lease was\n"
      "held on, a call came back late; and whether all hold an ID again when the faults are over.\n"
      "\n" +
      fault_table() +
      "\n"
      "Examples:\n"
      "  workerid torture --store redis://db:6379 --seconds 300\n"
      "  workerid torture --server redis --faults kill,partition,restart\n");
  return {parser, [&invocation, options, cluster] {
            return torture(invocation.common, cluster->count() > 0, *options);
          }};
}

}  // namespace workerid::cli
