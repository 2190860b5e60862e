// SPDX-License-Identifier: MIT
#include "cancellation.hpp"
#include "stores/redis/cluster_connection.hpp"
#include "stores/redis/connection_pool.hpp"
#include "stores/redis/guarantee.hpp"
#include "stores/redis/packed.hpp"
#include "stores/redis/redis_url.hpp"
#include "stores/redis/scripts.hpp"
#include "stores/redis/sentinel_connection.hpp"
#include "stores/redis/server_error.hpp"
#include "stores/redis/sha1.hpp"
#include "stores/stored_values.hpp"

#include <workerid/redis_store.hpp>
#include <workerid/rules.hpp>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

namespace workerid {

namespace {

using detail::redis::Deadline;
using detail::redis::Script;
using detail::redis::time_left;
using detail::redis::Topology;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Words = std::vector<std::string>;

// What a script answered: a packed grant, or an array that begins with a word. Its shape is checked
// where it is read, for it came from outside.
class Answer {
 public:
  Answer(const RedisReply& reply, const RedisConnection& connection) : connection_(&connection) {
    if (const auto* packed = std::get_if<std::string>(&reply.value)) {
      grant_ = unpacked_grant(*packed);
    } else {
      array_ = expect<RedisReply::Array>(reply);
    }
  }

  const std::optional<Grant>& grant() const noexcept { return grant_; }

  const std::string& word() const { return text(0); }
  std::int64_t number(std::size_t index) const { return expect<std::int64_t>(at(index)); }
  std::int64_t number(std::size_t index, std::int64_t least, std::int64_t most) const {
    const std::int64_t value = number(index);
    if (value < least || value > most) refuse_number(value);
    return value;
  }
  WorkerId worker_id(std::size_t index) const { return number(index, 0, largest_worker_id); }
  std::int64_t epoch(std::size_t index) const {
    return number(index, 1, static_cast<std::int64_t>(largest_epoch));
  }
  milliseconds time(std::size_t index) const {
    constexpr std::int64_t largest = detail::largest_time_ms - 1;
    return milliseconds{number(index, -largest, largest)};
  }
  milliseconds wait(std::size_t index) const {
    return milliseconds{number(index, 0, detail::largest_time_ms - 1)};
  }
  // Where a SCAN goes on: a number, behind the place of a node in a Redis Cluster.
  const std::string& cursor(std::size_t index) const {
    constexpr std::size_t longest = 40;
    const std::string& cursor = text(index);
    if (cursor.empty() || cursor.size() > longest ||
        cursor.find_first_not_of("0123456789:") != std::string::npos) {
      refuse_shape();
    }
    return cursor;
  }
  const std::string& text(std::size_t index) const { return expect<std::string>(at(index)); }
  std::size_t size() const noexcept { return array_.size(); }
  Answer array(std::size_t index) const { return {at(index), *connection_}; }
  std::string server() const { return connection_->description(); }

  [[noreturn]] void refuse_shape() const {
    throw Error(
        ErrorCode::unsupported_server,
        server() + " gave a reply of the wrong shape; a Redis server 6.2 or later is needed");
  }

 private:
  const RedisReply& at(std::size_t index) const {
    if (index >= array_.size()) refuse_shape();
    return array_[index];
  }

  template <class Value>
  const Value& expect(const RedisReply& reply) const {
    const auto* value = std::get_if<Value>(&reply.value);
    if (value == nullptr) refuse_shape();
    return *value;
  }

  [[noreturn]] void refuse_number(std::int64_t value) const {
    throw Error(ErrorCode::corrupt_record,
                server() + " answered with the number " + std::to_string(value) +
                    ", which makes no sense there; see whether a Redis server answers");
  }

  Grant unpacked_grant(std::string_view packed) const {
    const auto numbers = detail::redis::unpacked(packed, 5);
    if (!numbers) refuse_shape();
    if (numbers->at(1) < 0) refuse_number(numbers->at(1));
    return {numbers->at(0), static_cast<std::uint64_t>(numbers->at(1)),
            TimestampRange{numbers->at(2), numbers->at(3)}, milliseconds{numbers->at(4)}};
  }

  const RedisConnection* connection_;
  std::optional<Grant> grant_;
  RedisReply::Array array_;
};

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string number(std::int64_t value) {
  return std::to_string(value);
}

std::string text(const Configuration& configuration) {
  return "worker IDs " + number(configuration.min_worker_id) + " to " +
         number(configuration.max_worker_id) + ", lease " +
         number(configuration.lease_time.count()) + " ms, reuse delay " +
         number(configuration.reuse_delay.count()) + " ms, cool-down " +
         number(configuration.cool_down.count()) + " ms";
}

Configuration configuration_of(const Answer& answer, std::size_t index) {
  return {answer.worker_id(index), answer.worker_id(index + 1), answer.wait(index + 2),
          answer.wait(index + 3), answer.wait(index + 4)};
}

// What every operation may be refused for: the data is not ours.
[[noreturn]] void refuse_data(const Answer& answer, const std::string& which) {
  const std::string& word = answer.word();
  if (word == "damaged") {
    throw Error(ErrorCode::corrupt_record,
                which + " on " + answer.server() + ": in the key " + answer.text(1) + ", " +
                    answer.text(2) +
                    " is missing or wrong; restore the data, or delete all keys of the cluster "
                    "when nobody holds one of its IDs");
  }
  if (word == "other_format") {
    throw Error(ErrorCode::unsupported_server,
                which + " on " + answer.server() + " has the format " + number(answer.number(1)) +
                    "; this library knows " + number(answer.number(2)) +
                    ", so use the version of it that wrote the data");
  }
  if (word == "holding_back") {
    std::string facts = which + ": " + answer.server() + " may have lost data, so for " +
                        number(answer.wait(1).count()) +
                        " ms more nothing is granted, and those who still hold an ID keep it";
    if (answer.number(2, 0, 1) != 0) facts += rules::fresh_advice;
    throw Error(ErrorCode::holding_back, facts, answer.wait(1));
  }
  answer.refuse_shape();
}

[[noreturn]] void refuse_acquisition(const Answer& answer, const AcquireRequest& request) {
  const std::string which = "cluster " + quoted(request.cluster);
  const std::string& word = answer.word();
  if (word == "other_configuration") {
    throw Error(ErrorCode::configuration_mismatch,
                which + " has " + text(configuration_of(answer, 1)) + "; this process asked for " +
                    text(request.configuration));
  }
  if (word == "token_used_up") {
    throw Error(ErrorCode::invalid_token,
                which + ": the lease of this token was released; a token serves one acquisition");
  }
  if (word == "outside_range") {
    throw Error(ErrorCode::invalid_worker_id,
                which + ": the worker ID of this token is outside its range, " +
                    number(answer.worker_id(1)) + " to " + number(answer.worker_id(2)));
  }
  if (word == "all_taken") {
    throw Error(ErrorCode::no_available_id,
                which + ": all of its " + number(answer.number(1, 1, largest_worker_id + 1)) +
                    " worker IDs are taken; the next may come free in " +
                    number(answer.wait(2).count()) + " ms",
                answer.wait(2));
  }
  refuse_data(answer, which);
}

// What renew, release and evict are refused for.
[[noreturn]] void refuse_lease(const Answer& answer, const std::string& cluster,
                               WorkerId worker_id) {
  const std::string which = "worker ID " + number(worker_id) + " of cluster " + quoted(cluster);
  const std::string& word = answer.word();
  if (word == "unknown_cluster") {
    throw Error(ErrorCode::not_assigned, which + ": the store knows no cluster of this name");
  }
  if (word == "outside_range") {
    throw Error(ErrorCode::invalid_worker_id, which + ": the cluster's worker IDs are " +
                                                  number(answer.worker_id(1)) + " to " +
                                                  number(answer.worker_id(2)));
  }
  if (word == "never_granted") {
    throw Error(ErrorCode::not_assigned, which + ": it was never granted");
  }
  if (word == "released_by_another") {
    throw Error(ErrorCode::not_assigned, which + ": it was granted to another and released");
  }
  if (word == "granted_to_another") {
    throw Error(ErrorCode::token_mismatch,
                which + ": it was granted to another, under epoch " + number(answer.epoch(1)));
  }
  if (word == "released_before") {
    throw Error(ErrorCode::not_assigned, which + ": it was released, or its holder evicted");
  }
  if (word == "another_epoch") {
    throw Error(ErrorCode::not_assigned,
                which + ": its lease has another epoch, " + number(answer.epoch(1)));
  }
  if (word == "free") throw Error(ErrorCode::not_assigned, which + ": nobody holds it");
  if (word == "of_former_incarnation") {
    throw Error(
        ErrorCode::token_expired,
        which + ": the store may have lost data since it was granted; get another worker ID");
  }
  if (word == "ended") {
    throw Error(ErrorCode::token_expired,
                which + ": its lease ended " + number(answer.wait(1).count()) + " ms ago");
  }
  refuse_data(answer, which);
}

std::string renewal_word(Renewal renewal) {
  switch (renewal) {
    case Renewal::strict:
      return "strict";
    case Renewal::held:
      return "held";
    case Renewal::resume:
      return "resume";
  }
  throw Error(ErrorCode::invalid_argument, "the kind of renewal is none of the known ones");
}

std::string packed(const Configuration& configuration) {
  return detail::redis::packed({configuration.min_worker_id, configuration.max_worker_id,
                                configuration.lease_time.count(), configuration.reuse_delay.count(),
                                configuration.cool_down.count()});
}

std::string packed(const ClientTime& client) {
  const auto boot = std::chrono::floor<milliseconds>(client.moment.boot.time_since_epoch()).count();
  return detail::redis::packed({client.moment.wall.time_since_epoch().count(), boot}) +
         client.machine;
}

std::string packed(const Token& token) {
  return {token.bytes().begin(), token.bytes().end()};
}

// As the record of a lease begins.
std::string lease_word(const Token& token) {
  return '\0' + packed(token);
}

// A list in braces would be copied.
template <class... Texts>
Words words_of(Texts&&... texts) {
  Words words;
  words.reserve(sizeof...(texts));
  (words.emplace_back(std::forward<Texts>(texts)), ...);
  return words;
}

// A script that tells these sections of INFO.
constexpr const char* tell_all = R"lua(
local all = ''
for _, section in ipairs(ARGV) do all = all .. redis.call('INFO', section) end
return all
)lua";

// All keys of a cluster are in one hash slot of a Redis Cluster.
Words keys(const std::string& cluster) {
  const std::string prefix = "{workerid:" + cluster + "}:";
  return words_of(prefix + "cluster", prefix + "order", prefix + "instances");
}

class RedisStore final : public Store {
 public:
  RedisStore(std::shared_ptr<RedisConnection> connection, std::int32_t wait_replicas,
             Topology topology)
      : connection_(std::move(connection)), wait_replicas_(wait_replicas), topology_(topology) {}

  std::string description() const override { return connection_->description(); }

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds timeout) override {
    const Configuration& configuration = request.configuration;
    const Deadline deadline = detail::redis::deadline_after(timeout);
    const Words words{packed(request.token), packed(configuration), packed(request.client),
                      request.instance,      request.owner,         claims(request)};
    Words told = words;
    // Asked twice where the server does not know the cluster, and more often while it restarts.
    for (int tries = 0; tries < 4; ++tries) {
      const auto [answer, asked_at, marked] = ask_to_acquire(request.cluster, told, deadline);
      if (answer.grant()) {
        may_acquire_ = true;
        if (marked == true) return noted_by_others(*answer.grant(), request.cluster, asked_at);
        return noted(*answer.grant(), request.cluster, deadline);
      }
      if (answer.word() != "unknown_cluster") refuse_acquisition(answer, request);
      forget_mark(request.cluster);
      told = words;
      if (marked) told.push_back(*marked ? "seen" : answer.text(1));
    }
    throw Error(ErrorCode::unavailable,
                description() + ": it restarts again and again, or does not tell whether it does");
  }

  Grant do_renew(const RenewRequest& request, milliseconds timeout) override {
    const Deadline deadline = detail::redis::deadline_after(timeout);
    return renewed(run(detail::redis::renew_script, request.cluster, renew_words(request),
                       Keep::on_replicas, deadline),
                   request, deadline);
  }

  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        milliseconds timeout) override {
    const Deadline deadline = detail::redis::deadline_after(timeout);
    const Script& script = detail::redis::renew_script;
    std::vector<Words> commands;
    for (const RenewRequest& request : requests) {
      commands.push_back(script_words(script, request.cluster, renew_words(request)));
    }
    const auto replies = run_all(script, std::move(commands), Keep::on_replicas, deadline);
    std::vector<RenewAnswer> answers;
    for (std::size_t index = 0; index < requests.size(); ++index) {
      try {
        answers.emplace_back(renewed(answer_in(replies[index]), requests[index], deadline));
      } catch (const Error& error) {
        answers.emplace_back(error);
      }
    }
    return answers;
  }

  Grant do_restore(const RestoreRequest& request, milliseconds timeout) override {
    const auto& [worker_id, epoch, reserved, lease_time] = request.grant;
    const Words words{detail::redis::packed({worker_id, static_cast<std::int64_t>(epoch),
                                             reserved.first_ms, reserved.last_ms}),
                      packed(request.token),
                      packed(request.configuration),
                      packed(request.client),
                      request.instance,
                      request.owner};
    const Deadline deadline = detail::redis::deadline_after(timeout);
    const Answer answer =
        run(detail::redis::restore_script, request.cluster, words, Keep::on_replicas, deadline);
    if (!answer.grant()) refuse_lease(answer, request.cluster, worker_id);
    return noted(*answer.grant(), request.cluster, deadline);
  }

  void do_release(const ReleaseRequest& request, milliseconds timeout) override {
    const Words words{detail::redis::packed_id(request.worker_id), lease_word(request.token),
                      request.strict ? "1" : "0",
                      request.last_timestamp_ms ? number(*request.last_timestamp_ms) : "",
                      packed(request.client)};
    const Answer answer = run(detail::redis::release_script, request.cluster, words,
                              Keep::on_master, detail::redis::deadline_after(timeout));
    if (answer.word() == "released") return;
    if (answer.word() == "timestamp_above" && request.last_timestamp_ms) {
      throw Error(ErrorCode::invalid_argument, "the last timestamp used, " +
                                                   number(*request.last_timestamp_ms) +
                                                   ", is above the reserved ones, which end at " +
                                                   number(answer.time(1).count()));
    }
    refuse_lease(answer, request.cluster, request.worker_id);
  }

  std::optional<ClusterView> do_inspect(const std::string& cluster, milliseconds timeout) override {
    return look(cluster, {}, timeout);
  }

  std::optional<LeaseView> do_former_lease(const std::string& cluster, const std::string& instance,
                                           milliseconds timeout) override {
    const auto view = look(cluster, instance, timeout);
    // The index of instances may name a lease that is of another by now.
    if (!view || view->leases.empty() || view->leases.front().instance != instance) return {};
    return view->leases.front();
  }

  // All leases of a cluster, or that of an instance. Page by page, so that a large cluster never keeps
  // the server from its other callers. A record that changes its place meanwhile comes twice: the later
  // reading counts.
  std::optional<ClusterView> look(const std::string& cluster, const std::string& instance,
                                  milliseconds timeout) {
    const Deadline deadline = detail::redis::deadline_after(timeout);
    std::map<WorkerId, LeaseView> leases;
    ClusterView view;
    std::string cursor = "0";
    do {
      const Words words{cursor, "250", packed(ClientTime{}), instance};
      const Answer page =
          run(detail::redis::inspect_script, cluster, words, Keep::nothing, deadline);
      if (page.word() == "unknown_cluster") return std::nullopt;
      if (page.word() != "page") refuse_data(page, "cluster " + quoted(cluster));
      cursor = page.cursor(1);
      const rules::StoreTime time{page.time(3), {}};
      const Answer rows = page.array(2);
      for (std::size_t index = 0; index < rows.size(); ++index) {
        const rules::Record record = record_of(rows.array(index));
        detail::check_stored(record, description());
        const LeaseView lease = rules::view(record, time);
        leases[lease.worker_id] = lease;
      }
      rules::Cluster stored = rules::new_cluster(configuration_of(page, 7));
      stored.last_epoch = static_cast<std::uint64_t>(page.number(4));
      stored.granted = page.number(5);
      stored.hold_back_until = page.time(6);
      detail::check_stored(stored, description());
      view = rules::view(stored, time);
    } while (cursor != "0");
    for (auto& [worker_id, lease] : leases) view.leases.push_back(std::move(lease));
    return view;
  }

  // Batch by batch, so that a large database never keeps the server from its other callers.
  std::vector<std::string> do_clusters(milliseconds timeout) override {
    const Deadline deadline = detail::redis::deadline_after(timeout);
    const std::string every = keys("*").front();
    const std::size_t before = every.find('*');
    const std::size_t around = every.size() - 1;
    std::vector<std::string> names;
    std::string cursor = "0";
    do {
      const Answer batch =
          answer_in(send({"SCAN", cursor, "MATCH", every, "COUNT", "1000"}, deadline));
      cursor = batch.cursor(0);
      const Answer found = batch.array(1);
      for (std::size_t index = 0; index < found.size(); ++index) {
        const std::string& key = found.text(index);
        if (key.size() <= around) batch.refuse_shape();
        const std::string name = key.substr(before, key.size() - around);
        if (is_cluster_name(name)) names.push_back(name);
      }
    } while (cursor != "0");
    return names;
  }

  Configuration do_resize(const ResizeRequest& request, milliseconds timeout) override {
    const Words words{detail::redis::packed({request.min_worker_id, request.max_worker_id}),
                      packed(request.client)};
    const Answer answer = run(detail::redis::resize_script, request.cluster, words,
                              Keep::on_replicas, detail::redis::deadline_after(timeout));
    if (answer.word() == "resized") return configuration_of(answer, 1);
    const std::string which = "cluster " + quoted(request.cluster);
    if (answer.word() == "unknown_cluster") {
      throw Error(ErrorCode::invalid_argument, which + ": the store knows no cluster of this name");
    }
    refuse_data(answer, which);
  }

  milliseconds do_evict(const EvictRequest& request, milliseconds timeout) override {
    const Words words{detail::redis::packed_id(request.worker_id),
                      detail::redis::packed({static_cast<std::int64_t>(request.epoch)}),
                      packed(request.client)};
    const Answer answer = run(detail::redis::evict_script, request.cluster, words,
                              Keep::on_replicas, detail::redis::deadline_after(timeout));
    if (answer.word() == "evicted") return answer.wait(1);
    refuse_lease(answer, request.cluster, request.worker_id);
  }

  // Other data may have keys of that form.
  static bool is_cluster_name(const std::string& name) {
    try {
      check_cluster_name(name);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  // Says how the server is set up, as far as it tells.
  Guarantee do_guarantee(milliseconds timeout) override {
    const RedisReply reply =
        send({"EVAL", tell_all, "0", "server", "replication", "memory", "persistence", "cluster"},
             detail::redis::deadline_after(timeout));
    if (const auto* error = error_in(reply)) {
      const Error failure = detail::redis::server_error(description(), error->text);
      const bool unknown_user =
          error->text.starts_with("NOAUTH") || error->text.starts_with("WRONGPASS");
      if (failure.error_code() != ErrorCode::denied || unknown_user) throw failure;
    }
    const auto* facts = std::get_if<std::string>(&reply.value);
    return detail::redis::guarantee_of(facts == nullptr ? std::string{} : *facts, topology_,
                                       wait_replicas_);
  }

  // Fresh and what is known of the permissions, the seen epoch, and what a takeover names.
  std::string claims(const AcquireRequest& request) const {
    const auto& [tokens, epoch] = request.takeover;
    std::string words(1, static_cast<char>((request.fresh ? 1 : 0) + (may_acquire_ ? 2 : 0)));
    words += detail::redis::packed(
        {static_cast<std::int64_t>(request.seen_epoch), static_cast<std::int64_t>(epoch)});
    for (const Token& token : tokens) words += packed(token);
    return words;
  }

  static rules::Record record_of(const Answer& row) {
    return {.worker_id = row.number(0),
            .token = {},
            .epoch = static_cast<std::uint64_t>(row.number(1)),
            .instance = row.text(7),
            .owner = row.text(8),
            .lease_end = row.time(2),
            .free_at = row.time(3),
            .reserved = {row.number(4), row.number(5)},
            .released = row.number(6, 0, 1) != 0};
  }

  static Words renew_words(const RenewRequest& request) {
    return words_of(detail::redis::packed_id(request.worker_id), lease_word(request.token),
                    renewal_word(request.renewal), packed(request.client));
  }

  Grant renewed(const Answer& answer, const RenewRequest& request, Deadline deadline) {
    if (!answer.grant()) refuse_lease(answer, request.cluster, request.worker_id);
    return noted(*answer.grant(), request.cluster, deadline);
  }

  static Words script_words(const Script& script, const std::string& cluster, Words arguments) {
    Words names = keys(cluster);
    Words words = words_of("EVALSHA", script.sha1, number(static_cast<int>(names.size())));
    words.reserve(words.size() + names.size() + arguments.size());
    std::move(names.begin(), names.end(), std::back_inserter(words));
    std::move(arguments.begin(), arguments.end(), std::back_inserter(words));
    return words;
  }

  using Reply = std::variant<RedisReply, Error>;

  // Where what a script did has to be before its answer counts; `nothing` for one that only reads.
  enum class Keep { nothing, on_master, on_replicas };

  // One round trip for all, as far as the connection sends them together; two more when the server
  // has not seen the script since it started: one request brings it along for the others.
  std::vector<Reply> run_all(const Script& script, std::vector<Words> commands, Keep keep,
                             Deadline deadline) {
    std::vector<Reply> replies = send_all(commands, keep, deadline);
    std::vector<std::size_t> unknown = unknown_script_in(replies);
    while (!unknown.empty()) {
      Words& first = commands[unknown.front()];
      bring_along(script, first);
      replies[unknown.front()] = send_all({&first, 1}, keep, deadline).front();
      std::vector<Words> others;
      for (std::size_t index = 1; index < unknown.size(); ++index) {
        others.push_back(commands[unknown[index]]);
      }
      const std::vector<Reply> again = send_all(others, keep, deadline);
      for (std::size_t index = 0; index < again.size(); ++index) {
        replies[unknown[index + 1]] = again[index];
      }
      std::vector<std::size_t> still;
      for (const std::size_t index : unknown_script_in(again)) still.push_back(unknown[index + 1]);
      unknown = std::move(still);
    }
    return replies;
  }

  static void bring_along(const Script& script, Words& command) {
    command[0] = "EVAL";
    command[1] = script.text;
  }

  static std::vector<std::size_t> unknown_script_in(const std::vector<Reply>& replies) {
    std::vector<std::size_t> places;
    for (std::size_t index = 0; index < replies.size(); ++index) {
      const auto* reply = std::get_if<RedisReply>(&replies[index]);
      const auto* error = reply == nullptr ? nullptr : error_in(*reply);
      if (error && detail::redis::is_unknown_script(error->text)) places.push_back(index);
    }
    return places;
  }

  // One reply for each command, whatever the connection returns or throws. One that only reads comes
  // by itself.
  std::vector<Reply> send_all(std::span<const Words> commands, Keep keep, Deadline deadline) {
    if (commands.empty()) return {};
    const milliseconds left = time_left(deadline);
    if (left <= milliseconds::zero()) return std::vector<Reply>(commands.size(), too_late());
    try {
      if (keep == Keep::nothing) return {connection_->command(commands.front(), left)};
      if (keep == Keep::on_master || wait_replicas_ == 0) {
        return complete(connection_->commands(commands, left), commands.size());
      }
      if (!may_wait_) prove_wait(left);
      std::vector<Words> with_wait(commands.begin(), commands.end());
      with_wait.push_back({"WAIT", number(wait_replicas_), number(waiting_ms(left))});
      return kept(complete(connection_->commands(with_wait, left), with_wait.size()));
    } catch (const Error& error) {
      return std::vector<Reply>(commands.size(), error);
    }
  }

  // Who may not WAIT must not have written anything when that shows.
  void prove_wait(milliseconds timeout) {
    const RedisReply reply = connection_->command({"WAIT", "0", "0"}, timeout);
    if (const auto* error = error_in(reply)) {
      throw detail::redis::server_error(description(), error->text);
    }
    may_wait_ = true;
  }

  std::vector<Reply> complete(std::vector<Reply> replies, std::size_t count) const {
    if (replies.size() != count) {
      replies.resize(
          count, Error(ErrorCode::outcome_unknown, description() + ": a command was not answered"));
    }
    return replies;
  }

  // The server gives up early enough for its answer to come in time.
  static std::int64_t waiting_ms(milliseconds left) {
    return std::max<std::int64_t>(1, left.count() * 3 / 4);
  }

  // The last reply says how many replicas have all that the others granted. What too few of them have
  // may be lost with the master, or not: nobody may rely on it, and all of it may be repeated (G5).
  std::vector<Reply> kept(std::vector<Reply> replies) const {
    const Reply last = std::move(replies.back());
    replies.pop_back();
    const auto* reply = std::get_if<RedisReply>(&last);
    const auto* count = reply ? std::get_if<std::int64_t>(&reply->value) : nullptr;
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (count != nullptr && *count >= wait_replicas_ && *count <= most) return replies;
    for (Reply& each : replies) {
      const auto* answered = std::get_if<RedisReply>(&each);
      if (answered != nullptr && error_in(*answered) == nullptr) each = not_kept(last);
    }
    return replies;
  }

  Error not_kept(const Reply& wait) const {
    if (const auto* error = std::get_if<Error>(&wait)) {
      return {ErrorCode::outcome_unknown, error->what()};
    }
    const auto& reply = std::get<RedisReply>(wait);
    if (const auto* error = error_in(reply)) {
      return {ErrorCode::outcome_unknown,
              detail::redis::server_error(description(), error->text).what()};
    }
    const auto* count = std::get_if<std::int64_t>(&reply.value);
    return {ErrorCode::outcome_unknown,
            description() + ": " + (count ? number(*count) : "none") + " of " +
                number(wait_replicas_) +
                " replicas (wait_replicas) acknowledged it in time; look at the replicas' links, "
                "or lower wait_replicas"};
  }

  Answer answer_in(const Reply& reply) const {
    if (const auto* error = std::get_if<Error>(&reply)) throw *error;
    return answer_in(std::get<RedisReply>(reply));
  }

  Answer answer_in(const RedisReply& reply) const {
    if (const auto* error = error_in(reply)) {
      throw detail::redis::server_error(description(), error->text);
    }
    return {reply, *connection_};
  }

  Error too_late() const {
    return {ErrorCode::unavailable, description() + ": the time was over before the request"};
  }

  Answer run(const Script& script, const std::string& cluster, Words arguments, Keep keep,
             Deadline deadline) {
    std::vector<Words> commands;
    commands.push_back(script_words(script, cluster, std::move(arguments)));
    return answer_in(run_all(script, std::move(commands), keep, deadline).front());
  }

  struct Acquired {
    Answer answer;
    steady_clock::time_point asked_at;
    std::optional<bool> marked;  // If it was asked, and said so.
  };

  // Asks for the cluster's mark in the same write: a process that starts need not wait for another
  // answer, neither where others came before, nor where the server does not know the cluster.
  Acquired ask_to_acquire(const std::string& cluster, const Words& arguments, Deadline deadline) {
    const bool asks_for_mark = is_mark_due(cluster);
    std::vector<Words> commands;
    commands.push_back(script_words(detail::redis::acquire_script, cluster, arguments));
    if (asks_for_mark) {
      commands.push_back(
          {"EVALSHA", detail::redis::sha1_hex(mark(cluster)), "1", keys(cluster).front()});
    }
    const auto asked_at = steady_clock::now();
    std::vector<Reply> replies = send_all(commands, Keep::on_replicas, deadline);
    std::optional<bool> marked;
    if (const auto* reply = asks_for_mark ? std::get_if<RedisReply>(&replies[1]) : nullptr) {
      const auto* error = error_in(*reply);
      if (error == nullptr) marked = true;
      if (error != nullptr && detail::redis::is_unknown_script(error->text)) marked = false;
    }
    commands.resize(1);
    replies.resize(1);
    if (!unknown_script_in(replies).empty()) {
      bring_along(detail::redis::acquire_script, commands.front());
      replies = send_all(commands, Keep::on_replicas, deadline);
    }
    return {answer_in(replies.front()), asked_at, marked};
  }

  // A script that does nothing. In the server's script cache, which FLUSHALL and eviction leave alone
  // and a restart empties, it says that the cluster was used in this life of the server (G7).
  static std::string mark(const std::string& cluster) {
    return "return 1 -- workerid knows the cluster " + cluster;
  }

  bool is_mark_due(const std::string& cluster) {
    const std::lock_guard lock(mutex_);
    const auto due = mark_due_.find(cluster);
    return due == mark_due_.end() || steady_clock::now() >= due->second;
  }

  void forget_mark(const std::string& cluster) {
    const std::lock_guard lock(mutex_);
    mark_due_.erase(cluster);
  }

  // The grant; the cluster was found marked behind it, after `asked_at`.
  Grant noted_by_others(const Grant& grant, const std::string& cluster,
                        steady_clock::time_point asked_at) {
    const std::lock_guard lock(mutex_);
    mark_due_[cluster] = asked_at + grant.lease_time / 5;
    return grant;
  }

  // The grant; marks the cluster at the first renewal after each fifth of the lease time. A server that
  // is younger than that is known to be young for longer than what it granted unmarked can last.
  Grant noted(const Grant& grant, const std::string& cluster, Deadline deadline) {
    const auto now = steady_clock::now();
    {
      const std::lock_guard lock(mutex_);
      auto& due = mark_due_[cluster];
      if (now < due || now >= deadline) return grant;
      due = now + grant.lease_time / 5;
    }
    bool marked = false;
    try {
      const RedisReply reply = send({"EVAL", mark(cluster), "1", keys(cluster).front()}, deadline);
      marked = error_in(reply) == nullptr;
    } catch (const Error&) {  // the next renewal tries again
    }
    if (!marked) forget_mark(cluster);
    return grant;
  }

  RedisReply send(const Words& words, Deadline deadline) {
    const milliseconds left = time_left(deadline);
    if (left <= milliseconds::zero()) throw too_late();
    return connection_->command(words, left);
  }

  static const RedisReply::ServerError* error_in(const RedisReply& reply) {
    return std::get_if<RedisReply::ServerError>(&reply.value);
  }

  const std::shared_ptr<RedisConnection> connection_;
  const std::int32_t wait_replicas_;
  const Topology topology_;
  std::atomic<bool> may_acquire_ = false;  // The user was allowed what that takes.
  std::atomic<bool> may_wait_ = false;
  std::mutex mutex_;
  std::map<std::string, steady_clock::time_point> mark_due_;
};

}  // namespace

std::vector<std::variant<RedisReply, Error>> RedisConnection::commands(
    std::span<const std::vector<std::string>> commands, milliseconds timeout) {
  const Deadline deadline = detail::redis::deadline_after(timeout);
  std::vector<std::variant<RedisReply, Error>> answers;
  for (const Words& words : commands) {
    const milliseconds left = time_left(deadline);
    try {
      if (left <= milliseconds::zero()) {
        throw Error(ErrorCode::unavailable,
                    description() + ": the time was over before the request");
      }
      answers.emplace_back(command(words, left));
    } catch (const Error& error) {
      answers.emplace_back(error);
    }
  }
  return answers;
}

std::shared_ptr<Store> open_redis_store(std::string_view url) {
  using namespace detail::redis;
  const detail::CancellationHeldOff held_off;  // it may read files of certificates
  Deployment deployment = parse_deployment(url);
  const Topology topology = deployment.topology;
  const std::int32_t wait_replicas = deployment.wait_replicas;
  std::shared_ptr<RedisConnection> connection;
  if (topology == Topology::sentinel) {
    connection = std::make_shared<SentinelConnection>(std::move(deployment));
  } else if (topology == Topology::cluster) {
    connection = std::make_shared<ClusterConnection>(std::move(deployment));
  } else {
    connection = std::make_shared<ConnectionPool>(std::move(deployment.server));
  }
  return std::make_shared<RedisStore>(std::move(connection), wait_replicas, topology);
}

std::shared_ptr<Store> open_redis_store(std::shared_ptr<RedisConnection> connection) {
  if (!connection) throw Error(ErrorCode::invalid_argument, "the Redis connection is empty");
  return std::make_shared<RedisStore>(std::move(connection), 0, Topology::single);
}

}  // namespace workerid
