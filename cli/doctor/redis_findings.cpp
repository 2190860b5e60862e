// SPDX-License-Identifier: MIT
#include "doctor/redis_findings.hpp"

#include "answer.hpp"
#include "doctor/cluster_findings.hpp"
#include "stores/redis/info.hpp"
#include "stores/redis/permissions.hpp"
#include "values.hpp"
#include "whole_number.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace workerid::cli {

namespace {

using detail::redis::value_of;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// A count, a time or a size; nothing if it is none, or too large to be reckoned with.
std::optional<std::int64_t> parsed(std::string_view text) {
  constexpr std::int64_t largest = std::int64_t{1} << 60;
  return detail::whole_number<std::int64_t>(text, 0, largest);
}

std::string set(const std::string& setting) {
  return "CONFIG SET " + setting + ", and the same in redis.conf";
}

// ACL SETUSER for an existing user, with these rules.
std::string allow(const std::string& user, const std::string& rules) {
  return "ACL SETUSER " + user + " " + rules;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string digits(double value, const char* format = "%.1f") {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string ms_text(nanoseconds time) {
  const double ms = std::chrono::duration<double, std::milli>(time).count();
  return digits(ms, ms < 1 ? "%.2f" : "%.1f") + " ms";
}

std::string span_text(nanoseconds time) {
  return time < seconds{1} ? ms_text(time) : to_text(std::chrono::round<milliseconds>(time));
}

// A replica as INFO has it: "ip=…,port=…,state=online,offset=…,lag=…".
struct Replica {
  std::string address;
  std::string state;
  std::int64_t offset = 0;
  std::int64_t lag_s = 0;
};

Replica parsed_replica(std::string_view line) {
  const auto field = [line](const std::string& wanted) -> std::string_view {
    const std::size_t place = ("," + std::string{line}).find("," + wanted + "=");
    if (place == std::string::npos) return {};
    const std::string_view value = line.substr(place + wanted.size() + 1);
    return value.substr(0, value.find(','));
  };
  return {std::string{field("ip")} + ":" + std::string{field("port")}, std::string{field("state")},
          parsed(field("offset")).value_or(0), parsed(field("lag")).value_or(0)};
}

bool older_than(std::string_view version, std::int64_t major, std::int64_t minor) {
  const std::size_t dot = version.find('.');
  const std::string_view rest =
      dot == std::string_view::npos ? std::string_view{} : version.substr(dot + 1);
  const auto first = parsed(version.substr(0, dot));
  const auto second = parsed(rest.substr(0, rest.find('.')));
  if (!first) return false;
  return *first < major || (*first == major && second.value_or(0) < minor);
}

std::string product_of(const RedisFacts& facts) {
  if (const auto version = facts.fact("valkey_version")) return "Valkey " + *version;
  if (const auto version = facts.fact("dragonfly_version")) return "Dragonfly " + *version;
  const bool keydb = facts.fact("mvcc_depth").has_value() ||
                     facts.fact("executable").value_or("").find("keydb") != std::string::npos;
  return (keydb ? "KeyDB " : "Redis ") + facts.fact("redis_version").value_or("");
}

Finding judge_fsync(const RedisFacts& facts) {
  const auto policy = facts.setting("appendfsync");
  if (!policy) {
    return {Severity::note, "persistence",
            "appendonly yes; appendfsync is not shown, so what a power cut would lose is unknown"};
  }
  if (*policy == "always") {
    return {Severity::ok, "persistence",
            "appendonly yes, appendfsync always: what was answered is on the disk"};
  }
  if (*policy == "no") {
    return {
        Severity::warning, "persistence",
        "appendfsync no: a crash of the machine may lose half a minute of grants; nothing is "
        "granted for a lease time and a reuse delay then, and timestamps stay unique as long as "
        "wall clocks agree within 60 s",
        set("appendfsync everysec") + ", or always"};
  }
  return {
      Severity::note, "persistence",
      "appendonly yes, appendfsync " + *policy +
          ": a crash of the machine may lose a second of grants; timestamps stay unique as long "
          "as wall clocks agree within 60 s (appendfsync always loses none)"};
}

Finding judge_log(const RedisFacts& facts, bool appends) {
  if (appends) return judge_fsync(facts);
  const auto save = facts.setting("save");
  const std::string then =
      ", and after it nothing is granted for a lease time and a reuse delay; holders keep their "
      "IDs";
  if (save && !save->empty()) {
    return {Severity::warning, "persistence",
            "appendonly no, save \"" + *save +
                "\": a restart loses what was granted since the last snapshot" + then,
            set("appendonly yes")};
  }
  return {Severity::warning, "persistence",
          std::string{"appendonly no"} + (save ? ", save \"\"" : "") + ": a restart " +
              (save ? "forgets all leases" : "forgets leases") + then,
          set("appendonly yes")};
}

}  // namespace

std::optional<std::string> RedisFacts::fact(std::string_view field) const {
  const std::string_view value = value_of(info, field);
  return value.empty() ? std::nullopt : std::optional{std::string{value}};
}

std::optional<std::int64_t> RedisFacts::number(std::string_view field) const {
  return parsed(value_of(info, field));
}

std::optional<std::string> RedisFacts::setting(const std::string& name) const {
  const auto found = settings.find(name);
  return found == settings.end() ? std::nullopt : std::optional{found->second};
}

Finding judge_server(const RedisFacts& facts) {
  const auto version = facts.fact("redis_version");
  if (!version) {
    return {Severity::note, "server", "the server does not tell its version"};
  }
  const std::string product = product_of(facts);
  if (older_than(*version, 6, 2)) {
    return {Severity::error, "server", product + ": older than Redis 6.2, and not supported",
            "install Redis 6.2 or later"};
  }
  return {Severity::ok, "server", product};
}

Findings judge_role(const RedisFacts& facts) {
  Findings findings;
  const auto role = facts.fact("role");
  if (!role) return findings;
  if (*role == "master") {
    findings.push_back({Severity::ok, "role", "master"});
  } else {
    const std::string master =
        facts.fact("master_host").value_or("?") + ":" + facts.fact("master_port").value_or("?");
    const bool down = facts.fact("master_link_status").value_or("") == "down";
    findings.push_back({Severity::error, "role",
                        "replica of " + master + (down ? ", which it has lost" : "") +
                            ": it takes no writes, so nothing can be leased here",
                        "--store with the master's address, " + master});
  }
  if (facts.number("loading").value_or(0) != 0) {
    findings.push_back({Severity::error, "role",
                        "it reads its data and answers nothing until that is done",
                        "none: wait for the end of it"});
  }
  return findings;
}

Findings judge_persistence(const RedisFacts& facts) {
  Findings findings;
  const auto enabled = facts.fact("aof_enabled");
  const auto setting = facts.setting("appendonly");
  if (!enabled && !setting) return findings;
  findings.push_back(judge_log(facts, enabled ? *enabled == "1" : *setting == "yes"));
  const std::string log_written = facts.fact("aof_last_write_status").value_or("ok");
  const std::string saved = facts.fact("rdb_last_bgsave_status").value_or("ok");
  if (log_written != "ok" || saved != "ok") {
    const std::string what = log_written != "ok" ? "its log" : "its last snapshot";
    findings.push_back(
        {Severity::error, "persistence",
         "the server could not write " + what + ", and refuses writes for it (MISCONF)",
         "make room on its disk, allow it to write its directory; its log says why it failed"});
  }
  return findings;
}

Findings judge_memory(const RedisFacts& facts) {
  Findings findings;
  const auto limit = facts.number("maxmemory");
  const auto policy = facts.fact("maxmemory_policy");
  const auto most = limit ? limit : parsed(facts.setting("maxmemory").value_or(""));
  const std::string rule = policy ? *policy : facts.setting("maxmemory-policy").value_or("unknown");
  if (!most) return findings;
  const bool evicts_leases = rule.starts_with("allkeys-");
  const std::string policy_text = "maxmemory-policy " + rule;
  const std::string keep = set("maxmemory-policy noeviction");
  const std::int64_t evicted = facts.number("evicted_keys").value_or(0);
  if (*most == 0) {
    findings.push_back({evicts_leases ? Severity::note : Severity::ok, "eviction",
                        policy_text + ", maxmemory 0: nothing is evicted" +
                            (evicts_leases ? " as long as there is no limit" : ""),
                        evicts_leases ? keep : ""});
    return findings;
  }
  if (evicts_leases) {
    findings.push_back(
        {evicted > 0 ? Severity::error : Severity::warning, "eviction",
         policy_text + ", maxmemory " + bytes_text(static_cast<double>(*most)) + ": the server " +
             (evicted > 0 ? "has evicted " + counted(evicted, "key") + ", and may evict leases"
                          : "may evict leases") +
             "; each time nothing is granted for a lease time and a reuse delay",
         keep + "; or a server for the leases alone"});
  } else if (rule.starts_with("volatile-")) {
    findings.push_back({Severity::note, "eviction",
                        policy_text +
                            ": leases have no time to live and are not evicted; when nothing else "
                            "is left to evict, grants are refused (OOM)"});
  } else {
    findings.push_back({Severity::ok, "eviction", policy_text + ": leases are not evicted"});
  }
  const auto used = facts.number("used_memory");
  if (!used) return findings;
  const std::string fill = bytes_text(static_cast<double>(*used)) + " of maxmemory " +
                           bytes_text(static_cast<double>(*most)) + " used";
  const std::string more = "CONFIG SET maxmemory with a larger value, or remove data";
  if (evicts_leases || *used < *most - *most / 10) {
    findings.push_back({Severity::ok, "memory", fill});
  } else if (*used < *most) {
    findings.push_back({Severity::warning, "memory",
                        fill + ": when it is full, grants are refused (OOM); renewals go on",
                        more});
  } else {
    findings.push_back(
        {Severity::error, "memory", fill + ": grants are refused (OOM); renewals go on", more});
  }
  return findings;
}

Findings judge_replicas(const RedisFacts& facts) {
  Findings findings;
  const auto count = facts.number("connected_slaves");
  if (!count || facts.fact("role").value_or("") != "master") return findings;
  const auto demanded = parsed(facts.setting("min-replicas-to-write").value_or(""));
  const auto max_lag = parsed(facts.setting("min-replicas-max-lag").value_or(""));
  const std::int64_t longest_lag_s = max_lag.value_or(10) > 0 ? max_lag.value_or(10) : 10;
  const std::int64_t written = facts.number("master_repl_offset").value_or(0);
  for (std::int64_t index = 0; index < *count; ++index) {
    const auto line = facts.fact("slave" + std::to_string(index));
    if (!line) break;
    const Replica replica = parsed_replica(*line);
    const std::string behind =
        "replica " + replica.address + ": " + replica.state + ", " +
        bytes_text(static_cast<double>(std::max<std::int64_t>(0, written - replica.offset))) +
        " behind, last heard of " + counted(replica.lag_s, "second") + " ago";
    const bool lags = replica.state != "online" || replica.lag_s > longest_lag_s;
    findings.push_back(
        {lags ? Severity::warning : Severity::ok, "replicas",
         behind + (lags ? ": if it were promoted now, what it lacks would be lost" : ""),
         lags ? "look at this replica and at the network between them" : ""});
  }
  if (*count == 0) {
    findings.push_back({Severity::note, "replicas",
                        "none: while the server is down nothing is renewed, and its data are where "
                        "it is alone"});
  }
  const std::string asked = "min-replicas-to-write " + std::to_string(demanded.value_or(0));
  const auto good = facts.number("min_slaves_good_slaves");
  if (demanded.value_or(0) > 0 && good.value_or(*count) < *demanded) {
    findings.push_back({Severity::error, "min-replicas-to-write",
                        asked + ", and only " + std::to_string(good.value_or(*count)) +
                            " within min-replicas-max-lag: the server refuses writes (NOREPLICAS)",
                        "bring the replicas back, or " + set("min-replicas-to-write 0")});
  } else if (demanded.value_or(0) > 0) {
    findings.push_back({Severity::ok, "min-replicas-to-write",
                        asked + ": a master that is cut off stops granting within " +
                            counted(longest_lag_s, "second") +
                            "; until then both may grant after a fail-over"});
  } else if (demanded && *count > 0) {
    findings.push_back({Severity::warning, "min-replicas-to-write",
                        asked +
                            ": a master that is cut off from its replicas goes on granting after "
                            "one of them was promoted, for as long as it likes",
                        set("min-replicas-to-write 1") + "; or wait_replicas=1 in the URL"});
  }
  return findings;
}

Findings judge_age(const RedisFacts& facts, milliseconds hold_back) {
  const auto uptime_s = facts.number("uptime_in_seconds");
  if (!uptime_s || *uptime_s >= std::chrono::duration_cast<seconds>(hold_back).count()) return {};
  return {{Severity::warning, "hold-back",
           "the server was started " + to_text(seconds{*uptime_s}) +
               " ago and may have lost a cluster that it does not know: the first process waits "
               "until it is as old as a lease time and a reuse delay, " +
               to_text(hold_back) + " by default",
           "--fresh for the first process, if nobody holds an ID of the cluster"}};
}

Permission permission_in(std::string_view server_text) {
  const auto says = [server_text](std::string_view words) {
    return server_text.find(words) != std::string_view::npos;
  };
  if (says("can't run this command") || says("to run the '")) return Permission::command_denied;
  return server_text.starts_with("NOPERM") ? Permission::keys_denied : Permission::granted;
}

Findings judge_access(const RedisAccess& access) {
  Findings findings;
  const std::string who = "user " + access.user + " ";
  const std::string keys = "'" + std::string{detail::redis::needed_keys} + "'";
  const auto rules = [](const std::vector<std::string>& commands) {
    std::string text;
    for (const std::string& command : commands) text += (text.empty() ? "+" : " +") + command;
    return text;
  };
  if (!access.commands_denied.empty()) {
    const bool info_alone = access.commands_denied == std::vector<std::string>{"info"};
    findings.push_back({info_alone ? Severity::warning : Severity::error, "acl",
                        who + "may not run " + joined(access.commands_denied) +
                            (info_alone ? ", without which lost data are not noticed (G7 is off)"
                                        : ": all of it is needed"),
                        allow(access.user, rules(access.commands_denied))});
  }
  if (!access.commands_missing.empty()) {
    findings.push_back({Severity::error, "acl",
                        "the server has no command " + joined(access.commands_missing),
                        "remove its rename-command from redis.conf"});
  }
  if (access.keys_denied) {
    findings.push_back(
        {Severity::error, "acl", who + "may not use the cluster's keys", allow(access.user, keys)});
  }
  if (findings.empty()) {
    const auto tried = detail::redis::needed_commands.size() - access.commands_untried.size();
    findings.push_back(
        {Severity::ok, "acl",
         who + "may run " + std::to_string(tried) + " of the " +
             std::to_string(detail::redis::needed_commands.size()) +
             " commands that are needed, on the cluster's keys" +
             (access.commands_untried.empty()
                  ? ""
                  : "; not tried, since it would write: " + joined(access.commands_untried))});
  }
  findings.push_back({Severity::note, "acl",
                      access.may_configure
                          ? who + "may do more than is needed; a user of its own would do with "
                                  "these commands and keys"
                          : "all that a user needs",
                      "ACL SETUSER " + (access.user == "default" ? "worker" : access.user) +
                          " on '>PASSWORD' " + detail::redis::needed_rules(access.deployment)});
  return findings;
}

Finding judge_proxy(const Error& info_failure) {
  return {Severity::error, "proxy",
          "INFO is not answered, though PING is (" + detail::facts_of(info_failure) +
              "): a proxy such as twemproxy is between, which does not pass on what leases need",
          "--store with the address of the Redis server itself"};
}

Findings judge_refusals(const RedisFacts& facts, const std::string& user) {
  Findings findings;
  const auto denied = [](const std::string& refusal) {
    return permission_in(refusal) != Permission::granted;
  };
  if (!facts.info_refusal.empty()) {
    const bool for_good = denied(facts.info_refusal);
    findings.push_back({Severity::warning, "info",
                        "INFO is refused (" + facts.info_refusal +
                            "): version, role, persistence, memory and replicas cannot be shown" +
                            (for_good ? ", and lost data are not noticed (G7 is off)" : ""),
                        for_good ? allow(user, "+info") : "what the server names"});
  }
  if (!facts.settings_refusal.empty()) {
    findings.push_back(
        {Severity::note, "config",
         "CONFIG GET is refused (" + facts.settings_refusal +
             "): appendfsync, save and min-replicas-to-write cannot be shown",
         denied(facts.settings_refusal)
             ? allow(user, "'+config|get'") + ", for doctor alone: leases do not need it"
             : ""});
  }
  return findings;
}

namespace {

// How far the server's clock is ahead of one of the client's, at least and at most: TIME was read at
// some time between both readings of that.
struct Lead {
  nanoseconds least;
  nanoseconds most;

  // How large it is for certain, whichever sign it has.
  nanoseconds certain() const {
    if (least > nanoseconds::zero()) return least;
    return most < nanoseconds::zero() ? -most : nanoseconds::zero();
  }
};

Lead lead_to_boot(const ClockSample& sample) {
  const nanoseconds server = sample.server.time_since_epoch();
  return {server - sample.received.boot.time_since_epoch(),
          server - sample.sent.boot.time_since_epoch()};
}

// The wall clock is read in whole milliseconds.
Lead lead_to_wall(const ClockSample& sample) {
  const nanoseconds server = sample.server.time_since_epoch();
  return {server - sample.received.wall.time_since_epoch() - milliseconds{1},
          server - sample.sent.wall.time_since_epoch()};
}

nanoseconds round_trip(const ClockSample& sample) {
  return sample.received.boot - sample.sent.boot;
}

Finding judge_difference(std::span<const ClockSample> samples, milliseconds lease_time) {
  const ClockSample& best = *std::min_element(
      samples.begin(), samples.end(), [](const ClockSample& left, const ClockSample& right) {
        return round_trip(left) < round_trip(right);
      });
  const Lead lead = lead_to_wall(best);
  const bool ahead = lead.least > nanoseconds::zero();
  const std::string differs = "the server's wall clock is " + span_text(lead.certain()) +
                              (ahead ? " ahead of" : " behind") + " this machine's";
  constexpr const char* change =
      "synchronise the clocks of both machines (chrony, systemd-timesyncd)";
  if (lead.certain() > seconds{60}) {
    return {
        Severity::error, "clock",
        differs + ": timestamps stay unique after lost data only if wall clocks agree within 60 s",
        change};
  }
  if (lead.certain() > lease_time / 8) {
    return {Severity::warning, "clock",
            differs +
                ", more than an eighth of the lease time: a cluster that nobody uses ages "
                "more slowly than it could",
            change};
  }
  return {Severity::ok, "clock",
          "the server's wall clock and this machine's differ by " +
              span_text(std::max(std::chrono::abs(lead.least), std::chrono::abs(lead.most))) +
              " at the most"};
}

// What a clock that only runs too fast or too slowly is never taken for.
constexpr double fastest_rate = 0.2;
// What the reuse delay makes up for by default.
constexpr double borne_rate = 1.0 / 9;

Finding judge_steps(std::span<const ClockSample> samples, milliseconds lease_time) {
  const nanoseconds watched = samples.back().received.boot - samples.front().sent.boot;
  const std::string time = " in " + span_text(watched) + " and " +
                           counted(static_cast<std::int64_t>(samples.size()), "reading");
  int steps = 0;
  nanoseconds largest{};
  for (std::size_t index = 1; index < samples.size(); ++index) {
    const Lead before = lead_to_boot(samples[index - 1]);
    const Lead after = lead_to_boot(samples[index]);
    const nanoseconds between = samples[index].received.boot - samples[index - 1].sent.boot;
    const auto drift = milliseconds{1} + std::chrono::round<nanoseconds>(between * fastest_rate);
    nanoseconds step{};
    if (after.least - before.most > drift) step = after.least - before.most;
    if (before.least - after.most > drift) step = after.most - before.least;
    if (step == nanoseconds::zero()) continue;
    ++steps;
    if (std::chrono::abs(step) > std::chrono::abs(largest)) largest = step;
  }
  constexpr const char* change =
      "let one program alone set the server's clock, by slewing (chrony: makestep 1 3)";
  if (steps > 0) {
    const bool far = largest > lease_time / 4;
    return {steps > 1 ? Severity::error : Severity::warning, "clock steps",
            "the server's wall clock stepped " + counted(steps, "time") + time + ", the farthest " +
                span_text(std::chrono::abs(largest)) +
                (largest < nanoseconds::zero() ? " back" : " forward") +
                (far ? "; a step counts as a quarter of the lease time at the most" : "") +
                (steps > 1 ? ": steps forward between every two operations can give an ID to two"
                           : ": one such step is borne"),
            change};
  }
  const Lead first = lead_to_boot(samples.front());
  const Lead last = lead_to_boot(samples.back());
  const Lead gained{last.least - first.most, last.most - first.least};
  const double seconds_watched = std::max(1e-9, std::chrono::duration<double>(watched).count());
  const auto rate = [&](nanoseconds gain) {
    return std::chrono::duration<double>(gain).count() / seconds_watched;
  };
  const std::string runs = "no step" + time;
  if (rate(gained.certain()) > borne_rate) {
    return {Severity::error, "clock steps",
            runs + ", but it runs " + digits(100 * rate(gained.certain())) +
                " % too fast or too slowly; 11 % is borne (A3)",
            change};
  }
  if (rate(gained.certain()) > 0.01) {
    return {Severity::warning, "clock steps",
            runs + ", but it runs " + digits(100 * rate(gained.certain())) +
                " % too fast or too slowly; 11 % is borne by default (A3)",
            change};
  }
  return {Severity::ok, "clock steps", runs};
}

}  // namespace

Findings judge_clock(std::span<const ClockSample> samples, milliseconds lease_time) {
  if (samples.empty()) return {};
  return {judge_difference(samples, lease_time), judge_steps(samples, lease_time)};
}

Finding judge_latency(std::span<const ClockSample> samples, milliseconds lease_time) {
  std::vector<nanoseconds> times;
  for (const ClockSample& sample : samples) times.push_back(round_trip(sample));
  std::sort(times.begin(), times.end());
  if (times.empty()) return {Severity::note, "latency", "not measured"};
  const nanoseconds median = times[times.size() / 2];
  const nanoseconds longest = times.back();
  const milliseconds bound = attempt_bound(lease_time);
  const std::string reason = "p50 " + ms_text(median) + ", longest " + ms_text(longest) + " of " +
                             counted(static_cast<std::int64_t>(times.size()), "request") +
                             "; an attempt to renew may take " + to_text(bound);
  constexpr const char* change =
      "a longer --lease (an attempt may take a sixth of it, 5 s at the most), or a server that is "
      "nearer or less busy (SLOWLOG GET)";
  if (longest > bound) {
    return {Severity::error, "latency", reason + ": renewals fail, and leases end for it", change};
  }
  if (2 * longest > bound || 10 * median > bound) {
    return {Severity::warning, "latency", reason + ": too near to it", change};
  }
  return {Severity::ok, "latency", reason};
}

}  // namespace workerid::cli
