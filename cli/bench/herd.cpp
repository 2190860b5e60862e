// SPDX-License-Identifier: MIT
#include "bench/herd.hpp"

#include "descriptor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <fcntl.h>
#include <latch>
#include <map>
#include <memory>
#include <poll.h>
#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace workerid::cli {

namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// What a child writes into the pipe that all have in common: in one piece, for it is below PIPE_BUF.
// The steady clock is one of the machine, so the parent can compare its moments.
struct Report {
  steady_clock::time_point began;
  steady_clock::time_point done;
  WorkerId worker_id = -1;
  std::int32_t error_code = 0;  // of ErrorCode; 0 for none
  std::array<char, 160> message{};
};

constexpr std::int32_t no_error_code = -1;  // it failed, with another kind of error

void note(Report& report, std::int32_t code, const char* message) {
  report.error_code = code;
  std::string{message}.copy(report.message.data(), report.message.size() - 1);
}

Configuration configuration_for(std::size_t count) {
  return scratch_configuration(static_cast<WorkerId>(count));
}

// What a child keeps until it ends.
struct Held {
  std::shared_ptr<Store> store;
  std::shared_ptr<void> contact;
};

Held perform(Subject& subject, std::size_t count, Deed deed, Report& report) {
  if (deed == Deed::first_contact) return {nullptr, subject.make_first_contact()};
  Held held{subject.open(), nullptr};
  const AcquireRequest request = acquisition(subject.cluster(), configuration_for(count));
  report.worker_id = held.store->acquire(request, bench_timeout).worker_id;
  return held;
}

void close_early(Descriptor& descriptor) {
  const Descriptor closed = std::move(descriptor);
}

// The processes, which end with this object; and when this process dies, by the end of `stay_`.
class Processes {
 public:
  Processes() {
    // Room for the reports of thousands, so that none has to wait until all are started.
    constexpr int most_without_privileges = 1 << 20;
    ::fcntl(reports_.write.number(), F_SETPIPE_SZ, most_without_privileges);
  }
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  ~Processes() {
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) {
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }

  // Errors: std::system_error.
  template <class Work>
  void start(Work work) {
    const pid_t pid = ::fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid > 0) return pids_.push_back(pid);
    live(work);
  }

  // All are started.
  void close_own_end() { close_early(reports_.write); }

  // The next report; nothing yet after a while, and at the end of all, which `ended` tells.
  std::optional<Report> next(bool& ended) const {
    constexpr int while_ms = 50;
    pollfd entry{.fd = reports_.read.number(), .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, while_ms) <= 0) return std::nullopt;
    Report report;
    const ssize_t size = ::read(reports_.read.number(), &report, sizeof report);
    ended = size == 0;
    if (size != static_cast<ssize_t>(sizeof report)) return std::nullopt;
    return report;
  }

 private:
  // A child. Nothing of its parent's may be cleaned up here, so it ends without destructors.
  template <class Work>
  [[noreturn]] void live(Work work) noexcept {
    // Only the parent has these ends: without it, neither read nor write waits for anybody.
    close_early(stay_.write);
    close_early(reports_.read);
    Report report{.began = steady_clock::now(), .done = {}};
    Held held;
    try {
      held = work(report);
    } catch (const Error& error) {
      note(report, static_cast<std::int32_t>(error.error_code()), error.what());
    } catch (const std::exception& error) {
      note(report, no_error_code, error.what());
    }
    report.done = steady_clock::now();
    if (::write(reports_.write.number(), &report, sizeof report) < 0) ::_exit(EXIT_FAILURE);
    close_early(reports_.write);
    char byte = 0;
    while (::read(stay_.read.number(), &byte, 1) < 0 && errno == EINTR) {
    }
    ::_exit(EXIT_SUCCESS);
  }

  Pipe reports_;
  Pipe stay_;  // nothing is ever written
  std::vector<pid_t> pids_;
};

double us_between(steady_clock::time_point from, steady_clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

Outcome outcome_of(const Report& report) {
  Outcome outcome;
  outcome.latency_us = us_between(report.began, report.done);
  if (report.worker_id >= 0) outcome.worker_id = report.worker_id;
  if (report.error_code != 0) {
    outcome.failure = report.error_code == no_error_code
                          ? "other"
                          : std::string{name(static_cast<ErrorCode>(report.error_code))};
    outcome.message = report.message.data();
  }
  return outcome;
}

// Not found out from a store that fails in the middle.
void check_files(std::size_t files) {
  constexpr std::size_t others = 64;
  rlimit allowed{};
  if (::getrlimit(RLIMIT_NOFILE, &allowed) != 0 || allowed.rlim_cur >= files + others) return;
  throw TooMany("it needs " + std::to_string(files + others) +
                " open files, and this process may have " + std::to_string(allowed.rlim_cur) +
                "; raise it (ulimit -n)");
}

// Not found out from a server that refuses some. It takes a moment to notice that those of the last
// round are gone.
void check_connections(Subject& subject, std::size_t count) {
  const auto end = steady_clock::now() + std::chrono::seconds{1};
  std::optional<std::size_t> left;
  do {
    left = subject.connections_left();
    if (!left || *left >= count) return;
  } while (steady_clock::now() < end);
  throw TooMany("it needs " + std::to_string(count) + " connections, and the server takes only " +
                std::to_string(*left) +
                " more; raise its maxclients, and its own ulimit -n if that is what "
                "limits it");
}

}  // namespace

std::optional<Start> start_processes(Subject& subject, std::size_t count, Deed deed, Limit& limit) {
  check_connections(subject, count);
  Start start;
  Processes processes;
  const auto began = steady_clock::now();
  for (std::size_t number = 0; number < count; ++number) {
    if (limit.reached()) return std::nullopt;
    try {
      processes.start([&](Report& report) { return perform(subject, count, deed, report); });
    } catch (const std::system_error& error) {
      throw TooMany("process " + std::to_string(number + 1) + " of " + std::to_string(count) +
                    " could not be started: " + error.code().message() +
                    "; raise the number of processes (ulimit -u, a container's pids "
                    "limit), or the memory");
    }
  }
  processes.close_own_end();
  steady_clock::time_point last = began;
  for (bool ended = false; !ended && start.outcomes.size() < count;) {
    if (limit.reached()) return std::nullopt;
    const std::optional<Report> report = processes.next(ended);
    if (!report) continue;
    last = std::max(last, report->done);
    start.outcomes.push_back(outcome_of(*report));
  }
  const Outcome without_report{
      .worker_id = {}, .failure = "other", .message = "the process ended without a word"};
  start.outcomes.resize(count, without_report);
  start.seconds = us_between(began, last) / 1e6;
  return start;
}

Start start_threads(Subject& subject, std::size_t count) {
  check_files(count * subject.files_per_store());
  check_connections(subject, count);
  Start start;
  start.outcomes.resize(count);
  std::vector<std::shared_ptr<Store>> stores(count);
  std::vector<AcquireRequest> requests;
  for (auto& store : stores) {
    store = subject.open();
    requests.push_back(acquisition(subject.cluster(), configuration_for(count)));
  }
  std::latch gate{static_cast<std::ptrdiff_t>(count) + 1};
  const auto ask = [&](std::size_t index) {
    Outcome& outcome = start.outcomes[index];
    gate.arrive_and_wait();
    const auto began = steady_clock::now();
    try {
      outcome.worker_id = stores[index]->acquire(requests[index], bench_timeout).worker_id;
    } catch (const Error& error) {
      outcome.failure = name(error.error_code());
      outcome.message = error.what();
    } catch (const std::exception& error) {
      outcome.failure = "other";
      outcome.message = error.what();
    }
    outcome.latency_us = us_between(began, steady_clock::now());
  };
  std::vector<std::thread> threads;
  try {
    while (threads.size() < count) threads.emplace_back(ask, threads.size());
  } catch (const std::system_error& error) {
    const std::size_t started = threads.size();
    gate.count_down(static_cast<std::ptrdiff_t>(count + 1 - started));
    for (std::thread& thread : threads) thread.join();
    throw TooMany("thread " + std::to_string(started + 1) + " of " + std::to_string(count) +
                  " could not be started: " + error.code().message() +
                  "; raise the number of threads (ulimit -u, a container's pids limit, "
                  "vm.max_map_count)");
  }
  gate.arrive_and_wait();
  const auto began = steady_clock::now();
  for (std::thread& thread : threads) thread.join();
  start.seconds = us_between(began, steady_clock::now()) / 1e6;
  return start;
}

Json summary(const std::vector<Start>& starts) {
  std::size_t granted = 0;
  std::size_t duplicates = 0;
  std::map<std::string, int> failed;
  Json first_failure;
  for (const Start& start : starts) {
    std::set<WorkerId> seen;
    for (const Outcome& outcome : start.outcomes) {
      if (outcome.worker_id) {
        ++granted;
        if (!seen.insert(*outcome.worker_id).second) ++duplicates;
      }
      if (outcome.failure.empty()) continue;
      ++failed[outcome.failure];
      if (first_failure.is_null()) first_failure = outcome.message;
    }
  }
  return {{"granted", granted},
          {"duplicates", duplicates},
          {"failed", Json(failed)},
          {"first_failure", first_failure}};
}

}  // namespace workerid::cli
