// SPDX-License-Identifier: MIT
#include "guard.hpp"

#include "argument_pointers.hpp"
#include "exit_codes.hpp"
#include "messages.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace workerid::cli {

namespace {

using std::chrono::milliseconds;

// What `run` tells the guard.
struct Order {
  int signal = 0;     // to be sent to the command, or 0
  BootTime deadline;  // the new one, if `signal` is 0
};

// The children of this thread, which is a process's first: orphans are given to that one.
std::vector<pid_t> children() {
  std::ifstream file("/proc/thread-self/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

void signal_all(const std::vector<pid_t>& processes, int number) {
  for (const pid_t process : processes) ::kill(process, number);
}

// Ends all descendants but the `spared` children. Those whose parent ended become children, so the
// rounds reach every one. `reaped(pid, status)` hears of each child that ended.
template <typename Reaped>
void end_descendants(const std::vector<pid_t>& spared, Reaped reaped) {
  sigset_t child_ended;
  ::sigemptyset(&child_ended);
  ::sigaddset(&child_ended, SIGCHLD);
  // The kernel may miss some in its list while it changes: then look again.
  constexpr timespec look_again{.tv_sec = 0, .tv_nsec = 10'000'000};
  for (;;) {
    std::vector<pid_t> remaining = children();
    std::erase_if(remaining, [&](pid_t child) {
      return std::find(spared.begin(), spared.end(), child) != spared.end();
    });
    signal_all(remaining, SIGKILL);
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid > 0) {
      reaped(pid, status);
    } else if (pid < 0 || (remaining.empty() && !spared.empty())) {
      return;
    } else {
      ::sigtimedwait(&child_ended, nullptr, &look_again);
    }
  }
}

// Every signal at its default and none blocked; what nohup(1) or a shell's & had ignored stays so.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) {
    if (number == SIGHUP || number == SIGINT || number == SIGQUIT) continue;
    ::signal(number, SIG_DFL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// In the process that becomes the command.
[[noreturn]] void execute(const Program& program, pid_t guard, int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != guard) ::_exit(exit_failure);  // it died before it could be asked for
  if (program.identity_lock >= 0) ::fcntl(program.identity_lock, F_SETFD, 0);
  const std::vector<char*> arguments = argument_pointers(program.arguments);
  const std::vector<char*> environment = argument_pointers(program.environment);
  reset_signals();
  ::execvpe(arguments.front(), arguments.data(), environment.data());
  send(socket, Ending{.exec_error = errno, .wait_status = 0, .overdue = false});
  ::_exit(exit_failure);
}

// Leaves open only what the guard needs: not the command's pipes, nor the store's connections.
void close_descriptors(int socket, int identity_lock) {
  constexpr int first_free = 3;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int standard = 0; standard < first_free; ++standard) ::dup2(null, standard);
  std::vector<int> kept{socket};
  if (identity_lock >= first_free) kept.push_back(identity_lock);
  std::sort(kept.begin(), kept.end());
  int from = first_free;
  for (const int number : kept) {
    if (number > from) {
      ::close_range(static_cast<unsigned>(from), static_cast<unsigned>(number - 1), 0);
    }
    from = number + 1;
  }
  ::close_range(static_cast<unsigned>(from), ~0U, 0);
}

// The guard's own life: ends when nothing below it is left.
class GuardProcess {
 public:
  GuardProcess(Descriptor socket, BootTime deadline, milliseconds grace)
      : socket_(std::move(socket)), deadline_(deadline), grace_(grace) {}

  [[noreturn]] void run(const Program& program) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::prctl(PR_SET_NAME, "workerid-guard");
    const pid_t self = ::getpid();
    program_ = ::fork();
    if (program_ == 0) execute(program, self, socket_.number());
    if (program_ < 0) {
      ending_.exec_error = errno;
    } else {
      // Out of reach of the terminal's signals, above all of its stop. A group of its own would do
      // for that, but the kernel hangs up a group with a stopped member when one ends whose parent
      // is in another group of the session (setpgid(2)): a stopped `run` would end its neighbours.
      ::setsid();
      close_descriptors(socket_.number(), program.identity_lock);
      watch();
    }
    send(socket_.number(), ending_);
    ::_exit(exit_success);
  }

 private:
  void watch() {
    sigset_t child_ended;
    ::sigemptyset(&child_ended);
    ::sigaddset(&child_ended, SIGCHLD);
    const Descriptor signals = signal_descriptor(child_ended);
    const Timer timer;
    for (;;) {
      const bool supervised = follow_orders();
      if (!reap()) return;
      const BootTime end = std::min(deadline_, leftovers_until_);
      if (!supervised || BootClock::now() >= end) {
        ending_.overdue = running_;
        end_descendants({}, [this](pid_t pid, int status) { reaped(pid, status); });
        return;
      }
      timer.set(end);
      wait_readable({socket_.number(), signals.number(), timer.number()});
      signalfd_siginfo ignored{};
      static_cast<void>(::read(signals.number(), &ignored, sizeof ignored));
    }
  }

  // False if `run` is gone.
  bool follow_orders() {
    Order order{};
    for (;;) {
      switch (receive(socket_.number(), order)) {
        case Received::nothing:
          return true;
        case Received::closed:
          return false;
        case Received::message:
          if (order.signal == 0) {
            deadline_ = order.deadline;
          } else if (running_) {
            ::kill(program_, order.signal);
          }
      }
    }
  }

  // False if nobody is left.
  bool reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) reaped(pid, status);
    if (pid < 0) return false;
    if (!running_) signal_all(children(), SIGTERM);  // also those that just became children
    return true;
  }

  void reaped(pid_t pid, int status) {
    if (pid != program_) return;
    running_ = false;
    ending_.wait_status = status;
    leftovers_until_ = BootClock::now() + grace_;
  }

  Descriptor socket_;
  BootTime deadline_;
  milliseconds grace_;
  pid_t program_ = -1;
  bool running_ = true;
  BootTime leftovers_until_ = BootTime::max();
  Ending ending_;
};

}  // namespace

Guard::SocketPair Guard::make_socket_pair() {
  std::array<int, 2> numbers{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, numbers.data()) !=
      0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {{numbers[0], "socketpair"}, {numbers[1], "socketpair"}};
}

Guard::Guard(const Program& program, BootTime deadline, milliseconds grace)
    : Guard(make_socket_pair(), program, deadline, grace) {}

Guard::Guard(SocketPair sockets, const Program& program, BootTime deadline, milliseconds grace)
    : socket_(std::move(sockets.outer)), not_ours_(children()) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGCHLD, SIG_DFL);  // were it ignored, nobody would hear how a process ended
  // The guard is forked from a process with threads: of what they may have locked it uses nothing
  // but malloc, which glibc unlocks in the child. It never returns.
  sigset_t all;
  sigset_t former;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &former);
  pid_ = ::fork();
  const int error = errno;
  if (pid_ == 0) GuardProcess{std::move(sockets.inner), deadline, grace}.run(program);
  ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
  if (pid_ < 0) throw std::system_error(error, std::generic_category(), "fork");
}

Guard::~Guard() {
  if (!ended_) kill();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Guard::signal(int number) const {
  send(socket_.number(), Order{.signal = number, .deadline = {}});
}

void Guard::set_deadline(BootTime deadline) const {
  send(socket_.number(), Order{.signal = 0, .deadline = deadline});
}

std::optional<Ending> Guard::ending() {
  Ending ending;
  switch (receive(socket_.number(), ending)) {
    case Received::nothing:
      return std::nullopt;
    case Received::message:
      ended_ = true;
      return ending;
    case Received::closed:
      break;
  }
  kill();
  ending.wait_status = SIGKILL;
  return ending;
}

void Guard::kill() {
  end_descendants(not_ours_, [](pid_t, int) {});
  ended_ = true;
}

}  // namespace workerid::cli
