// SPDX-License-Identifier: MIT
#include "torture/trial.hpp"

#include "values.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace workerid::cli {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// A process may wait so long for a processor before it counts as late (G10).
constexpr milliseconds late = 2s;

sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  return signals;
}

std::string ms(milliseconds time) {
  return std::to_string(time.count()) + "ms";
}

std::string how_it_ended(int status) {
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void block_ending_signals() {
  const sigset_t signals = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// A place for one process after another.
struct Trial::Holder {
  enum class Fate {
    none,     // holds IDs, free for a fault
    stopped,  // or its wire is disturbed
    crash,    // dies at its first grant
    leaves,   // and another one starts
    departs,  // and no other one starts
  };

  std::string name() const {
    return "process " + std::to_string(number) + " (pid " + std::to_string(process->pid()) + ")";
  }

  int number = 0;
  std::unique_ptr<Child> process;
  std::optional<Descriptor> notes;
  std::string unfinished;  // the beginning of a line
  std::unique_ptr<Relay> relay;
  Fate fate = Fate::none;
  BootTime stopped_at;
  BootTime last_use;
};

Trial::Trial(TrialOptions options, std::function<void(const std::string&)> told)
    : options_(std::move(options)),
      configuration_(options_.options.configuration()),
      whole_(configuration_.lease_time + configuration_.reuse_delay),
      told_(std::move(told)),
      start_(BootClock::now()),
      signals_(signal_descriptor(ending_signals())),
      draw_(options_.seed),
      deck_(options_.faults),
      judge_({.max_worker_id = configuration_.max_worker_id,
              .reuse_delay = configuration_.reuse_delay,
              .cool_down = configuration_.cool_down,
              .early = options_.early,
              .late = late},
             start_) {
  findings_.start = start_;
}

Trial::~Trial() = default;

TrialResult Trial::run() {
  for (std::size_t count = 0; count < options_.processes; ++count) {
    Holder& holder = *holders_.emplace_back(std::make_unique<Holder>());
    if (options_.server) holder.relay = std::make_unique<Relay>(*options_.server);
    start(holder);
  }
  const BootTime end = start_ + options_.time;
  listen(std::min(end, start_ + 1s));
  while (findings_.interrupted_by == 0 && BootClock::now() < end) {
    if (!options_.faults.empty()) strike();
    listen(std::min(end, BootClock::now() + draw_.between(configuration_.lease_time / 8,
                                                          configuration_.lease_time / 2)));
  }
  heal();
  if (findings_.interrupted_by == 0) expect_liveness();
  end_all();
  findings_.end = BootClock::now();
  findings_.figures = judge_.figures();
  std::vector<Violation> judged = judge_.violations();
  findings_.violations.insert(findings_.violations.begin(), judged.begin(), judged.end());
  return std::move(findings_);
}

void Trial::start(Holder& holder, bool crash) {
  Pipe pipe;
  constexpr int room = 1 << 20;  // for what is written while this process is busy with a server
  ::fcntl(pipe.read.number(), F_SETPIPE_SZ, room);
  ::fcntl(pipe.read.number(), F_SETFL, O_NONBLOCK);
  holder.notes = std::move(pipe.read);
  const Descriptor output = std::move(pipe.write);
  const Options& options = options_.options;
  // Not as an argument: the URL may have a password.
  ::setenv("WORKERID_STORE",
           (holder.relay ? options_.relayed_url(holder.relay->port()) : options_.store).c_str(), 1);
  std::vector<std::string> words{"/proc/self/exe", "torture-holder",
                                 "--cluster",      options_.cluster,
                                 "--max",          std::to_string(options.max_worker_id),
                                 "--lease",        ms(options.max_lease_time),
                                 "--wait",         ms(options.max_lease_time)};
  if (crash) words.emplace_back("--crash");
  holder.number = ++findings_.processes;
  holder.unfinished.clear();
  holder.fate = crash ? Holder::Fate::crash : Holder::Fate::none;
  holder.process = std::make_unique<Child>(words, output.number());
}

// Waits until `until` or a signal, hears the notes and does what is due.
void Trial::listen(BootTime until) {
  for (;;) {
    while (!later_.empty() && later_.begin()->first <= BootClock::now()) {
      const auto action = later_.extract(later_.begin());
      action.mapped()();
    }
    const BootTime now = BootClock::now();
    if (now >= until || findings_.interrupted_by != 0) return;
    const BootTime next = later_.empty() ? until : std::min(until, later_.begin()->first);
    std::vector<pollfd> entries{{.fd = signals_.number(), .events = POLLIN, .revents = 0}};
    for (const auto& holder : holders_) {
      const int number = holder->notes ? holder->notes->number() : -1;
      entries.push_back({.fd = number, .events = POLLIN, .revents = 0});
    }
    const auto wait = std::chrono::ceil<milliseconds>(std::max(next - now, BootTime::duration{}));
    ::poll(entries.data(), entries.size(), static_cast<int>(wait.count()));
    for (std::size_t index = 0; index < holders_.size(); ++index) {
      if (entries[index + 1].revents != 0) read(*holders_[index]);
    }
    signalfd_siginfo received{};
    if (::read(signals_.number(), &received, sizeof received) ==
        static_cast<ssize_t>(sizeof received)) {
      findings_.interrupted_by = static_cast<int>(received.ssi_signo);
    }
  }
}

void Trial::read(Holder& holder) {
  std::array<char, 65536> buffer{};
  ssize_t count = 0;
  while ((count = ::read(holder.notes->number(), buffer.data(), buffer.size())) > 0) {
    holder.unfinished.append(buffer.data(), static_cast<std::size_t>(count));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = holder.unfinished.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      const auto note = parse_note(holder.unfinished.substr(begin, end - begin));
      if (!note) continue;
      if (note->kind == Note::Kind::use) holder.last_use = note->before;
      judge_.hear(holder.number, *note);
    }
    holder.unfinished.erase(0, begin);
  }
  if (count == 0) ended(holder);
}

void Trial::ended(Holder& holder) {
  holder.notes.reset();
  const int status = holder.process->wait();
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  switch (holder.fate) {
    case Holder::Fate::departs:
      return;
    case Holder::Fate::crash:
      if (!killed) break;
      tell(Fault::crash, holder.name() + " was killed between its grant and its first use");
      start(holder);
      return;
    case Holder::Fate::leaves:
      if (status == 0) return start(holder);
      break;
    default:
      break;
  }
  findings_.violations.push_back(
      {"G10", holder.name() + " ended by itself: " + how_it_ended(status), BootClock::now()});
  holder.fate = Holder::Fate::departs;
}

void Trial::tell(Fault fault, const std::string& text) {
  constexpr std::size_t remembered = 100'000;
  const BootTime now = BootClock::now();
  std::array<char, 48> time{};
  std::snprintf(time.data(), time.size(), "%9.3f s  %-10s",
                std::chrono::duration<double>(now - start_).count(), name(fault).c_str());
  ++findings_.faults[name(fault)];
  findings_.struck.push_back({now, time.data() + text});
  if (findings_.struck.size() > remembered) findings_.struck.pop_front();
  told_(findings_.struck.back().line);
}

void Trial::later(milliseconds time, std::function<void()> action) {
  later_.emplace(BootClock::now() + time, std::move(action));
}

// As often shorter as longer than it takes for an ID to come free.
milliseconds Trial::draw_length() {
  return draw_.below(2) == 0 ? draw_.between(100ms, whole_) : draw_.between(whole_, 2 * whole_);
}

void Trial::strike() {
  std::vector<Holder*> idle;
  for (const auto& holder : holders_) {
    if (holder->fate == Holder::Fate::none) idle.push_back(holder.get());
  }
  const auto fault = deck_.take(draw_, [&](Fault each) {
    if (!strikes_store(each)) return !idle.empty();
    return BootClock::now() >= store_rests_until_ &&
           (each != Fault::promote || options_.redis->replicates());
  });
  if (!fault) return;
  if (strikes_store(*fault)) {
    strike_store(*fault);
  } else {
    strike(*fault, *idle[draw_.below(idle.size())]);
  }
}

void Trial::strike(Fault fault, Holder& holder) {
  switch (fault) {
    case Fault::stop:
      stop(holder);
      break;
    case Fault::leave:
      tell(fault, holder.name() + " releases its ID and ends");
      holder.fate = Holder::Fate::leaves;
      holder.process->signal(SIGTERM);
      break;
    case Fault::partition:
      disturb(holder);
      break;
    default:
      if (fault == Fault::kill) tell(fault, holder.name());
      replace(holder, fault == Fault::crash);  // a crash is told when it comes
  }
}

void Trial::replace(Holder& holder, bool crash) {
  holder.fate = Holder::Fate::departs;
  holder.process->kill();
  read(holder);
  start(holder, crash);
}

void Trial::stop(Holder& holder) {
  const milliseconds time = draw_length();
  tell(Fault::stop, holder.name() + " for " + to_text(time));
  holder.fate = Holder::Fate::stopped;
  holder.stopped_at = BootClock::now();
  holder.process->signal(SIGSTOP);
  later(time, [this, &holder] {
    if (holder.fate != Holder::Fate::stopped) return;  // somebody else has killed it
    holder.process->signal(SIGCONT);
    judge_.stopped(holder.number, holder.stopped_at, BootClock::now());
    holder.fate = Holder::Fate::none;
  });
}

void Trial::disturb(Holder& holder) {
  const milliseconds delay = draw_.between(20ms, configuration_.lease_time / 4);
  const std::array<std::pair<const char*, Disturbance>, 5> kinds{{
      {"is refused", {.refuses = true}},
      {"is stalled", {.stalls = {true, true}}},
      {"has its requests stalled", {.stalls = {true, false}}},
      {"has its replies stalled", {.stalls = {false, true}}},
      {"is delayed", {.delay = delay}},
  }};
  const std::size_t drawn = draw_.below(kinds.size() + 1);
  if (drawn == kinds.size()) {
    tell(Fault::partition, holder.name() + " is cut off once");
    holder.relay->cut();
    return;
  }
  const milliseconds time = draw_length();
  const auto& [what, disturbance] = kinds.at(drawn);
  const std::string by = disturbance.delay > 0ms ? " by " + to_text(delay) + " each way" : "";
  tell(Fault::partition, holder.name() + " " + what + by + " for " + to_text(time));
  holder.fate = Holder::Fate::stopped;
  holder.relay->disturb(disturbance);
  later(time, [&holder] {
    holder.relay->disturb({});
    if (holder.fate == Holder::Fate::stopped) holder.fate = Holder::Fate::none;
  });
}

// A store that has forgotten grants nothing for a while; another blow meanwhile would teach nothing.
void Trial::strike_store(Fault fault) {
  const milliseconds time = draw_.between(100ms, whole_);
  const milliseconds moment = draw_.between(10ms, configuration_.lease_time / 2);
  store_rests_until_ = BootClock::now() + time + (fault == Fault::freeze ? 0ms : 2 * whole_);
  OwnRedis* const redis = options_.redis;
  switch (fault) {
    case Fault::freeze:
      tell(fault, "the server for " + to_text(time));
      redis->signal(SIGSTOP);
      later(time, [redis] { redis->signal(SIGCONT); });
      break;
    case Fault::restart:
      tell(fault, "the server is away for " + to_text(time));
      redis->kill();
      later(time, [redis] { redis->start(); });
      break;
    case Fault::clock:
      step_clock();
      break;
    case Fault::wipe:
      tell(fault, "the server forgets everything");
      redis->wipe();
      break;
    case Fault::promote:
      redis->part();
      later(moment, [this, redis, moment] {
        tell(Fault::promote, "the replica lacks the last " + to_text(moment));
        redis->promote();
        for (const auto& holder : holders_) {
          holder->relay->lead_to(Address::loopback(redis->port()));
          holder->relay->cut();
        }
      });
      break;
    case Fault::erase:
      with_all_stopped([this] { options_.file->erase(); });
      tell(fault, "the file is gone");
      break;
    default:
      with_all_stopped([this] { options_.file->copy(); });
      later(moment, [this, moment] {
        with_all_stopped([this] { options_.file->put_copy_back(); });
        tell(Fault::replace, "the file is as it was " + to_text(moment) + " ago");
      });
  }
}

// One step forward at the most in a lease and its reuse delay: that is what is promised. Nothing is
// promised of epochs and timestamps where a server forgot and its clock was set back (A5).
void Trial::step_clock() {
  const std::array<std::pair<std::chrono::seconds, std::chrono::seconds>, 4> kinds{
      {{100s, 0s}, {-500s, 0s}, {100s, -500s}, {-500s, 500s}}};
  const auto [first, second] = kinds.at(options_.forgetful ? 0 : draw_.below(kinds.size()));
  const auto step = [this](std::chrono::seconds by) {
    tell(Fault::clock, "the server's by " + std::to_string(by.count()) + " s");
    options_.redis->step_clock(by);
  };
  step(first);
  if (second != 0s) later(configuration_.lease_time / 8, [step, by = second] { step(by); });
}

// The work of an operator who knows that nothing may use a file that is moved.
void Trial::with_all_stopped(const std::function<void()>& action) {
  const auto signal_all = [this](int number) {
    for (const auto& holder : holders_) {
      if (holder->fate != Holder::Fate::stopped) holder->process->signal(number);
      siginfo_t stopped{};
      if (number == SIGSTOP) {
        ::waitid(P_PID, static_cast<id_t>(holder->process->pid()), &stopped,
                 WSTOPPED | WEXITED | WNOWAIT);
      }
    }
  };
  signal_all(SIGSTOP);
  action();
  signal_all(SIGCONT);
}

// No fault from here on.
void Trial::heal() {
  while (!later_.empty()) later_.extract(later_.begin()).mapped()();
  for (const auto& holder : holders_) {
    if (holder->fate == Holder::Fate::crash) replace(*holder, false);
  }
}

// As many processes as there are IDs: each has to get one.
void Trial::expect_liveness() {
  const auto places = static_cast<std::size_t>(configuration_.max_worker_id);
  const BootTime begin = BootClock::now();
  for (std::size_t index = places; index < holders_.size(); ++index) {
    holders_[index]->fate = Holder::Fate::departs;
    holders_[index]->process->signal(SIGTERM);
  }
  const auto hold = [&](const std::unique_ptr<Holder>& holder) {
    return holder->fate == Holder::Fate::departs || holder->last_use > begin;
  };
  // What a store that has just forgotten holds back, what the last killed one's ID takes, and a
  // third for asking.
  const BootTime end = begin + 3 * whole_ + 5s;
  while (findings_.interrupted_by == 0 && BootClock::now() < end &&
         !std::all_of(holders_.begin(), holders_.end(), hold)) {
    listen(std::min(end, BootClock::now() + 50ms));
  }
  if (findings_.interrupted_by != 0) return;
  for (const auto& holder : holders_) {
    if (hold(holder)) continue;
    findings_.violations.push_back({"liveness",
                                    holder->name() + " holds no ID, " +
                                        to_text(std::chrono::floor<milliseconds>(end - begin)) +
                                        " after the last fault",
                                    end});
  }
}

void Trial::end_all() {
  for (const auto& holder : holders_) {
    holder->fate = Holder::Fate::departs;
    holder->process->signal(SIGTERM);
  }
  const auto gone = [](const std::unique_ptr<Holder>& holder) { return !holder->notes; };
  const BootTime end = BootClock::now() + 3s;
  while (findings_.interrupted_by == 0 && BootClock::now() < end &&
         !std::all_of(holders_.begin(), holders_.end(), gone)) {
    listen(std::min(end, BootClock::now() + 50ms));
  }
  for (const auto& holder : holders_) {
    holder->process->kill();
    if (holder->notes) read(*holder);
  }
}

}  // namespace workerid::cli
