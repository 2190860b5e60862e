// SPDX-License-Identifier: MIT
//
// workerid torture-holder: one of the processes that `workerid torture` starts. It holds an ID, uses
// it all the time, and writes down on standard output whatever it believed, and when. Not in --help.
#include "commands.hpp"
#include "exit_codes.hpp"
#include "store_url.hpp"
#include "torture/notes.hpp"

#include <workerid/generator.hpp>

#include <csignal>
#include <ctime>
#include <memory>
#include <optional>
#include <stdexcept>
#include <unistd.h>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds pace{2};         // between two uses
constexpr milliseconds pause{100};      // before an ID is asked for again
constexpr int uses_after_the_end = 10;  // all of which must be refused

// Dies between the store's answer to an acquisition and its own first look at it.
class CrashingStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds timeout) override {
    next().acquire(request, timeout);
    ::kill(::getpid(), SIGKILL);
    throw Error(ErrorCode::outcome_unknown, "killed");
  }
};

// One write(2) for a line: lines of several threads do not mix, and only a last one is ever cut.
void write_down(const Note& note) {
  const std::string line = to_line(note);
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    ::_exit(exit_failure);
  }
}

void write_event(const Event& event, milliseconds attempt) {
  Note note{.kind = Note::Kind::event, .word = std::string{name(event.kind)}};
  if (event.error) note.word += "/" + std::string{name(event.error->error_code())};
  note.worker_id = event.worker_id;
  note.epoch = event.epoch;
  note.after = BootClock::now();
  note.before = note.after - event.latency;
  note.until = note.before + attempt;
  // What was waited for before the first grant is noted as a call.
  if (event.kind == Event::Kind::granted) note.until = note.after;
  write_down(note);
}

// True if SIGTERM, which is blocked, came within `time`.
bool asked_to_leave(milliseconds time) {
  sigset_t leave;
  ::sigemptyset(&leave);
  ::sigaddset(&leave, SIGTERM);
  const timespec longest{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds{time}.count()};
  return ::sigtimedwait(&leave, nullptr, &longest) == SIGTERM;
}

void use(const Lease& lease, int number) {
  Note note{.kind = Note::Kind::use};
  note.lease = number;
  note.before = BootClock::now();
  note.epoch = lease.epoch();
  note.until = lease.valid_until();
  try {
    note.worker_id = lease.worker_id();
  } catch (const Error&) {
    return;
  }
  note.reserved = lease.reserved_timestamps();
  if (lease.epoch() != note.epoch) return;  // it resumed in between: this is of two grants
  note.after = BootClock::now();
  write_down(note);
}

template <typename Operation>
auto called(const std::string& what, milliseconds longest, Operation operation) {
  Note note{.kind = Note::Kind::call, .word = what};
  note.before = BootClock::now();
  note.until = note.before + longest;
  const auto returned = [&note](std::string_view outcome) {
    note.after = BootClock::now();
    note.word += "/" + std::string{outcome};
    write_down(note);
  };
  try {
    auto result = operation();
    returned("done");
    return std::optional{std::move(result)};
  } catch (const Error& error) {
    returned(name(error.error_code()));
    return decltype(std::optional{operation()}){};
  }
}

// Uses the lease until it is lost (true) or is to be given back (false).
bool hold(Lease& lease, int number, milliseconds attempt) {
  const auto end = [&](const char* how) {
    write_down({.kind = Note::Kind::end, .word = how, .lease = number, .before = BootClock::now()});
  };
  for (;;) {
    use(lease, number);
    if (lease.lost().stop_requested()) {
      end("lost");
      return true;
    }
    if (asked_to_leave(pace)) {
      end("released");
      called("release", std::min<milliseconds>(attempt, std::chrono::seconds{2}), [&] {
        lease.release();
        return true;
      });
      return false;
    }
  }
}

int hold_ids(const Invocation& invocation, const LeaseOptions& lease_options, bool crash) {
  Options options = lease_options.resolved();
  const milliseconds attempt =
      std::min<milliseconds>(options.max_lease_time / 6, std::chrono::seconds{5});
  options.on_event = [attempt](const Event& event) { write_event(event, attempt); };
  sigset_t leave;
  ::sigemptyset(&leave);
  ::sigaddset(&leave, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &leave, nullptr);

  std::shared_ptr<Store> store;
  while (!store) {
    store = called("open", std::chrono::seconds{5}, [&] {
              return open_store(invocation.common.store);
            }).value_or(nullptr);
    if (!store && asked_to_leave(pause)) return exit_success;
  }
  if (crash) store = std::make_shared<CrashingStore>(store);
  Generator generator{store, invocation.common.cluster, options};
  for (int number = 1;;) {
    std::optional<Lease> lease = called("acquire", lease_options.wait + attempt,
                                        [&] { return generator.lease(lease_options.wait); });
    if (!lease) {
      if (asked_to_leave(pause)) return exit_success;
      continue;
    }
    const bool next = hold(*lease, number, attempt);
    for (int times = 0; times < uses_after_the_end; ++times) use(*lease, number);
    if (!next) return exit_success;
    ++number;
  }
}

}  // namespace

Command add_torture_holder(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("torture-holder", "Hold IDs for torture");
  parser->group("");  // hidden
  const auto lease = std::make_shared<LeaseOptions>();
  const auto crash = std::make_shared<bool>(false);
  add_common_options(*parser, invocation.common);
  add_lease_options(*parser, *lease);
  parser->add_flag("--crash", *crash, "Die between the first grant and its note");
  return {parser, [&invocation, lease, crash] { return hold_ids(invocation, *lease, *crash); }};
}

}  // namespace workerid::cli
