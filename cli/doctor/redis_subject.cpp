// SPDX-License-Identifier: MIT
#include "doctor/cluster_findings.hpp"
#include "doctor/redis_findings.hpp"
#include "doctor/subject.hpp"
#include "stores/redis/cluster_connection.hpp"
#include "stores/redis/connection_pool.hpp"
#include "stores/redis/permissions.hpp"
#include "stores/redis/redis_url.hpp"
#include "stores/redis/sentinel_connection.hpp"
#include "stores/redis/server_error.hpp"
#include "whole_number.hpp"

#include <workerid/redis_store.hpp>

#include <algorithm>
#include <sstream>
#include <thread>
#include <utility>

namespace workerid::cli {

namespace {

using detail::redis::NeededCommand;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Words = std::vector<std::string>;

// Enough for a median, whatever the time.
constexpr std::size_t fewest_samples = 5;
constexpr milliseconds between_samples{20};

const RedisReply::ServerError* error_in(const RedisReply& reply) {
  return std::get_if<RedisReply::ServerError>(&reply.value);
}

std::optional<std::int64_t> number_in(const RedisReply& reply, std::int64_t most) {
  const auto* text = std::get_if<std::string>(&reply.value);
  return text ? detail::whole_number<std::int64_t>(*text, 0, most) : std::nullopt;
}

// The server that has the cluster's keys, spoken to as the store does; in a Redis Cluster it alone,
// so that all that is told is told of one server.
std::shared_ptr<RedisConnection> connection_to(const detail::redis::Deployment& deployment,
                                               const std::string& cluster) {
  using namespace detail::redis;
  if (deployment.topology == Topology::sentinel) {
    return std::make_shared<SentinelConnection>(deployment);
  }
  if (deployment.topology == Topology::single) {
    return std::make_shared<ConnectionPool>(deployment.server);
  }
  auto nodes = std::make_shared<ClusterConnection>(deployment);
  const std::uint16_t slot = slot_of("{workerid:" + cluster + "}:cluster");
  for (const SlotRange& range : slot_ranges(nodes->command({"CLUSTER", "SLOTS"}, call_timeout))) {
    const Endpoint& master = range.nodes.front();
    if (slot < range.first || slot > range.last || master.host.empty()) continue;
    RedisUrl server = deployment.server;
    server.host = master.host;
    server.port = master.port;
    return std::make_shared<ConnectionPool>(std::move(server));
  }
  return nodes;
}

class RedisExamination {
 public:
  explicit RedisExamination(const Examination& examination) : examination_(examination) {
    access_.deployment = detail::redis::parse_deployment(examination.place);
    const auto& deployment = access_.deployment;
    connection_ = connection_to(deployment, examination.cluster);
    // What a URL says beside where one server is, only a store that is opened by it knows.
    const bool plain =
        deployment.topology == detail::redis::Topology::single && deployment.wait_replicas == 0;
    store_ = plain ? open_redis_store(connection_) : open_redis_store(examination.place);
    const auto& credentials = access_.deployment.server.credentials;
    access_.user = credentials && !credentials->user.empty() ? credentials->user : "default";
  }

  Findings findings() {
    try {
      ask_info();
    } catch (const Error& error) {
      send({"PING"});  // Throws where there is no server at all.
      return {judge_proxy(error)};
    }
    Findings findings;
    const auto part = [&](const std::string& topic, const auto& work) {
      try {
        work();
      } catch (const Error& error) {
        findings.push_back(judge_failure(topic, error));
      }
    };
    part("config", [&] { ask_settings(); });
    part("acl", [&] { try_permissions(); });
    part("cluster", [&] { seen_.first = look(); });
    const auto looked = steady_clock::now();
    part("latency", [&] { watch(); });
    part("guarantee", [&] { guarantee_ = judge_guarantee(store_->guarantee(call_timeout)); });
    // What failed at the first look is not said twice.
    if (seen_.first) part("cluster", [&] { seen_.second = look(); });
    seen_.apart = steady_clock::now() - looked;
    return judged(std::move(findings));
  }

 private:
  RedisReply send(const Words& words) { return connection_->command(words, call_timeout); }

  std::optional<ClusterView> look() {
    auto view = store_->inspect(examination_.cluster, call_timeout);
    looked_ = true;
    return view;
  }

  void ask_info() {
    const RedisReply reply = send({"INFO"});
    if (const auto* info = std::get_if<std::string>(&reply.value)) facts_.info = *info;
    if (const auto* error = error_in(reply)) {
      facts_.info_refusal = detail::redis::shown(error->text);
    }
  }

  void ask_settings() {
    std::vector<Words> commands;
    commands.reserve(settings_asked.size());
    for (const std::string_view name : settings_asked) {
      commands.push_back({"CONFIG", "GET", std::string{name}});
    }
    for (const auto& answer : connection_->commands(commands, call_timeout)) {
      if (const auto* failure = std::get_if<Error>(&answer)) throw *failure;
      const auto& reply = std::get<RedisReply>(answer);
      if (const auto* error = error_in(reply)) {
        facts_.settings_refusal = detail::redis::shown(error->text);
      }
      const auto* pair = std::get_if<RedisReply::Array>(&reply.value);
      if (pair == nullptr || pair->size() != 2) continue;
      const auto* name = std::get_if<std::string>(&pair->at(0).value);
      const auto* value = std::get_if<std::string>(&pair->at(1).value);
      if (name != nullptr && value != nullptr) facts_.settings[*name] = *value;
    }
    access_.may_configure = facts_.settings_refusal.empty();
  }

  // A word of `NeededCommand::harmless` as it is sent.
  std::string sent_word(const std::string& word) const {
    const std::string prefix = "{workerid:" + examination_.cluster + "}:";
    if (word == "CLUSTER") return prefix + "cluster";
    if (word == "ORDER") return prefix + "order";
    if (word == "INSTANCES") return prefix + "instances";
    return word == "NOTHING" ? prefix + "nothing" : word;
  }

  // A script that says at its beginning that it writes nothing is not let: what the server answers to
  // a command that would is the refusal of this user, or of any.
  Words in_script(const Words& words) const {
    Words script{"EVAL", "#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV)).err", "1",
                 words.at(1)};
    script.insert(script.end(), words.begin(), words.end());
    return script;
  }

  void try_permissions() {
    std::vector<Words> commands;
    for (const NeededCommand& needed : detail::redis::needed_commands) {
      Words words{std::string{needed.name}};
      std::istringstream rest{std::string{needed.harmless}};
      for (std::string word; rest >> word;) words.push_back(sent_word(word));
      commands.push_back(needed.always_writes ? in_script(words) : words);
    }
    const auto answers = connection_->commands(commands, call_timeout);
    for (std::size_t index = 0; index < answers.size(); ++index) {
      if (const auto* failure = std::get_if<Error>(&answers[index])) throw *failure;
      note_permission(detail::redis::needed_commands.at(index),
                      std::get<RedisReply>(answers[index]));
    }
  }

  void note_permission(const NeededCommand& needed, const RedisReply& reply) {
    const std::string name{needed.name};
    const auto* error = error_in(reply);
    const auto* told = std::get_if<std::string>(&reply.value);
    std::string text = error != nullptr ? error->text : "";
    if (needed.always_writes) {
      if (told == nullptr) {
        access_.commands_untried.push_back(name);
        return;
      }
      text = *told;
    }
    switch (permission_in(text)) {
      case Permission::command_denied:
        access_.commands_denied.push_back(name);
        return;
      case Permission::keys_denied:
        // Who may use the keys themselves need not be allowed others.
        if (needed.harmless.find("NOTHING") == std::string_view::npos) access_.keys_denied = true;
        return;
      case Permission::granted:
        break;
    }
    if (text.starts_with("ERR unknown command") || text.starts_with("ERR Unknown")) {
      access_.commands_missing.push_back(name);
    }
  }

  void watch() {
    const auto end = steady_clock::now() + examination_.watch;
    while (samples_.size() < fewest_samples || steady_clock::now() < end) {
      if (!samples_.empty() && steady_clock::now() < end) {
        std::this_thread::sleep_for(between_samples);
      }
      const Moment sent = boottime_clock()->now();
      const RedisReply reply = send({"TIME"});
      const Moment received = boottime_clock()->now();
      const auto* parts = std::get_if<RedisReply::Array>(&reply.value);
      if (parts == nullptr || parts->size() != 2) return;  // refused, which try_permissions says
      constexpr std::int64_t latest_s = 9'000'000'000;     // in nanoseconds it still fits
      const auto whole = number_in(parts->at(0), latest_s);
      const auto fraction = number_in(parts->at(1), 999'999);
      if (!whole || !fraction) return;
      const microseconds since{*whole * 1'000'000 + *fraction};
      samples_.push_back({sent, received, std::chrono::sys_time<microseconds>{since}});
    }
  }

  Findings judged(Findings failures) {
    const ClusterView* view = seen_.first ? &*seen_.first : nullptr;
    const Configuration configuration = view != nullptr ? view->configuration : Configuration{};
    Findings findings{judge_server(facts_)};
    append(findings, judge_refusals(facts_, access_.user));
    if (guarantee_) findings.push_back(*guarantee_);
    append(findings, judge_role(facts_));
    append(findings, judge_persistence(facts_));
    append(findings, judge_memory(facts_));
    append(findings, judge_replicas(facts_));
    append(findings, judge_clock(samples_, configuration.lease_time));
    findings.push_back(judge_latency(samples_, configuration.lease_time));
    append(findings, judge_access(access_));
    if (looked_) {
      append(findings, judge_cluster(seen_));
      if (view == nullptr) {
        append(findings, judge_age(facts_, configuration.lease_time + configuration.reuse_delay));
      }
    }
    append(findings, std::move(failures));
    return findings;
  }

  const Examination& examination_;
  std::shared_ptr<RedisConnection> connection_;
  std::shared_ptr<Store> store_;
  RedisFacts facts_;
  RedisAccess access_;
  ClusterSightings seen_{examination_.cluster, {}, {}, {}};
  bool looked_ = false;
  std::vector<ClockSample> samples_;
  std::optional<Finding> guarantee_;
};

}  // namespace

Findings examine_redis(const Examination& examination) {
  return RedisExamination{examination}.findings();
}

}  // namespace workerid::cli
