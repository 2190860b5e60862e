// SPDX-License-Identifier: MIT
#include "stores/redis/cluster_connection.hpp"

#include "stores/redis/server_error.hpp"
#include "whole_number.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace workerid::detail::redis {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// How long one node may keep the others from being asked.
constexpr milliseconds longest_ask = 1s;

constexpr int most_redirections = 5;

const RedisReply::ServerError* server_error_in(const std::variant<RedisReply, Error>& answer) {
  const auto* reply = std::get_if<RedisReply>(&answer);
  return reply ? std::get_if<RedisReply::ServerError>(&reply->value) : nullptr;
}

std::optional<Redirection> redirection_in(const Answers& answers) {
  for (const auto& answer : answers) {
    const auto* error = server_error_in(answer);
    if (error == nullptr) continue;
    if (auto found = redirection(error->text)) return found;
  }
  return std::nullopt;
}

// Who answered may have lost its part of the cluster.
bool casts_doubt(const std::variant<RedisReply, Error>& answer) {
  const auto* error = server_error_in(answer);
  return std::holds_alternative<Error>(answer) ||
         (error != nullptr && (is_cluster_down(error->text) || is_replica(error->text)));
}

// The key of a script decides; nothing else of ours has one.
std::optional<std::uint16_t> slot_of_command(const std::vector<std::string>& words) {
  const bool is_script = words.front() == "EVALSHA" || words.front() == "EVAL";
  if (!is_script || words.size() < 4 || words[2] == "0") return std::nullopt;
  return slot_of(words[3]);
}

std::optional<Endpoint> node_in(const RedisReply& reply) {
  const auto* facts = std::get_if<RedisReply::Array>(&reply.value);
  if (facts == nullptr || facts->size() < 2) return std::nullopt;
  const auto* host = std::get_if<std::string>(&facts->at(0).value);
  const auto* port = std::get_if<std::int64_t>(&facts->at(1).value);
  return port ? told_endpoint(host ? *host : "", *port) : std::nullopt;
}

}  // namespace

// CRC-16/XMODEM, as the Redis Cluster specification has it.
std::uint16_t slot_of(std::string_view key) {
  const std::size_t open = key.find('{');
  const std::size_t close = open == std::string_view::npos ? open : key.find('}', open + 1);
  if (close != std::string_view::npos && close > open + 1) {
    key = key.substr(open + 1, close - open - 1);
  }
  std::uint32_t crc = 0;
  for (const char character : key) {
    crc ^= std::uint32_t{static_cast<unsigned char>(character)} << 8U;
    for (int bit = 0; bit < 8; ++bit) {
      crc = ((crc & 0x8000U) != 0 ? (crc << 1U) ^ 0x1021U : crc << 1U) & 0xffffU;
    }
  }
  return static_cast<std::uint16_t>(crc % hash_slots);
}

// An entry: the first slot, the last, the master, its replicas; each of these: host, port, and more.
std::vector<SlotRange> slot_ranges(const RedisReply& slots) {
  const auto* entries = std::get_if<RedisReply::Array>(&slots.value);
  std::vector<SlotRange> ranges;
  std::int64_t left = hash_slots;  // no slot is served twice
  for (const RedisReply& entry : entries ? *entries : RedisReply::Array{}) {
    const auto* parts = std::get_if<RedisReply::Array>(&entry.value);
    if (parts == nullptr || parts->size() < 3) continue;
    const auto* first = std::get_if<std::int64_t>(&parts->at(0).value);
    const auto* last = std::get_if<std::int64_t>(&parts->at(1).value);
    if (!first || !last || *first < 0 || *last < *first || *last >= hash_slots) continue;
    left -= *last - *first + 1;
    if (left < 0) return {};
    SlotRange range{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last), {}};
    for (std::size_t index = 2; index < parts->size(); ++index) {
      const auto node = node_in(parts->at(index));
      if (node) range.nodes.push_back(*node);
      if (!node && index == 2) break;  // A replica is no master.
    }
    if (!range.nodes.empty()) ranges.push_back(std::move(range));
  }
  return ranges;
}

ClusterConnection::ClusterConnection(Deployment deployment)
    : deployment_(std::move(deployment)), masters_(hash_slots) {
  for (const RedisUrl& url : deployment_.ask) node_at({url.host, url.port}, "");
}

Answers ClusterConnection::send(std::span<const Words> commands, Purpose purpose,
                                milliseconds timeout) {
  const Deadline deadline = deadline_after(timeout);
  if (commands.size() == 1 && commands.front().front() == "SCAN") {
    return {scan(commands.front(), deadline)};
  }
  std::map<std::uint16_t, std::vector<std::size_t>> of_slot;
  std::optional<std::size_t> wait;
  for (std::size_t index = 0; index < commands.size(); ++index) {
    if (commands[index].front() == "WAIT") {
      wait = index;
    } else {
      of_slot[slot_of_command(commands[index]).value_or(0)].push_back(index);
    }
  }
  if (wait && of_slot.empty()) of_slot[0];  // Any node tells whether this user may.
  Answers answers(commands.size(), RedisReply{std::numeric_limits<std::int64_t>::max()});
  for (const auto& [slot, places] : of_slot) {
    std::vector<Words> some;
    for (const std::size_t place : places) some.push_back(commands[place]);
    if (wait) some.push_back(commands[*wait]);
    Answers answered;
    try {
      answered = serve(slot, some, purpose, deadline);
    } catch (const Error& error) {  // This node's alone.
      answered.assign(some.size(), error);
    }
    for (std::size_t index = 0; index < places.size(); ++index) {
      answers[places[index]] = answered[index];
    }
    if (!wait) continue;
    const auto* least = std::get_if<RedisReply>(&answers[*wait]);
    const auto* reply = std::get_if<RedisReply>(&answered.back());
    if (least == nullptr || !std::holds_alternative<std::int64_t>(least->value)) continue;
    const auto* count = reply ? std::get_if<std::int64_t>(&reply->value) : nullptr;
    if (count == nullptr || *count < std::get<std::int64_t>(least->value)) {
      answers[*wait] = answered.back();
    }
  }
  return answers;
}

// Commands for keys of one slot. A redirection repeats them all: each may be repeated (G5).
Answers ClusterConnection::serve(std::uint16_t slot, const std::vector<Words>& commands,
                                 Purpose purpose, Deadline deadline) {
  Node asked;  // The slot is on its way to it.
  for (int redirections = 0;; ++redirections) {
    const Node node = asked ? asked : master_of(slot, deadline);
    Answers answers;
    try {
      if (asked) {
        std::vector<Words> announced;
        for (const Words& words : commands) {
          announced.push_back({"ASKING"});
          announced.push_back(words);
        }
        const Answers with_asking = node->send(announced, purpose, time_left(deadline));
        for (std::size_t index = 1; index < with_asking.size(); index += 2) {
          answers.push_back(with_asking[index]);
        }
      } else {
        answers = node->send(commands, purpose, time_left(deadline));
      }
    } catch (const Error&) {  // It cannot be reached, so nothing was sent.
      doubt();
      if (redirections >= 1) throw;
      asked.reset();
      continue;
    }
    const auto redirected = redirection_in(answers);
    if (!redirected || redirections == most_redirections) {
      if (std::any_of(answers.begin(), answers.end(), casts_doubt)) doubt();
      return answers;
    }
    const Node other = node_at(redirected->node, node->url().host);
    if (redirected->moved) {
      serve_slots(slot, slot, other);
      doubt();
      asked.reset();
    } else {
      asked = other;
    }
  }
}

// The cursor names the master that is scanned, by its place among all.
RedisReply ClusterConnection::scan(Words words, Deadline deadline) {
  master_of(0, deadline);
  std::vector<Node> masters;
  {
    const std::lock_guard lock(mutex_);
    for (const Node& node : masters_) {
      if (node && std::find(masters.begin(), masters.end(), node) == masters.end()) {
        masters.push_back(node);
      }
    }
  }
  std::string& cursor = words.at(1);
  const std::size_t colon = cursor.find(':');
  const std::string named = colon == std::string::npos ? "0" : cursor.substr(0, colon);
  std::size_t place = whole_number<std::size_t>(named, 0, masters.size()).value_or(masters.size());
  cursor = cursor.substr(colon == std::string::npos ? 0 : colon + 1);
  if (place >= masters.size()) {
    throw Error(ErrorCode::unavailable, description() + ": the nodes changed; begin again");
  }
  RedisReply reply = masters[place]->command(words, time_left(deadline));
  auto* page = std::get_if<RedisReply::Array>(&reply.value);
  auto* next = page && !page->empty() ? std::get_if<std::string>(&page->front().value) : nullptr;
  if (next == nullptr) return reply;
  if (*next == "0" && ++place == masters.size()) return reply;
  *next = std::to_string(place) + ":" + *next;
  return reply;
}

ClusterConnection::Node ClusterConnection::master_of(std::uint16_t slot, Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (!doubtful_ && masters_[slot]) return masters_[slot];
  }
  look_up(deadline);
  const std::lock_guard lock(mutex_);
  if (masters_[slot]) return masters_[slot];
  throw Error(ErrorCode::unavailable, description() + ": no node serves the hash slot " +
                                          std::to_string(slot) + "; look at CLUSTER INFO");
}

// Asks one node after the other, not the same one first again, until one tells.
void ClusterConnection::look_up(Deadline deadline) {
  std::vector<Node> to_ask;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [address, node] : nodes_) to_ask.push_back(node);
    const std::size_t first = next_to_ask_++ % to_ask.size();
    std::rotate(to_ask.begin(), to_ask.begin() + static_cast<std::ptrdiff_t>(first), to_ask.end());
  }
  Refusals refusals;
  auto left = static_cast<std::int64_t>(to_ask.size());
  for (const Node& node : to_ask) {
    try {
      const auto share = std::min(longest_ask, time_left(deadline) / (left-- + 1));
      const RedisReply reply = node->command({"CLUSTER", "SLOTS"}, share);
      if (const auto* error = std::get_if<RedisReply::ServerError>(&reply.value)) {
        throw server_error(node->description(), error->text);
      }
      if (learn_from(*node, reply)) return;
      refusals.add({ErrorCode::unavailable, node->description() + " knows no slots"});
    } catch (const Error& error) {
      refusals.add(error);
    }
  }
  const std::lock_guard lock(mutex_);
  const bool knows_some = std::any_of(masters_.begin(), masters_.end(),
                                      [](const Node& node) { return node != nullptr; });
  if (knows_some) return;  // The caller finds out whether it is still so.
  throw refusals.error(description() + ": no node tells the slots");
}

bool ClusterConnection::learn_from(const ConnectionPool& asked, const RedisReply& slots) {
  std::set<Node> known;
  for (const SlotRange& range : slot_ranges(slots)) {
    for (const Endpoint& endpoint : range.nodes) known.insert(node_at(endpoint, asked.url().host));
    serve_slots(range.first, range.last, node_at(range.nodes.front(), asked.url().host));
  }
  if (known.empty()) return false;
  for (const RedisUrl& url : deployment_.ask) known.insert(node_at({url.host, url.port}, ""));
  const std::lock_guard lock(mutex_);
  std::erase_if(nodes_, [&](const auto& entry) { return !known.contains(entry.second); });
  doubtful_ = false;
  return true;
}

void ClusterConnection::serve_slots(std::uint16_t first, std::uint16_t last, const Node& node) {
  const std::lock_guard lock(mutex_);
  std::fill(masters_.begin() + first, masters_.begin() + last + 1, node);
}

// A node that does not know its own host means the one by which it was asked.
ClusterConnection::Node ClusterConnection::node_at(const Endpoint& endpoint,
                                                   const std::string& own_host) {
  RedisUrl url = deployment_.server;
  url.host = endpoint.host.empty() ? own_host : endpoint.host;
  url.port = endpoint.port;
  const std::lock_guard lock(mutex_);
  Node& node = nodes_[url.address()];
  if (!node) node = std::make_shared<ConnectionPool>(url);
  return node;
}

void ClusterConnection::doubt() {
  const std::lock_guard lock(mutex_);
  doubtful_ = true;
}

}  // namespace workerid::detail::redis
