// SPDX-License-Identifier: MIT
#include "bench/measure.hpp"

#include "bench/figures.hpp"
#include "bench/herd.hpp"
#include "bench/ways.hpp"

#include <workerid/generator.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>
#include <malloc.h>
#include <map>
#include <random>
#include <stdexcept>
#include <utility>

namespace workerid::cli {

namespace {

using std::chrono::steady_clock;

sigset_t limit_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&signals, number);
  return signals;
}

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

ClientTime client_now() {
  return {boottime_clock()->now(), "bench"};
}

struct Granted {
  WorkerId worker_id = 0;
  Token token;
  std::int64_t first_timestamp_ms = 0;
};

// The leases of a scratch cluster.
class Pool {
 public:
  Pool(Subject& subject, WorkerId size)
      : subject_(subject), configuration_(scratch_configuration(size)) {
    subject_.clear();
  }

  std::size_t size() const noexcept {
    return static_cast<std::size_t>(configuration_.max_worker_id);
  }
  std::size_t held() const noexcept { return held_.size(); }

  // How calls are made: each of these takes one that makes `count` of them.
  template <class Make>
  void acquire(std::size_t count, Make make) {
    const std::vector<AcquireRequest> requests = acquisitions(count);
    std::vector<Granted> granted(count);
    make(count, [&](Store& store, std::size_t number) {
      const Grant grant = store.acquire(requests[number], bench_timeout);
      granted[number] = {grant.worker_id, requests[number].token, grant.reserved.first_ms};
    });
    held_.insert(held_.end(), granted.begin(), granted.end());
  }

  // Asks for what is not there.
  template <class Make>
  void be_refused(std::size_t count, Make make) {
    const std::vector<AcquireRequest> requests = acquisitions(count);
    make(count, [&](Store& store, std::size_t number) {
      try {
        store.acquire(requests[number], bench_timeout);
      } catch (const Error& error) {
        if (error.error_code() == ErrorCode::no_available_id) return;
        throw;
      }
      throw std::runtime_error("a full pool granted an ID");
    });
  }

  template <class Make>
  void renew(std::size_t count, Make make) {
    std::vector<RenewRequest> requests;
    requests.reserve(count);
    for (std::size_t number = 0; number < count; ++number) {
      const Granted& held = held_[random_() % held_.size()];
      requests.push_back(
          {subject_.cluster(), held.worker_id, held.token, Renewal::held, client_now()});
    }
    make(count,
         [&](Store& store, std::size_t number) { store.renew(requests[number], bench_timeout); });
  }

  // Random ones, as a lease does whose timestamps nobody used.
  template <class Make>
  void release(std::size_t count, Make make) {
    std::vector<ReleaseRequest> requests;
    requests.reserve(count);
    for (std::size_t number = 0; number < count; ++number) {
      std::swap(held_[random_() % held_.size()], held_.back());
      const Granted& held = held_.back();
      requests.push_back({subject_.cluster(), held.worker_id, held.token, false,
                          held.first_timestamp_ms - 1, client_now()});
      held_.pop_back();
    }
    make(count,
         [&](Store& store, std::size_t number) { store.release(requests[number], bench_timeout); });
  }

  // Brings the number of leases to `count`, unmeasured; returns early at the limit.
  void fill(std::size_t count, Limit& limit) {
    constexpr std::size_t at_once = 1024;
    const auto quickly = [this](std::size_t calls, const Call& call) {
      subject_.make_quickly(calls, call);
    };
    while (held() < count && !limit.reached()) {
      acquire(std::min(at_once, count - held()), quickly);
    }
    while (held() > count && !limit.reached()) {
      release(std::min(at_once, held() - count), quickly);
    }
  }

  // As if it was never used.
  void begin_anew() {
    subject_.clear();
    held_.clear();
  }

 private:
  std::vector<AcquireRequest> acquisitions(std::size_t count) const {
    std::vector<AcquireRequest> requests;
    requests.reserve(count);
    while (requests.size() < count) {
      requests.push_back(acquisition(subject_.cluster(), configuration_));
    }
    return requests;
  }

  Subject& subject_;
  Configuration configuration_;
  std::vector<Granted> held_;
  std::minstd_rand random_;
};

enum Kind : std::size_t { acquire, renew, release, floor_write, kinds };
constexpr std::array<const char*, kinds> kind_names{"acquire", "renew", "release", "floor"};

using Tallies = std::array<Tally, kinds>;

// What the rounds gave for one kind of call.
struct Series {
  std::vector<double> latencies_us;  // of all rounds
  std::vector<double> latency_medians_us;
  std::vector<double> throughputs_per_s;
  std::vector<double> server_cpus_us;
};

class Measurement {
 public:
  Measurement(Subject& subject, const BenchOptions& options, Limit& limit)
      : subject_(subject), options_(options), limit_(limit) {}

  Json perform() {
    // The herd is first: a process that has threads cannot be copied by fork(2).
    Json result{{"herd", nullptr}, {"crowd", nullptr}, {"many_leases", nullptr}};
    if (options_.herd > 0) result["herd"] = unless_refused("herd", [&] { return herd(); });
    if (options_.crowd > 0) result["crowd"] = unless_refused("crowd", [&] { return crowd(); });
    if (options_.herd > 0) result["many_leases"] = many_leases();
    single_ = one_by_one(subject_);
    crowd_ = by_a_crowd(subject_, options_.connections);
    if (Server* const server = subject_.server()) pipeline_ = pipelined(*server);
    for (const WorkerId size : options_.pools) measure_pool(size);
    result["pools"] = std::move(pools_);
    result["results"] = std::move(results_);
    result["left_out"] = std::move(left_out_);
    return result;
  }

 private:
  void leave_out(const std::string& what, const std::string& why) {
    left_out_.push_back(what + ": " + why);
  }

  // Nothing if there cannot be so many, which is said.
  template <class Work>
  Json unless_refused(const std::string& what, Work work) {
    try {
      return work();
    } catch (const TooMany& error) {
      leave_out(what, error.what());
      return nullptr;
    }
  }

  // Many processes that start at once in a cluster that nobody has used, beside as many that do the
  // least they can.
  Json herd() {
    if (!subject_.is_for_processes()) return nullptr;
    subject_.resize_floor(1);
    std::vector<Start> starts;
    std::vector<double> seconds;
    std::vector<double> floors_seconds;
    std::vector<double> latencies_us;
    // Many processes are slow where they disturb each other: the rest is to be measured, too.
    const auto end = steady_clock::now() + options_.time / 4;
    const auto rounds = static_cast<std::size_t>(options_.rounds);
    while (starts.size() < rounds && (starts.empty() || steady_clock::now() < end)) {
      auto floor = start_processes(subject_, options_.herd, Deed::first_contact, limit_);
      if (!floor) break;
      subject_.clear();
      auto start = start_processes(subject_, options_.herd, Deed::acquire, limit_);
      if (!start) break;
      check_floor(*floor);
      seconds.push_back(start->seconds);
      floors_seconds.push_back(floor->seconds);
      for (const Outcome& outcome : start->outcomes) latencies_us.push_back(outcome.latency_us);
      starts.push_back(std::move(*start));
    }
    subject_.clear();
    if (starts.empty()) {
      leave_out("herd", limit_.reason());
      return nullptr;
    }
    if (starts.size() < rounds) {
      leave_out("herd, after " + std::to_string(starts.size()) + " rounds",
                limit_.reached() ? limit_.reason() : "a quarter of the time was over (--seconds)");
    }
    Json json{{"processes", options_.herd},
              {"rounds", starts.size()},
              {"seconds", spread(seconds)},
              {"floor_seconds", spread(floors_seconds)},
              {"ratio", spread(ratios(seconds, floors_seconds))}};
    json.update(summary(starts));
    json["latency_us"] = latency(latencies_us);
    return json;
  }

  static void check_floor(const Start& floor) {
    for (const Outcome& outcome : floor.outcomes) {
      if (!outcome.failure.empty()) {
        throw TooMany("a process of the floor failed: " + outcome.message);
      }
    }
  }

  // Many connections of one process that ask at once in a cluster that nobody has used.
  Json crowd() {
    if (limit_.reached()) {
      leave_out("crowd", limit_.reason());
      return nullptr;
    }
    subject_.clear();
    const Start start = start_threads(subject_, options_.crowd);
    std::vector<double> latencies_us;
    for (const Outcome& outcome : start.outcomes) latencies_us.push_back(outcome.latency_us);
    subject_.clear();
    Json json{{"connections", options_.crowd}, {"seconds", start.seconds}};
    json.update(summary({start}));
    json["latency_us"] = latency(latencies_us);
    return json;
  }

  // Not what is resident: room that was given back before would hide what is taken.
  static double allocated_bytes() {
    const auto allocator = ::mallinfo2();
    return static_cast<double>(allocator.uordblks + allocator.hblkhd);
  }

  // One process that holds many leases, each of which renews itself.
  Json many_leases() {
    subject_.clear();
    const std::size_t count = options_.herd;
    Generator generator{subject_.open(),
                        subject_.cluster(),
                        {.max_worker_id = static_cast<WorkerId>(count), .fresh = true}};
    std::vector<Lease> leases;
    leases.reserve(count);
    const double before_bytes = allocated_bytes();
    const auto began = steady_clock::now();
    while (leases.size() < count && !limit_.reached()) leases.push_back(generator.lease());
    const double seconds = seconds_since(began);
    const double bytes = allocated_bytes() - before_bytes;
    const std::size_t held = leases.size();
    const auto ended = steady_clock::now();
    leases.clear();
    const double release_seconds = seconds_since(ended);
    subject_.clear();
    if (held < count) leave_out("some of many leases", limit_.reason());
    if (held == 0) return nullptr;
    return {{"leases", held},
            {"acquire_seconds", seconds},
            {"release_seconds", release_seconds},
            {"process_bytes_per_lease", std::max(0.0, bytes / static_cast<double>(held))}};
  }

  // The first call of a new process in a cluster that was never used, its connection included.
  Json first_use(WorkerId size) {
    std::vector<double> latencies_us;
    std::vector<double> cpus_us;
    for (int round = 0; round < options_.rounds && !limit_.reached(); ++round) {
      subject_.clear();
      const auto store = subject_.open();
      const AcquireRequest request = acquisition(subject_.cluster(), scratch_configuration(size));
      const auto began = steady_clock::now();
      store->acquire(request, bench_timeout);
      latencies_us.push_back(1e6 * seconds_since(began));
      Server* const server = subject_.server();
      if (server == nullptr) continue;
      subject_.clear();
      const AcquireRequest another = acquisition(subject_.cluster(), scratch_configuration(size));
      cpus_us.push_back(server->cpu_us(
          1, [&](Store& each, std::size_t) { each.acquire(another, bench_timeout); }));
    }
    subject_.clear();
    return {{"latency_us", spread(latencies_us)}, {"server_cpu_us", spread(cpus_us)}};
  }

  // The pool is filled once: from then on every ID was granted before.
  void measure_pool(WorkerId size) {
    std::vector<int> fills = options_.fills;
    std::sort(fills.begin(), fills.end(), std::greater<>{});
    if (fills.back() == 0) std::rotate(fills.begin(), std::prev(fills.end()), fills.end());
    std::optional<Pool> pool;
    Json first = nullptr;
    Json bytes = nullptr;
    Json filled = nullptr;
    if (!limit_.reached()) {
      first = first_use(size);
      pool.emplace(subject_, size);
    }
    for (const int fill : fills) {
      const std::string what = "pool " + std::to_string(size) + ", " + std::to_string(fill) + " %";
      if (pool && fill != 0 && filled.is_null() && !limit_.reached()) {
        Server* const server = subject_.server();
        const double before_bytes = server != nullptr ? server->memory_bytes() : 0;
        const auto began = steady_clock::now();
        pool->fill(pool->size(), limit_);
        if (pool->held() == pool->size()) {
          filled = seconds_since(began);
          if (server != nullptr) {
            bytes = (server->memory_bytes() - before_bytes) / static_cast<double>(size);
          }
        }
      }
      if (limit_.reached()) {
        leave_out(what, limit_.reason());
      } else {
        measure_fill(*pool, fill, what);
      }
    }
    subject_.clear();
    for (auto& [fill, result] : by_fill_) results_.push_back(std::move(result));
    by_fill_.clear();
    pools_.push_back({{"pool", size},
                      {"first_use", std::move(first)},
                      {"fill_seconds", std::move(filled)},
                      {"bytes_per_lease", std::move(bytes)}});
  }

  void measure_fill(Pool& pool, int fill, const std::string& what) {
    const std::size_t leases = pool.size() * static_cast<std::size_t>(fill) / 100;
    pool.fill(leases, limit_);
    subject_.resize_floor(floor_members(pool, leases));
    std::array<Series, kinds> series;
    int rounds = 0;
    for (; rounds < options_.rounds && !limit_.reached(); ++rounds) {
      Tallies latencies = cycles(pool, leases, *single_);
      Tallies costs = pipeline_ ? cycles(pool, leases, *pipeline_) : Tallies{};
      Tallies times = cycles(pool, leases, *crowd_);
      if (limit_.reached()) break;  // not a whole round
      for (std::size_t kind = 0; kind < kinds; ++kind) {
        add(series.at(kind), latencies.at(kind), costs.at(kind), times.at(kind));
      }
    }
    if (rounds == 0) return leave_out(what, limit_.reason());
    if (rounds < options_.rounds) {
      leave_out(what + ", after " + std::to_string(rounds) + " rounds", limit_.reason());
    }
    if (series[acquire].throughputs_per_s.empty()) {
      leave_out(what + ", throughput", "fewer IDs are free than there are connections");
    }
    Json result{{"pool", pool.size()},
                {"fill", fill},
                {"leases", leases},
                {"rounds", rounds},
                {"batch", batch_of(pool, leases)},
                {"acquire_outcome", leases == pool.size() ? "refused" : "granted"}};
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      result[kind_names.at(kind)] = to_json(series.at(kind), series[floor_write]);
    }
    by_fill_[fill] = std::move(result);
  }

  std::size_t batch_of(const Pool& pool, std::size_t leases) const {
    return std::min(options_.operations, leases == pool.size() ? leases : pool.size() - leases);
  }

  // As many as there are leases.
  std::size_t floor_members(const Pool& pool, std::size_t leases) const {
    return leases == 0 ? batch_of(pool, leases) : leases;
  }

  // Acquires, renews and releases as many as are free, or as are asked for, again and again; the floor
  // in between, so that whatever slows the machine down slows both.
  Tallies cycles(Pool& pool, std::size_t leases, Way& way) {
    Tallies tallies;
    const bool full = leases == pool.size();
    const std::size_t batch = batch_of(pool, leases);
    if (batch < way.fewest()) return tallies;
    constexpr int most_cycles = 64;  // where few IDs are free
    for (int cycle = 0; cycle < most_cycles && !limit_.reached(); ++cycle) {
      const auto making = [&](Kind kind) {
        way.write_floor(batch, floor_members(pool, leases), tallies[floor_write]);
        return [&way, &tally = tallies.at(kind)](std::size_t count, const Call& call) {
          way.make(count, call, tally);
        };
      };
      if (full) {
        pool.be_refused(batch, making(acquire));
      } else {
        pool.acquire(batch, making(acquire));
      }
      pool.renew(batch, making(renew));
      pool.release(batch, making(release));
      if (leases == 0) {
        pool.begin_anew();
      } else {
        pool.fill(leases, limit_);
      }
      if (tallies[acquire].operations + batch > options_.operations) break;
    }
    return tallies;
  }

  static void add(Series& series, const Tally& latencies, const Tally& costs, const Tally& times) {
    if (latencies.operations > 0) {
      series.latencies_us.insert(series.latencies_us.end(), latencies.latencies_us.begin(),
                                 latencies.latencies_us.end());
      series.latency_medians_us.push_back(quantile(latencies.latencies_us, 0.5));
    }
    if (costs.operations > 0) {
      series.server_cpus_us.push_back(costs.cost_us / static_cast<double>(costs.operations));
    }
    if (times.operations > 0) {
      series.throughputs_per_s.push_back(1e6 * static_cast<double>(times.operations) /
                                         times.cost_us);
    }
  }

  static Json to_json(const Series& series, const Series& floor) {
    Json json{{"latency_us", latency(series.latencies_us)},
              {"throughput_per_s", spread(series.throughputs_per_s)},
              {"server_cpu_us", spread(series.server_cpus_us)}};
    if (&series == &floor) return json;
    json["latency_ratio"] = spread(ratios(series.latency_medians_us, floor.latency_medians_us));
    json["throughput_ratio"] = spread(ratios(series.throughputs_per_s, floor.throughputs_per_s));
    json["server_cpu_ratio"] = spread(ratios(series.server_cpus_us, floor.server_cpus_us));
    return json;
  }

  Subject& subject_;
  const BenchOptions& options_;
  Limit& limit_;
  std::unique_ptr<Way> single_;
  std::unique_ptr<Way> crowd_;
  std::unique_ptr<Way> pipeline_;
  Json pools_ = Json::array();
  std::map<int, Json> by_fill_;  // of the present pool
  Json results_ = Json::array();
  Json left_out_ = Json::array();
};

}  // namespace

bool Limit::reached() {
  if (signal_ == 0) {
    const sigset_t signals = limit_signals();
    const timespec at_once{};
    signal_ = std::max(0, ::sigtimedwait(&signals, nullptr, &at_once));
  }
  return signal_ != 0 || steady_clock::now() >= end_;
}

std::string Limit::reason() const {
  return signal_ != 0 ? "it was interrupted" : "the time was over (--seconds)";
}

void block_limit_signals() {
  const sigset_t signals = limit_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

Json measure(Subject& subject, const BenchOptions& options, Limit& limit) {
  return Measurement{subject, options, limit}.perform();
}

}  // namespace workerid::cli
