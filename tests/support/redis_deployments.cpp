// SPDX-License-Identifier: MIT
#include "support/redis_deployments.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace workerid::tests {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// Generous: it counts only when something is broken.
void wait_until(const std::string& what, const std::function<bool()>& holds) {
  const auto deadline = steady_clock::now() + 120s;
  while (!holds()) {
    if (steady_clock::now() > deadline) throw std::runtime_error("in vain waited until " + what);
    std::this_thread::sleep_for(20ms);
  }
}

// As wait_until(), for what `act` brings about, which is done again and again.
void act_until(const std::string& what, std::chrono::seconds pause,
               const std::function<void()>& act, const std::function<bool()>& holds) {
  auto next = steady_clock::now();
  wait_until(what, [&] {
    if (holds()) return true;
    if (steady_clock::now() >= next) {
      act();
      next = steady_clock::now() + pause;
    }
    return false;
  });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The lines of what redis-cli prints.
std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) found.push_back(line);
  return found;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t number = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++number;
  }
  return number;
}

std::string listed(const std::string& host, const std::vector<std::uint16_t>& ports) {
  std::string addresses;
  for (const std::uint16_t port : ports) {
    addresses += (addresses.empty() ? "" : ",") + host + ":" + std::to_string(port);
  }
  return addresses;
}

// Where a server takes its clients: on the port for TLS if it has one.
std::uint16_t client_port(const RedisServer& server) {
  const auto tls = lines(server.cli({"CONFIG", "GET", "tls-port"}));
  const int port = tls.size() == 2 ? std::stoi(tls[1]) : 0;
  return port == 0 ? server.port() : static_cast<std::uint16_t>(port);
}

std::vector<std::string> with(std::vector<std::string> words,
                              const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// A TLS port of its own for each server that is to have one.
std::vector<std::string> with_own_tls_port(std::vector<std::string> arguments) {
  const auto found = std::find(arguments.begin(), arguments.end(), "--tls-port");
  if (found != arguments.end()) *(found + 1) = std::to_string(free_port());
  return arguments;
}

}  // namespace

Sentinel::Sentinel(std::uint16_t master_port, const std::vector<std::string>& settings)
    : port_(free_port()) {
  const std::filesystem::path file = directory_.path() / "sentinel.conf";
  const std::string socket = directory_.path() / "redis.sock";
  const bool tls = std::any_of(settings.begin(), settings.end(), [](const std::string& line) {
    return line.starts_with("tls-cert-file");
  });
  std::ofstream output(file);
  output << "bind 127.0.0.1\n"
         << (tls ? "port 0\ntls-port " : "port ") << port_ << "\nunixsocket " << socket << "\ndir "
         << directory_.path().string() << "\nsentinel monitor jobs 127.0.0.1 " << master_port
         << " 2\nsentinel down-after-milliseconds jobs 1000\nsentinel failover-timeout jobs 3000\n"
            "sentinel parallel-syncs jobs 2\n";
  for (const std::string& line : settings) output << line << '\n';
  output.close();
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"redis-server", file.string(), "--sentinel"});
}

std::string Sentinel::cli(std::vector<std::string> words) const {
  words.insert(words.begin(), {"redis-cli", "-s", directory_.path() / "redis.sock", "--raw"});
  Process process(std::move(words));
  process.wait();
  return process.output();
}

WatchedRedis::WatchedRedis(const std::vector<std::string>& server_arguments,
                           const std::vector<std::string>& sentinel_settings) {
  const std::vector<std::string> arguments = with(
      {"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}, server_arguments);
  servers_.push_back(std::make_unique<RedisServer>(with_own_tls_port(arguments)));
  const std::uint16_t port = client_port(*servers_.front());
  for (int replica = 0; replica < 2; ++replica) {
    servers_.push_back(std::make_unique<RedisServer>(
        with_own_tls_port(with(arguments, {"--replicaof", "127.0.0.1 " + std::to_string(port)}))));
  }
  for (int sentinel = 0; sentinel < 3; ++sentinel) {
    sentinels_.push_back(std::make_unique<Sentinel>(port, sentinel_settings));
  }
  wait_until_whole();
}

std::string WatchedRedis::sentinel_addresses(const std::string& host) const {
  std::vector<std::uint16_t> ports;
  for (const auto& sentinel : sentinels_) ports.push_back(sentinel->port());
  return listed(host, ports);
}

std::uint16_t WatchedRedis::master_port(const Sentinel& sentinel) const {
  const auto address = lines(sentinel.cli({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "jobs"}));
  return address.size() < 2 ? std::uint16_t{0} : static_cast<std::uint16_t>(std::stoi(address[1]));
}

RedisServer& WatchedRedis::master() {
  const std::uint16_t port = master_port(*sentinels_.front());
  for (const auto& server : servers_) {
    if (server->port() == port || client_port(*server) == port) return *server;
  }
  throw std::runtime_error("the sentinels name no server of ours");
}

std::vector<RedisServer*> WatchedRedis::replicas() {
  const RedisServer& leader = master();
  std::vector<RedisServer*> found;
  for (const auto& server : servers_) {
    if (server.get() != &leader) found.push_back(server.get());
  }
  return found;
}

void WatchedRedis::wait_for_another_master(std::uint16_t port) {
  wait_until("all sentinels name another master", [&] {
    return std::all_of(sentinels_.begin(), sentinels_.end(), [&](const auto& sentinel) {
      const std::uint16_t named = master_port(*sentinel);
      return named != 0 && named != port;
    });
  });
}

void WatchedRedis::wait_until_whole() {
  wait_until("the master has two replicas that the sentinels know", [&] {
    for (const auto& sentinel : sentinels_) {
      const std::string replicas = sentinel->cli({"SENTINEL", "REPLICAS", "jobs"});
      if (count(replicas, "master-link-status\nok") != 2) return false;
      if (contains(replicas, "s_down") || contains(replicas, "disconnected")) return false;
      const std::string facts = sentinel->cli({"SENTINEL", "MASTER", "jobs"});
      if (!contains(facts, "num-other-sentinels\n2") || !contains(facts, "flags\nmaster\n")) {
        return false;
      }
      if (master_port(*sentinel) != master_port(*sentinels_.front())) return false;
    }
    return count(master().cli({"INFO", "replication"}), "state=online") == 2;
  });
}

ClusteredRedis::ClusteredRedis(const std::vector<std::string>& server_arguments) {
  constexpr std::size_t masters = 3;
  std::vector<std::uint16_t> bus_ports;
  for (std::size_t node = 0; node < 2 * masters; ++node) {
    bus_ports.push_back(free_port());
    nodes_.push_back(std::make_unique<RedisServer>(with_own_tls_port(
        with({"--cluster-enabled", "yes", "--cluster-port", std::to_string(bus_ports.back()),
              "--cluster-node-timeout", "1000", "--cluster-allow-replica-migration", "no",
              "--repl-diskless-sync-delay", "0"},
             server_arguments))));
  }
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    nodes_[node]->cli({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(node + 1)});
  }
  constexpr std::size_t slots = 16384;
  for (std::size_t node = 0; node < masters; ++node) {
    nodes_[node]->cli({"CLUSTER", "ADDSLOTSRANGE", std::to_string(slots * node / masters),
                       std::to_string(slots * (node + 1) / masters - 1)});
  }
  // Who does not get to know another within a second gives it up.
  const auto meet = [&] {
    for (const auto& node : nodes_) {
      node->cli({"CLUSTER", "MEET", "127.0.0.1", std::to_string(client_port(*nodes_.front())),
                 std::to_string(bus_ports.front())});
    }
  };
  act_until("all nodes know each other", 3s, meet, [&] {
    return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
      const std::string info = node->cli({"CLUSTER", "INFO"});
      return contains(info, "cluster_known_nodes:6") && contains(info, "cluster_state:ok");
    });
  });
  for (std::size_t node = masters; node < nodes_.size(); ++node) {
    const std::string master = name(*nodes_[node - masters]);
    wait_until("a replica knows its master", [&] {
      return nodes_[node]->cli({"CLUSTER", "REPLICATE", master}) == "OK";
    });
  }
  wait_until_whole();
}

std::string ClusteredRedis::addresses(const std::string& host) const {
  std::vector<std::uint16_t> ports;
  for (std::size_t node = 0; node < 3; ++node) ports.push_back(client_port(*nodes_[node]));
  return listed(host, ports);
}

std::string ClusteredRedis::slot(const std::string& cluster) const {
  for (const auto& node : nodes_) {
    if (!node->runs()) continue;
    return node->cli({"CLUSTER", "KEYSLOT", "{workerid:" + cluster + "}:cluster"});
  }
  throw std::runtime_error("no node of the Redis Cluster runs");
}

// As each node tells of itself: one that is stopped or gone tells nothing.
RedisServer& ClusteredRedis::serving(std::size_t slot, std::uint16_t not_port) {
  RedisServer* found = nullptr;
  wait_until("a node serves the slot", [&] {
    for (const auto& node : nodes_) {
      if (node->port() == not_port || !node->runs()) continue;
      for (const std::string& line : lines(node->cli({"CLUSTER", "NODES"}))) {
        if (!contains(line, "myself,master")) continue;
        // ID address flags master ping pong epoch link-state slot slot …
        std::istringstream words(line);
        std::string word;
        for (int skipped = 0; skipped < 8; ++skipped) words >> word;
        while (words >> word) {
          if (word.front() == '[') continue;  // on its way
          const std::size_t dash = word.find('-');
          const std::size_t first = std::stoul(word);
          const std::size_t last =
              dash == std::string::npos ? first : std::stoul(word.substr(dash + 1));
          if (slot >= first && slot <= last) found = node.get();
        }
      }
    }
    return found != nullptr;
  });
  return *found;
}

RedisServer& ClusteredRedis::master_of(const std::string& cluster) {
  return serving(std::stoul(slot(cluster)), 0);
}

RedisServer& ClusteredRedis::other_master(const std::string& cluster) {
  const std::size_t elsewhere = (std::stoul(slot(cluster)) + 16384 / 2) % 16384;
  return serving(elsewhere, 0);
}

void ClusteredRedis::wait_for_another_master(const std::string& cluster, std::uint16_t port) {
  serving(std::stoul(slot(cluster)), port);
}

// A server gives a fail-over up after five seconds, and refuses one while it has no connection to its
// master: on a machine that stood still for a moment, either happens.
void ClusteredRedis::fail_over(const std::string& cluster) {
  const std::uint16_t former = master_of(cluster).port();
  const auto order = [&] {
    for (const auto& node : nodes_) {
      const std::string info = node->cli({"INFO", "replication"});
      if (contains(info, "master_port:" + std::to_string(former))) {
        node->cli({"CLUSTER", "FAILOVER"});
      }
    }
  };
  act_until("a replica takes its master's place as it is told", 6s, order,
            [&] { return master_of(cluster).port() != former; });
}

void ClusteredRedis::wait_for_replica_of(std::size_t master) {
  wait_until("a replica takes its master's place",
             [&] { return nodes_.at(master + 3)->cli({"ROLE"}).starts_with("master"); });
}

void ClusteredRedis::wait_until_whole() {
  wait_until("every master of the Redis Cluster has its replica", [&] {
    for (const auto& node : nodes_) {
      const std::string info = node->cli({"INFO", "replication"});
      if (!contains(node->cli({"CLUSTER", "INFO"}), "cluster_state:ok")) return false;
      if (contains(node->cli({"CLUSTER", "NODES"}), "fail")) return false;
      if (contains(info, "role:master") ? !contains(info, "state=online")
                                        : !contains(info, "master_link_status:up")) {
        return false;
      }
    }
    return true;
  });
}

}  // namespace workerid::tests
