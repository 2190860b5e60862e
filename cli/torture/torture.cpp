// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "store_url.hpp"
#include "torture/trial.hpp"
#include "values.hpp"

#include <workerid/generator.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <random>
#include <regex>
#include <string_view>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

struct TortureOptions {
  int seconds = 60;
  int processes = 8;
  std::optional<int> ids;
  milliseconds lease = std::chrono::seconds{2};
  std::optional<std::uint64_t> seed;
  std::string faults;
  std::string server;
  std::string data;
  std::string step_clock;
};

// What is tortured, and what exists only for that.
struct Scene {
  std::unique_ptr<OwnRedis> redis;
  std::unique_ptr<OwnFile> file;
  TrialOptions trial;
};

// A URL of plain TCP, taken apart so that a relay can stand in between.
struct ServerUrl {
  std::string before;
  std::string host;
  std::string port;
  std::string after;
};

std::optional<ServerUrl> parse_redis_url(const std::string& url) {
  const std::regex form(R"((redis://(?:[^/?]*@)?)(?:\[([^\]]+)\]|([^:/?]*))(?::(\d+))?(.*))");
  std::smatch parts;
  if (!std::regex_match(url, parts, form)) return std::nullopt;
  const std::string host = parts[2].matched ? parts[2].str() : parts[3].str();
  return ServerUrl{parts[1], host, parts[4].matched ? parts[4].str() : "6379", parts[5]};
}

void use_own_redis(Scene& scene, const TortureOptions& torture) {
  const ServerData data = torture.data == "none"      ? ServerData::none
                          : torture.data == "replica" ? ServerData::replica
                                                      : ServerData::appendonly;
  unsigned target = any_store | plain_tcp | (data_none << static_cast<unsigned>(data));
  if (!torture.step_clock.empty()) target |= steps_clock;
  TrialOptions& trial = scene.trial;
  trial.faults = parse_faults("--faults", torture.faults, target);
  trial.forgetful = forgets(trial.faults, target);
  scene.redis = std::make_unique<OwnRedis>(data, torture.step_clock);
  trial.redis = scene.redis.get();
  trial.server = Address::loopback(scene.redis->port());
  trial.relayed_url = [](std::uint16_t port) {
    return "redis://127.0.0.1:" + std::to_string(port);
  };
  trial.store = trial.relayed_url(scene.redis->port());
}

void use_own_file(Scene& scene, const TortureOptions& torture) {
  scene.trial.faults = parse_faults("--faults", torture.faults, any_store | own_file);
  scene.file = std::make_unique<OwnFile>();
  scene.trial.file = scene.file.get();
  scene.trial.store = "sqlite:" + scene.file->path().string();
}

void use_store(TrialOptions& trial, const std::string& store, const std::string& faults) {
  trial.store = store;
  open_store(store);  // refuses what is wrong with it, in better words than could be found below
  const auto url = parse_redis_url(store);
  trial.faults = parse_faults("--faults", faults, any_store | (url ? unsigned{plain_tcp} : 0U));
  if (!url) return;
  trial.server = Address::resolved(url->host, url->port);
  trial.relayed_url = [parts = *url](std::uint16_t port) {
    return parts.before + "127.0.0.1:" + std::to_string(port) + parts.after;
  };
}

Scene set_scene(const CommonOptions& common, bool cluster_named, const TortureOptions& torture) {
  if (torture.server != "redis" && !(torture.data + torture.step_clock).empty()) {
    throw UsageError(
        "--server-data and --step-clock are of --server redis, which is not asked for");
  }
  Scene scene;
  TrialOptions& trial = scene.trial;
  std::random_device random;
  trial.seed = torture.seed.value_or(random());
  trial.cluster = cluster_named ? common.cluster : "torture-" + std::to_string(random());
  trial.time = std::chrono::seconds{torture.seconds};
  trial.processes = static_cast<std::size_t>(torture.processes);
  trial.options.max_worker_id = torture.ids.value_or(std::max(1, torture.processes * 2 / 3));
  trial.options.max_lease_time = torture.lease;
  // A clock of ours that is left alone runs as this machine's does, but for the milliseconds.
  const milliseconds step = trial.options.tolerance().store_step;
  if (torture.server == "redis") {
    use_own_redis(scene, torture);
  } else if (torture.server == "sqlite" || !common.store) {
    use_own_file(scene, torture);
  } else {
    use_store(trial, *common.store, torture.faults);
  }
  const bool own_clock = (scene.redis || scene.file) && torture.step_clock.empty();
  trial.early = milliseconds{10} + (own_clock ? milliseconds{} : step);
  return scene;
}

// The first acquisition makes the cluster, and shows that the store can be used at all. It alone says
// that the cluster has no history: later on that would be a false claim.
void make_cluster(const TrialOptions& trial) {
  Options options = trial.options;
  options.fresh = true;
  Generator generator{open_store(trial.store), trial.cluster, options};
  const Configuration configuration = options.configuration();
  const auto [worker_id, token] =
      generator.get_id(2 * (configuration.lease_time + configuration.reuse_delay));
  generator.release(worker_id, token);
}

Json options_json(const TrialOptions& trial) {
  std::string faults;
  for (const Fault fault : trial.faults) faults += (faults.empty() ? "" : ",") + name(fault);
  return {{"seed", trial.seed},
          {"store", open_store(trial.store)->description()},
          {"cluster", trial.cluster},
          {"seconds", trial.time.count()},
          {"processes", trial.processes},
          {"ids", trial.options.max_worker_id},
          {"lease_ms", trial.options.max_lease_time.count()},
          {"faults", faults}};
}

// The last ones that may have led to it.
Json faults_before(const TrialResult& findings, BootTime time) {
  constexpr std::size_t most = 5;
  Json lines = Json::array();
  for (const auto& [at, line] : findings.struck) {
    if (at > time) break;
    lines.push_back(line);
    if (lines.size() > most) lines.erase(lines.begin());
  }
  return lines;
}

Json result_json(const TrialResult& findings) {
  const auto count = [&](std::string_view kind) {
    std::int64_t all = 0;
    for (const auto& [event, times] : findings.figures.events) {
      if (event.substr(0, event.find('/')) == kind) all += times;
    }
    return all;
  };
  const auto in_ms = [](BootTime::duration time) {
    return std::chrono::floor<milliseconds>(time).count();
  };
  Json violations = Json::array();
  std::int64_t overlaps = 0;
  for (const Violation& violation : findings.violations) {
    overlaps += violation.guarantee == "G1" ? 1 : 0;
    violations.push_back({{"guarantee", violation.guarantee},
                          {"text", violation.text},
                          {"faults_before", faults_before(findings, violation.at)}});
  }
  const char* const verdict = !violations.empty()            ? "violated"
                              : findings.interrupted_by != 0 ? "interrupted"
                                                             : "clean";
  return {{"figures",
           {{"lasted_ms", in_ms(findings.end - findings.start)},
            {"processes_started", findings.processes},
            {"grants", findings.figures.grants},
            {"renewals", count("renewed")},
            {"beliefs", findings.figures.beliefs},
            {"suspensions", count("suspended")},
            {"resumptions", count("resumed")},
            {"losses", count("lost")},
            {"longest_outage_ms", in_ms(findings.figures.longest_outage)},
            {"overlaps", overlaps},
            {"violations", violations.size()}}},
          {"faults", findings.faults},
          {"calls", findings.figures.calls},
          {"events", findings.figures.events},
          {"violations", std::move(violations)},
          {"verdict", verdict}};
}

std::string value_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string rows(const Json& object) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : object.items()) rows.push_back({name, value_text(value)});
  return table(rows);
}

std::string result_text(const Json& findings) {
  std::string text;
  for (const char* const part : {"figures", "faults", "calls", "events"}) {
    text += "\n" + std::string{part} + "\n" + rows(findings.at(part));
  }
  constexpr std::size_t most = 10;
  const Json& violations = findings.at("violations");
  for (std::size_t index = 0; index < std::min(most, violations.size()); ++index) {
    const Json& violation = violations.at(index);
    text += "\nVIOLATED " + value_text(violation.at("guarantee")) + ": " +
            value_text(violation.at("text")) + "\nthe last faults before:\n";
    for (const Json& line : violation.at("faults_before")) text += value_text(line) + "\n";
  }
  return text + "\nverdict: " + value_text(findings.at("verdict")) + "\n";
}

int torture(const CommonOptions& common, bool cluster_named, const TortureOptions& torture) {
  block_ending_signals();
  const Scene scene = set_scene(common, cluster_named, torture);
  make_cluster(scene.trial);
  const Json options = options_json(scene.trial);
  const auto tell = [&](const std::string& text) {
    if (common.output == Output::text) print(common.output, text + "\n", {});
  };
  tell(rows(options));
  const TrialResult findings = Trial{scene.trial, tell}.run();
  Json result{{"options", options}};
  result.update(result_json(findings));
  print(common.output, result_text(result), result);
  if (!findings.violations.empty()) return exit_violated;
  return findings.interrupted_by == 0 ? exit_success : exit_signal + findings.interrupted_by;
}

}  // namespace

Command add_torture(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser =
      tool.add_subcommand("torture", "Try a store out: processes that hold IDs, and faults");
  const auto options = std::make_shared<TortureOptions>();
  add_common_options(*parser, invocation.common);
  CLI::Option* const store = parser->get_option("--store");
  CLI::Option* const cluster = parser->get_option("--cluster");
  cluster->description("A pool for this alone (default: a new one, \"torture-\" and a number)");
  add_parsed(*parser, "--server", options->server, parse_text, "KIND",
             "A store of its own instead of --store: redis, with redis-server from PATH, or "
             "sqlite (the default without --store and WORKERID_STORE)")
      ->check(CLI::IsMember({"redis", "sqlite"}))
      ->excludes(store)
      ->option_text("KIND");
  store->option_text("URL")->description(
      "sqlite:PATH, a path that begins with /, ./ or ../, redis://, rediss:// or unix:// (default: "
      "WORKERID_STORE)");
  add_parsed(*parser, "--server-data", options->data, parse_text, "DATA",
             "What --server redis keeps: none, appendonly (the default) or replica")
      ->check(CLI::IsMember({"none", "appendonly", "replica"}))
      ->option_text("DATA");
  add_parsed(*parser, "--step-clock", options->step_clock, parse_text, "FILE",
             "A library to preload into --server redis that adds to its wall clock the nanoseconds "
             "which stand, as 64 bits, in the file that STEPCLOCK names")
      ->check(CLI::ExistingFile)
      ->option_text("FILE");
  add_parsed(*parser, "--faults", options->faults, parse_text, "LIST",
             "Which faults, separated by commas, or all (default: all but those with a *)");
  add_parsed(*parser, "--seconds", options->seconds, parse_integer<int>, "N",
             "How long faults strike; then all must recover (default: 60)")
      ->check(CLI::Range(1, 86'400))
      ->option_text("N");
  add_parsed(*parser, "--processes", options->processes, parse_integer<int>, "N",
             "How many hold IDs at once (default: 8)")
      ->check(CLI::Range(1, 200))
      ->option_text("N");
  add_parsed(*parser, "--ids", options->ids, parse_integer<int>, "N",
             "How many IDs there are (default: two thirds of --processes, so that they compete)")
      ->check(CLI::Range(1, 500))
      ->option_text("N");
  add_parsed(*parser, "--lease", options->lease, parse_duration, "TIME",
             "How long a lease lasts without being renewed (default: 2s)");
  add_parsed(*parser, "--seed", options->seed, parse_integer<std::uint64_t>, "N",
             "Draw as a run did that printed this seed");
  parser->footer(
      "Processes hold IDs of a cluster of their own and write down when they believed so, while\n"
      "faults strike them, their connections and, with --server, their store. Judged by their\n"
      "notes: whether an ID was held twice at once, came back too early or under a smaller epoch,\n"
      "timestamps were reserved twice, a lease was used after its end, a call came back late; and\n"
      "whether, when the faults are over, all hold an ID again.\n"
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
