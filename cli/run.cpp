// SPDX-License-Identifier: MIT
#include "acquisition.hpp"
#include "commands.hpp"
#include "descriptor.hpp"
#include "exit_codes.hpp"
#include "guard.hpp"
#include "output.hpp"
#include "signals.hpp"
#include "values.hpp"

#include <workerid/generator.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <stop_token>
#include <string_view>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

struct RunOptions {
  LeaseOptions lease;
  milliseconds grace = std::chrono::seconds{10};
  bool isolate = false;
};

// How long before the end of validity what happens. Renewals are due every third of the lease time,
// so nothing of it ever happens while the store answers.
struct Timing {
  Timing(milliseconds lease_time, milliseconds wanted_grace)
      : margin(std::min<milliseconds>(lease_time / 10, std::chrono::seconds{2})),
        grace(std::min(wanted_grace, lease_time / 4)) {}

  milliseconds margin;  // SIGKILL: the time that dying may take
  milliseconds grace;   // SIGTERM: so long before SIGKILL

  // How long after SIGKILL all ought to be over.
  milliseconds late() const { return margin / 2; }
};

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

Program program_for(const std::vector<std::string>& command_line, const std::string& cluster,
                    const Lease& lease, int identity_lock) {
  Program program{.arguments = command_line,
                  .environment = {},
                  .pid_variables = {},
                  .identity_lock = identity_lock,
                  .isolated = false};
  const std::string worker_id = std::to_string(lease.worker_id());
  for (std::string& argument : program.arguments) replace_all(argument, "{}", worker_id);

  const std::array<std::string, 3> ours{"WORKER_ID", "WORKER_ID_EPOCH", "WORKER_ID_CLUSTER"};
  // What a service manager says to this process alone, systemd(1) for one, is meant for the command.
  const std::array<std::string, 3> addressed{"LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID"};
  const auto is_one = [](const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const std::string own_pid = std::to_string(::getpid());
  const char* const listener = std::getenv("LISTEN_PID");
  const bool listens = listener != nullptr && listener == own_pid;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text{*variable};
    const std::string name = text.substr(0, text.find('='));
    // Names this process by its pidfd; without it LISTEN_PID alone counts.
    const bool pidfd_of_us = listens && name == "LISTEN_PIDFDID";
    if (is_one(addressed, name) && text == name + "=" + own_pid) {
      program.pid_variables.push_back(name);
    } else if (!is_one(ours, name) && !pidfd_of_us) {
      program.environment.push_back(text);
    }
  }
  program.environment.push_back(ours[0] + "=" + worker_id);
  program.environment.push_back(ours[1] + "=" + std::to_string(lease.epoch()));
  program.environment.push_back(ours[2] + "=" + cluster);
  return program;
}

// What goes wrong with the lease is told; what goes well is not.
void tell(Output output, const Event& event) {
  const bool told = event.kind == Event::Kind::renewal_failed ||
                    event.kind == Event::Kind::suspended || event.kind == Event::Kind::resumed ||
                    event.kind == Event::Kind::lost;
  if (!told) return;
  Json json{{"event", name(event.kind)}, {"worker_id", event.worker_id}, {"epoch", event.epoch}};
  std::string what{name(event.kind)};
  std::replace(what.begin(), what.end(), '_', ' ');
  std::string message = "worker ID " + std::to_string(event.worker_id) + ": " + what;
  if (event.error) {
    json["error"] = name(event.error->error_code());
    message += std::string{": "} + event.error->what();
  }
  say(output, message, std::move(json));
}

// Runs the command for as long as the lease is held, and no longer. Made with the signals blocked.
class Supervisor {
 public:
  Supervisor(Lease& lease, const Program& program, const Timing& timing, const Bell& lease_changed,
             Output output)
      : lease_(lease),
        worker_id_(lease.worker_id()),
        timing_(timing),
        lease_changed_(lease_changed),
        output_(output),
        signals_(signal_descriptor(taken_signals())),
        guard_(program, lease.valid_until() - timing.margin,
               {.grace = timing.grace, .late = timing.late()}) {}

  // Returns with the exit code when nothing of the command is left; or, when the lease is over, but
  // that which cannot be ended.
  int run(const std::string& name) {
    const std::stop_callback on_loss(lease_.lost(), [this] { lease_changed_.raise(); });
    for (;;) {
      if (const auto ending = guard_.ending()) {
        left_ = ending->left;
        if (left_ == 0) return exit_code_of(*ending, name);
      }
      look_out();
      if (ending_) {
        if (const auto code = finish()) return *code;
      } else {
        follow_lease();
      }
      timer_.set(std::min(next_, look_at_));
      wait_readable({signals_.number(), guard_.number(), guard_.ready().number(), timer_.number(),
                     lease_changed_.number()});
      lease_changed_.clear();
      forward_signals();
    }
  }

 private:
  void follow_lease() {
    const BootTime now = BootClock::now();
    const BootTime valid_until = lease_.valid_until();
    const nanoseconds left = valid_until > now ? valid_until - now : nanoseconds::zero();
    const nanoseconds needed = timing_.margin + timing_.grace;
    if (left > needed) {
      guard_.set_deadline(valid_until - timing_.margin);
      next_ = valid_until - needed;
      return;
    }
    // For good: a renewal that comes now would find the command half ended.
    ending_ = true;
    const nanoseconds grace =
        std::clamp<nanoseconds>(left - timing_.margin, nanoseconds::zero(), timing_.grace);
    const auto shown = std::chrono::floor<milliseconds>(grace);
    guard_.signal(SIGTERM);
    guard_.set_deadline(now + grace);
    next_ = now + grace + timing_.late();
    const pid_t stranger = guard_.out_of_reach();
    say_ending(stranger == 0
                   ? "the lease ends; the command gets SIGTERM now and SIGKILL in " + to_text(shown)
                   : "the lease ends; process " + std::to_string(stranger) +
                         " runs as another user and cannot be ended, all others are",
               shown);
  }

  // When all ought to be over. What cannot be ended keeps the ID for as long as the lease is renewed.
  std::optional<int> finish() {
    const BootTime now = BootClock::now();
    if (now < next_) return std::nullopt;
    if (left_ == 0) left_ = guard_.kill();
    if (left_ == 0) return exit_lease_lost;
    if (lease_.valid_until() > now + timing_.late()) {
      next_ = lease_.valid_until() - timing_.late();
      return std::nullopt;
    }
    tell_of(
        left_, "left_running",
        "still runs as another user, though the lease is over, and others may get the ID. End it "
        "as root.");
    lease_.abandon();
    guard_.leave();
    return exit_left_running;
  }

  // Says once, and as soon as it can be known, that something cannot be ended. Most programs that
  // change their user do so when they begin, so it looks after ever longer times.
  void look_out() {
    const BootTime now = BootClock::now();
    if (left_ != 0) {
      look_at_ = now + std::chrono::seconds{1};  // whether it is gone
    } else if (look_at_ <= now) {
      look_at_ = now + std::max<nanoseconds>(now - began_, std::chrono::milliseconds{50});
    }
    if (told_) return;
    const pid_t stranger = guard_.out_of_reach();
    if (stranger == 0) return;
    told_ = true;
    tell_of(
        stranger, "out_of_reach",
        "runs as another user, so that it can be neither signalled nor ended. The ID is kept for "
        "it while the store answers, but if the lease ends, others may get it.");
  }

  void tell_of(pid_t process, const char* event, const std::string& what) const {
    say(output_,
        "worker ID " + std::to_string(worker_id_) + ": process " + std::to_string(process) + " " +
            what,
        {{"event", event}, {"worker_id", worker_id_}, {"pid", process}});
  }

  void say_ending(const std::string& what, milliseconds grace) const {
    say(output_, "worker ID " + std::to_string(worker_id_) + ": " + what,
        {{"event", "ending"}, {"worker_id", worker_id_}, {"grace_ms", grace.count()}});
  }

  // What the kernel sends for a terminal it sends to our whole process group, and so to a command in
  // it; not to one that went to a group of its own, or was not there yet. When a terminal is lost, the
  // leader of its session is told alone.
  void forward_signals() {
    const bool ready = guard_.ready().clear();
    const bool leader = ::getsid(0) == ::getpid();
    signalfd_siginfo received{};
    while (::read(signals_.number(), &received, sizeof received) ==
           static_cast<ssize_t>(sizeof received)) {
      const auto number = static_cast<int>(received.ssi_signo);
      const bool from_kernel = received.ssi_code == SI_KERNEL;
      const bool hang_up = from_kernel && number == SIGHUP;
      const bool to_group = from_kernel && started_ && !(hang_up && leader);
      const auto send = [&](int signal) {
        return to_group ? guard_.signal_if_apart(signal) : guard_.signal(signal);
      };
      send(number);
      if (hang_up) send(SIGCONT);  // as the kernel does, for one that is stopped
    }
    if (!ready) return;
    guard_.start();
    started_ = true;
  }

  int exit_code_of(const Ending& ending, const std::string& name) const {
    if (ending.no_isolation) {
      say(output_,
          std::string{"--isolate: no PID namespace can be had here ("} + ending.refusal.data() +
              "). Run as root, or allow user namespaces: by sysctl user.max_user_namespaces, "
              "and in a container by its seccomp profile.");
      return exit_code(ErrorCode::unsupported_server);
    }
    if (ending.refusal.front() != '\0') {
      say(output_,
          "cannot guard \"" + name + "\": " + ending.refusal.data() +
              ". Allow this system call, for instance in the container's seccomp profile.");
      return exit_failure;
    }
    if (ending.exec_error != 0) {
      say(output_,
          "cannot run \"" + name + "\": " + std::generic_category().message(ending.exec_error));
      return ending.exec_error == ENOENT ? exit_not_found : exit_not_executable;
    }
    if (ending.overdue && !ending_) {
      say_ending("the lease ends; there was no time for SIGTERM, the command got SIGKILL",
                 milliseconds::zero());
    }
    if (ending_ || ending.overdue) return exit_lease_lost;
    return WIFSIGNALED(ending.wait_status) ? exit_signal + WTERMSIG(ending.wait_status)
                                           : WEXITSTATUS(ending.wait_status);
  }

  Lease& lease_;
  const WorkerId worker_id_;
  const Timing timing_;
  const Bell& lease_changed_;
  const Output output_;
  const Descriptor signals_;
  const Timer timer_;
  Guard guard_;
  bool started_ = false;
  bool ending_ = false;  // SIGTERM was sent
  BootTime next_;        // when SIGTERM is due; then, when all ought to be over
  pid_t left_ = 0;       // what could not be ended, though all was to be
  bool told_ = false;    // that something runs as another user
  const BootTime began_ = BootClock::now();
  BootTime look_at_ = began_;  // when to look for such things
};

int run(const Invocation& invocation, const RunOptions& run_options) {
  const CommonOptions& common = invocation.common;
  if (invocation.command_line.empty()) {
    throw UsageError("there is no command to run; write it behind --: workerid run -- COMMAND");
  }
  if (!std::ifstream("/proc/thread-self/children")) {
    throw std::runtime_error(
        "/proc/thread-self/children cannot be read, without which what the "
        "command starts cannot be ended: mount /proc");
  }
  Options options = run_options.lease.resolved();
  const auto lease_changed = std::make_shared<Bell>();
  options.on_event = [lease_changed, output = common.output](const Event& event) {
    if (event.kind == Event::Kind::renewed) lease_changed->raise();
    tell(output, event);
  };

  const auto store = std::make_shared<AcquisitionStore>(common.store);
  Generator generator{store, common.cluster, options};
  Lease lease = [&] {
    const SignalTaker taker{[&] { store->give_back(); }};
    return generator.lease(run_options.lease.wait);
  }();

  Program program =
      program_for(invocation.command_line, common.cluster, lease, generator.identity_descriptor());
  program.isolated = run_options.isolate;
  const int code = Supervisor{lease, program, Timing{options.max_lease_time, run_options.grace},
                              *lease_changed, common.output}
                       .run(program.arguments.front());
  try {
    lease.release();
  } catch (const Error& error) {
    say(common.output, error);
  }
  return code;
}

}  // namespace

Command add_run(CLI::App& tool, Invocation& invocation) {
  CLI::App* const parser = tool.add_subcommand("run", "Run a command that holds a worker ID");
  const auto options = std::make_shared<RunOptions>();
  add_common_options(*parser, invocation.common);
  add_lease_options(*parser, options->lease);
  add_parsed(
      *parser, "--identity-file", options->lease.options.identity_file, parse_text, "FILE",
      "A file of this process alone: the next process that locks it gets the former ID back at "
      "once, so that a crash loop uses up no IDs");
  add_parsed(*parser, "--grace", options->grace, parse_duration, "TIME",
             "From SIGTERM to SIGKILL when the lease ends; a quarter of --lease at the most "
             "(default: 10s)");
  parser->add_flag(
      "--isolate", options->isolate,
      "In a PID namespace of its own: all that the command started ends for certain, even "
      "if workerid and its guard are killed or stopped together");
  parser->footer(
      "The command finds its worker ID in WORKER_ID, the epoch in WORKER_ID_EPOCH, the cluster in\n"
      "WORKER_ID_CLUSTER, and every {} in its arguments replaced by the ID. Its exit code is\n"
      "returned; signals are passed on to it. All that it started and left behind is ended before\n"
      "the ID is released.\n"
      "\n"
      "The lease renews itself. When the store does not answer for so long that the lease is "
      "about\n"
      "to end, the command gets SIGTERM and then SIGKILL, with all that it started, and is dead\n"
      "before anybody else can get the ID; also if workerid itself is killed or stopped.\n"
      "\n"
      "--output json writes the messages on standard error as JSON.\n"
      "\n"
      "Examples:\n"
      "  workerid run -- ./server --node={}\n"
      "  workerid run --store redis://db:6379 --cluster web --max 64 --wait 30s -- ./server\n"
      "  workerid run --identity-file /var/lib/web/identity -- sh -c 'echo $WORKER_ID'\n");
  return {parser, [&invocation, options] { return run(invocation, *options); }};
}

}  // namespace workerid::cli
