// SPDX-License-Identifier: MIT
#include "bench/subject.hpp"
#include "stores/redis/connection.hpp"
#include "stores/redis/redis_url.hpp"
#include "values.hpp"
#include "whole_number.hpp"

#include <workerid/redis_store.hpp>

#include <algorithm>
#include <iostream>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;
using Words = std::vector<std::string>;

// The least that records a lease durably, and in the order in which leases end.
constexpr const char* floor_script =
    "local time = redis.call('TIME') "
    "local now_ms = time[1] * 1000 + math.floor(time[2] / 1000) "
    "redis.call('HSET', KEYS[1], ARGV[1], now_ms) "
    "redis.call('ZADD', KEYS[2], now_ms, ARGV[1]) "
    "return now_ms";

// A connection that takes commands in pipelines. Use from one thread at a time.
class Link {
 public:
  explicit Link(const detail::redis::RedisUrl& url)
      : server_(url.description()),
        tls_(url.tls ? std::optional<detail::redis::TlsContext>(std::in_place, *url.tls, url.host)
                     : std::nullopt),
        connection_(url, tls_ ? &*tls_ : nullptr, deadline()) {}

  std::vector<RedisReply> pipeline(std::span<const Words> commands) {
    constexpr std::size_t at_once = 256;
    std::vector<RedisReply> replies;
    replies.reserve(commands.size());
    while (replies.size() < commands.size()) {
      const auto coming = commands.subspan(replies.size());
      for (auto& answer :
           connection_.change_all(coming.first(std::min(coming.size(), at_once)), deadline())) {
        if (const auto* error = std::get_if<Error>(&answer)) throw *error;
        replies.push_back(std::move(std::get<RedisReply>(answer)));
      }
    }
    return replies;
  }

  // The answer, which must be one of this kind.
  template <class Value>
  Value ask(const Words& words) {
    return expect<Value>(connection_.ask(words, deadline()));
  }

  template <class Value>
  Value expect(const RedisReply& reply) const {
    if (const auto* value = std::get_if<Value>(&reply.value)) return *value;
    const auto* error = std::get_if<RedisReply::ServerError>(&reply.value);
    throw Error(error != nullptr && error->text.starts_with("NOPERM") ? ErrorCode::denied
                                                                      : ErrorCode::unavailable,
                server_ + ": " + (error != nullptr ? error->text : "not the answer expected"));
  }

 private:
  static detail::redis::Deadline deadline() { return detail::redis::deadline_after(bench_timeout); }

  std::string server_;
  std::optional<detail::redis::TlsContext> tls_;
  detail::redis::Connection connection_;
};

// A connection between a store and a pipeline: a call is made once to learn what the store would send,
// and once more to let it judge the answer. So what is measured is what the store really does,
// whatever its commands and answers are.
class Dictation final : public RedisConnection {
 public:
  RedisReply command(const Words& words, milliseconds) override {
    if (answer_ == nullptr) {
      if (words_.empty()) words_ = words;
      throw Error(ErrorCode::unavailable, "only written down");
    }
    // Further commands are about something else than the lease.
    const RedisReply* const answer = std::exchange(answer_, &nothing_);
    return *answer;
  }

  std::string description() const override { return "a pipeline"; }

  // What `store`, which uses this connection, sends in a call.
  Words words_of(Store& store, const Call& call, std::size_t number) {
    answer_ = nullptr;
    words_.clear();
    try {
      call(store, number);
    } catch (const Error&) {
      if (!words_.empty()) return std::move(words_);
      throw;
    }
    throw std::logic_error("a call to measure asked the server nothing");
  }

  void judge(Store& store, const Call& call, std::size_t number, const RedisReply& answer) {
    answer_ = &answer;
    call(store, number);
  }

 private:
  Words words_;
  const RedisReply* answer_ = nullptr;
  const RedisReply nothing_{RedisReply::Nil{}};
};

// The number behind "name:" in what INFO tells.
double figure(const std::string& info, const std::string& name) {
  const std::size_t place = info.find("\n" + name + ":");
  if (place == std::string::npos) {
    throw Error(ErrorCode::unsupported_server, "the server's INFO does not tell " + name);
  }
  return std::stod(info.substr(place + name.size() + 2));
}

std::string fact(const std::string& info, const std::string& name) {
  const std::size_t place = info.find("\n" + name + ":");
  if (place == std::string::npos) return "unknown";
  const std::size_t begin = place + name.size() + 2;
  return info.substr(begin, info.find_first_of("\r\n", begin) - begin);
}

class RedisFloor final : public Floor {
 public:
  RedisFloor(const detail::redis::RedisUrl& url, Words words)
      : link_(url), words_(std::move(words)) {}

  void write(std::size_t member) override {
    words_.back() = std::to_string(member);
    link_.ask<std::int64_t>(words_);
  }

 private:
  Link link_;
  Words words_;
};

class RedisSubject final : public Subject, private Server {
 public:
  RedisSubject(const std::string& url, const std::string& name)
      : Subject(name),
        url_text_(url),
        url_(detail::redis::parse_redis_url(url)),
        dictation_(std::make_shared<Dictation>()),
        pipelined_(open_redis_store(dictation_)) {
    link_ = std::make_unique<Link>(url_);
    load_scripts();
    const std::string prefix = "{workerid:" + cluster() + "}:floor-";
    floor_words_ = {"EVALSHA",
                    link_->ask<std::string>({"SCRIPT", "LOAD", floor_script}),
                    "2",
                    prefix + "hash",
                    prefix + "order",
                    ""};
    calibrate();
  }

  ~RedisSubject() override {
    Words keys = scratch_keys_;
    keys.insert(keys.end(), {floor_words_[3], floor_words_[4]});
    try {
      link_ = std::make_unique<Link>(url_);  // the former one may be broken
      remove(keys);
    } catch (const std::exception& error) {
      std::string names;
      for (const std::string& key : keys) names += " " + key;
      say(Output::text, "the scratch data could not be removed: " + std::string{error.what()} +
                            "; delete" + names);
    }
  }

  Json environment() override {
    const auto info = link_->ask<std::string>({"INFO", "everything"});
    return {{"kind", "redis"},
            {"store", url_.description()},
            {"server", fact(info, "redis_version")},
            {"allocator", fact(info, "mem_allocator")},
            {"appendonly", fact(info, "aof_enabled") == "1"},
            {"clients",
             detail::whole_number<std::int64_t>(fact(info, "connected_clients"), 0, 1'000'000)
                 .value_or(0)}};
  }

  std::shared_ptr<Store> open() override { return open_redis_store(url_text_); }

  void clear() override { remove(scratch_keys_); }

  void make_quickly(std::size_t count, const Call& call) override { pipeline(count, call); }

  Server* server() override { return this; }

  double cpu_us(std::size_t count, const Call& call) override { return pipeline(count, call); }

  double floor_cpu_us(std::size_t count, std::size_t members) override {
    std::vector<Words> commands(count, floor_words_);
    for (Words& words : commands) words.back() = std::to_string(random_() % members);
    std::vector<RedisReply> replies;
    const double cost_us = timed([&] { replies = link_->pipeline(commands); });
    for (const RedisReply& reply : replies) link_->expect<std::int64_t>(reply);
    return cost_us;
  }

  double memory_bytes() override {
    link_ = std::make_unique<Link>(url_);  // its former buffers are not counted
    return figure(link_->ask<std::string>({"INFO", "memory"}), "used_memory");
  }

  void resize_floor(std::size_t members) override {
    remove({floor_words_[3], floor_words_[4]});
    std::vector<Words> commands(members, floor_words_);
    for (std::size_t member = 0; member < members; ++member) {
      commands[member].back() = std::to_string(member);
    }
    link_->pipeline(commands);
  }

  std::unique_ptr<Floor> open_floor() override {
    return std::make_unique<RedisFloor>(url_, floor_words_);
  }

  // Connects; before that is done the server has answered PING, or AUTH where there is a password.
  std::shared_ptr<void> make_first_contact() override { return std::make_shared<Link>(url_); }

  std::optional<std::size_t> connections_left() override {
    const auto info = link_->ask<std::string>({"INFO", "clients"});
    const std::string most = fact(info, "maxclients");
    if (most == "unknown") return std::nullopt;
    const double left = std::stod(most) - figure(info, "connected_clients");
    return left < 0 ? 0 : static_cast<std::size_t>(left);
  }

 private:
  // Makes each kind of call once, so that the server knows its script, and learns the names of the
  // keys before anything is written.
  void load_scripts() {
    const AcquireRequest request = acquisition(cluster(), {});
    const Call acquire = [&](Store& store, std::size_t) { store.acquire(request, bench_timeout); };
    const Words words = dictation_->words_of(*pipelined_, acquire, 0);
    const std::string prefix = "{workerid:" + cluster() + "}";
    const auto count = parse_integer<std::size_t>("EVALSHA", words.at(2));
    for (std::size_t index = 0; index < count; ++index) {
      scratch_keys_.push_back(words.at(3 + index));
      if (!scratch_keys_.back().starts_with(prefix)) {
        throw std::logic_error("the store uses a key of another cluster: " + scratch_keys_.back());
      }
    }
    const auto store = open();
    try {
      const Grant grant = store->acquire(request, bench_timeout);
      store->renew({cluster(), grant.worker_id, request.token, Renewal::held, request.client},
                   bench_timeout);
      store->release({cluster(), grant.worker_id, request.token, true, {}, request.client},
                     bench_timeout);
      clear();
    } catch (...) {
      try {
        clear();
      } catch (const Error&) {  // the first failure says more
      }
      throw;
    }
  }

  // What asking for the processor time costs by itself.
  void calibrate() {
    std::vector<double> costs;
    for (int count = 0; count < 21; ++count) {
      const double before_us = used_cpu_us();
      costs.push_back(used_cpu_us() - before_us);
    }
    std::nth_element(costs.begin(), costs.begin() + 10, costs.end());
    asking_us_ = costs[10];
  }

  double used_cpu_us() {
    const auto info = link_->ask<std::string>({"INFO", "cpu"});
    return 1e6 * (figure(info, "used_cpu_user") + figure(info, "used_cpu_sys"));
  }

  template <class Work>
  double timed(Work work) {
    const double before_us = used_cpu_us();
    work();
    return used_cpu_us() - before_us - asking_us_;
  }

  double pipeline(std::size_t count, const Call& call) {
    std::vector<Words> commands;
    commands.reserve(count);
    for (std::size_t number = 0; number < count; ++number) {
      commands.push_back(dictation_->words_of(*pipelined_, call, number));
    }
    std::vector<RedisReply> replies;
    const double cost_us = timed([&] { replies = link_->pipeline(commands); });
    for (std::size_t number = 0; number < count; ++number) {
      dictation_->judge(*pipelined_, call, number, replies[number]);
    }
    return cost_us;
  }

  // In the background of the server, as far as other callers are concerned; here its end is awaited,
  // for its cost is nobody's.
  void remove(const Words& keys) {
    Words words{"UNLINK"};
    words.insert(words.end(), keys.begin(), keys.end());
    link_->ask<std::int64_t>(words);
    const auto end = std::chrono::steady_clock::now() + bench_timeout;
    const auto pending = [&] {
      return figure(link_->ask<std::string>({"INFO", "memory"}), "lazyfree_pending_objects") > 0;
    };
    while (pending() && std::chrono::steady_clock::now() < end) {
    }
  }

  std::string url_text_;
  detail::redis::RedisUrl url_;
  std::shared_ptr<Dictation> dictation_;
  std::shared_ptr<Store> pipelined_;
  std::unique_ptr<Link> link_;
  Words scratch_keys_;
  Words floor_words_;
  double asking_us_ = 0;
  std::minstd_rand random_;
};

}  // namespace

std::unique_ptr<Subject> make_redis_subject(const std::string& url, const std::string& name) {
  return std::make_unique<RedisSubject>(url, name);
}

}  // namespace workerid::cli
