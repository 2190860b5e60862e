// SPDX-License-Identifier: MIT
#include "guard.hpp"

#include "argument_pointers.hpp"
#include "exit_codes.hpp"
#include "messages.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <new>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace workerid::cli {

// In memory, because it cannot be full, and a guard that stood still finds the latest.
struct Orders {
  std::atomic<BootTime::rep> deadline;
  std::atomic<std::uint64_t> signals{0};           // to be sent to the command: a bit for each
  std::atomic<std::uint64_t> signals_if_apart{0};  // those that its process group did not get
  std::atomic<bool> started{false};

  static_assert(decltype(deadline)::is_always_lock_free && decltype(signals)::is_always_lock_free);
};

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << static_cast<unsigned>(signal - 1);
}

// `run` says that there are new orders, the guard how all ended.
struct Wake {
  char nothing = 0;
};

void set_signal_mask(const sigset_t& signals, sigset_t* former = nullptr) {
  errno = ::pthread_sigmask(SIG_SETMASK, &signals, former);
  check(errno == 0 ? 0 : -1, "pthread_sigmask");
}

void refuse(Ending& ending, const std::exception& error) {
  const std::string_view text{error.what()};
  text.copy(ending.refusal.data(), ending.refusal.size() - 1);
}

// What stands in a list of children of the kernel's; nothing if it cannot be read.
std::optional<std::vector<pid_t>> read_children(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

// The children of this thread, which is a process's first: orphans are given to that one.
std::optional<std::vector<pid_t>> children() {
  return read_children("/proc/thread-self/children");
}

// The same without `spared`.
std::optional<std::vector<pid_t>> children_but(const std::vector<pid_t>& spared) {
  auto remaining = children();
  if (remaining) {
    std::erase_if(*remaining, [&](pid_t child) {
      return std::find(spared.begin(), spared.end(), child) != spared.end();
    });
  }
  return remaining;
}

// Adds the children of another process, as far as they can be seen.
void append_children(std::vector<pid_t>& processes, pid_t parent) {
  std::error_code gone;
  const std::filesystem::path threads = "/proc/" + std::to_string(parent) + "/task";
  for (std::filesystem::directory_iterator thread{threads, gone}, end; !gone && thread != end;
       thread.increment(gone)) {
    const auto more = read_children(thread->path() / "children").value_or(std::vector<pid_t>{});
    processes.insert(processes.end(), more.begin(), more.end());
  }
}

// Whether a process runs as another user. A number of 0 only asks.
bool is_refused(pid_t process, int number) {
  return ::kill(process, number) != 0 && errno == EPERM;
}

// Ends all descendants but the `spared` children. Those whose parent ended become children, so the
// rounds reach every one; below a child that cannot be ended they go down the tree. Returns such a
// child when no others are left, or 0. `known` is a child that is ended even if no list can be read.
// `reaped(pid, status)` hears of each child that ended.
template <typename Reaped>
pid_t end_descendants(const std::vector<pid_t>& spared, pid_t known, Reaped reaped) {
  sigset_t child_ended;
  ::sigemptyset(&child_ended);
  ::sigaddset(&child_ended, SIGCHLD);
  // The kernel may miss some in its list while it changes, and there may be no file left to read it:
  // then look again.
  constexpr timespec look_again{.tv_sec = 0, .tv_nsec = 10'000'000};
  for (;;) {
    const auto remaining = children_but(spared);
    std::vector<pid_t> refused;
    for (const pid_t child : remaining.value_or(std::vector<pid_t>{known})) {
      if (child > 0 && is_refused(child, SIGKILL)) refused.push_back(child);
    }
    const bool all_refused = remaining && refused.size() == remaining->size();
    const pid_t left = refused.empty() ? 0 : refused.front();
    // No number is another process's so soon: the kernel gives them out in turn.
    for (std::size_t index = 0; index < refused.size(); ++index) {
      std::vector<pid_t> below;
      append_children(below, refused[index]);
      for (const pid_t process : below) {
        if (is_refused(process, SIGKILL)) refused.push_back(process);
      }
    }
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid > 0) {
      if (pid == known) known = 0;
      reaped(pid, status);
    } else if (pid < 0 || (remaining && remaining->empty() && !spared.empty())) {
      return 0;
    } else if (left != 0 && all_refused) {
      return left;
    } else {
      ::sigtimedwait(&child_ended, nullptr, &look_again);
    }
  }
}

// Kills this process when `CLOCK_BOOTTIME` shows a time, also while it is stopped; but not the first
// process of a PID namespace, which the kernel spares.
class Fuse {
 public:
  Fuse() {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    check(::timer_create(CLOCK_BOOTTIME, &event, &timer_), "timer_create");
  }

  void set(BootTime time) const { set(timer_value(time)); }
  void unset() const { set(itimerspec{}); }

 private:
  void set(const itimerspec& value) const {
    check(::timer_settime(timer_, TIMER_ABSTIME, &value, nullptr), "timer_settime");
  }

  timer_t timer_{};  // ends with the process
};

// Has the kernel kill this process when its parent ends. One that ended before is to be found out
// afterwards.
void die_with_parent() {
  check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");
}

// Every signal at its default and none blocked; what nohup(1) or a shell's & had ignored stays so.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) {
    if (number == SIGHUP || number == SIGINT || number == SIGQUIT) continue;
    // Some are not to be changed: the kernel's, and two that the C library keeps to itself.
    if (::signal(number, SIG_DFL) == SIG_ERR && errno != EINVAL) check(-1, "sigaction");
  }
  sigset_t none;
  ::sigemptyset(&none);
  set_signal_mask(none);
}

// In the process that becomes the command, when `go` has something to read.
[[noreturn]] void execute(const Program& program, pid_t guard, int socket, int go) {
  Ending ending;
  try {
    die_with_parent();
    if (::getppid() != guard) ::_exit(exit_failure);
    if (program.identity_lock >= 0) check(::fcntl(program.identity_lock, F_SETFD, 0), "fcntl");
    const std::vector<char*> arguments = argument_pointers(program.arguments);
    std::vector<std::string> variables = program.environment;
    for (const std::string& name : program.pid_variables) {
      variables.push_back(name + "=" + std::to_string(::getpid()));
    }
    const std::vector<char*> environment = argument_pointers(variables);
    char byte = 0;
    if (::read(go, &byte, 1) != 1) ::_exit(exit_failure);  // the guard will not do
    reset_signals();
    ::execvpe(arguments.front(), arguments.data(), environment.data());
    ending.exec_error = errno;
  } catch (const std::exception& error) {
    refuse(ending, error);
  }
  send(socket, ending);
  ::_exit(exit_failure);
}

// close_range(2), where that is refused.
void close_all_but(const std::vector<int>& kept, int first) {
  std::vector<int> numbers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const std::string name = entry.path().filename().string();
    int number = -1;
    std::from_chars(name.data(), name.data() + name.size(), number);
    numbers.push_back(number);
  }
  for (const int number : numbers) {
    const bool keep = number < first || std::find(kept.begin(), kept.end(), number) != kept.end();
    if (!keep) ::close(number);
  }
}

// Leaves open only what the guard needs: not the command's pipes, nor the store's connections.
void close_descriptors(std::vector<int> kept) {
  constexpr int first_free = 3;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int standard = 0; standard < first_free; ++standard) {
    if (null < 0 || ::dup2(null, standard) < 0) ::close(standard);
  }
  if (null >= 0) ::close(null);
  std::sort(kept.begin(), kept.end());
  int from = first_free;
  bool closed = true;
  const auto close_up_to = [&](unsigned last) {
    if (static_cast<unsigned>(from) > last) return;
    closed = ::close_range(static_cast<unsigned>(from), last, 0) == 0 && closed;
  };
  for (const int number : kept) {
    if (number < first_free) continue;
    close_up_to(static_cast<unsigned>(number) - 1);
    from = number + 1;
  }
  close_up_to(~0U);
  if (!closed) close_all_but(kept, first_free);
}

void write_text(const char* path, const std::string& text) {
  const Descriptor file{::open(path, O_WRONLY | O_CLOEXEC), path};
  check(static_cast<int>(::write(file.number(), text.data(), text.size())), path);
}

// What this process forks is in another PID and mount namespace then. Who may not have them gets them
// in a user namespace that has one user and group, the present ones.
void leave_namespaces() {
  constexpr int namespaces = CLONE_NEWPID | CLONE_NEWNS;
  if (::unshare(namespaces) == 0) return;
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  check(::unshare(namespaces | CLONE_NEWUSER), "unshare");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", user + " " + user + " 1");
  write_text("/proc/self/gid_map", group + " " + group + " 1");
}

// In the first process of a PID namespace: sees its processes in /proc, and nobody else does.
void mount_proc() {
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr), "mount(/)");
  check(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
        "mount(/proc)");
}

// The guard's own life: ends when nothing below it is left.
class GuardProcess {
 public:
  GuardProcess(Descriptor socket, Orders& orders, Patience patience)
      : socket_(std::move(socket)), orders_(orders), patience_(patience) {}

  // `ready` is raised when the command's process is there. `fuse`, if there is one, is the guard's
  // parent, which has something for it to read when it is ready, and the one that keeps the other end.
  [[noreturn]] void run(const Program& program, const Bell& ready,
                        std::optional<Pipe> fuse = std::nullopt) {
    isolated_ = fuse.has_value();
    try {
      if (fuse) isolate(*std::move(fuse));
      guard(program, ready);
    } catch (const std::exception& error) {
      const pid_t left = end_descendants({}, program_, [](pid_t, int) {});
      if (left != 0 && !isolated_) ::_exit(exit_failure);  // `run` finds it itself
      refuse(ending_, error);
    }
    ending_.left = 0;
    send(socket_.number(), ending_);
    ::_exit(exit_success);
  }

  // The life of the fuse, which forks the guard. `socket` is woken when there are new orders; `parent`
  // is `run`.
  [[noreturn]] void run_isolated(const Program& program, const Bell& ready, Descriptor socket,
                                 pid_t parent) {
    try {
      ending_.no_isolation = true;
      leave_namespaces();
      ending_.no_isolation = false;
      die_with_parent();  // only now: a change of rights may undo it
      if (::getppid() != parent) ::_exit(exit_failure);
      static_cast<void>(::prctl(PR_SET_NAME, "workerid-fuse"));
      const Fuse fuse;
      Pipe pipe;
      const pid_t guard = ::fork();
      if (guard == 0) run(program, ready, std::move(pipe));
      check(guard, "fork");
      check(::setsid(), "setsid");  // as the guard
      close_descriptors({socket.number(), pipe.read.number(), pipe.write.number()});
      fuse.set(deadline() + patience_.late);
      static_cast<void>(Descriptor{std::move(pipe.read)});
      check(static_cast<int>(::write(pipe.write.number(), "", 1)), "write");
      while (follow(socket)) {
        fuse.set(deadline() + patience_.late);
        wait_readable({socket.number()});
      }
      ::_exit(exit_success);
    } catch (const std::exception& error) {
      refuse(ending_, error);
    }
    send(socket_.number(), ending_);
    ::_exit(exit_failure);
  }

 private:
  void isolate(Pipe fuse) {
    ending_.no_isolation = true;
    die_with_parent();
    static_cast<void>(Descriptor{std::move(fuse.write)});  // closed
    pollfd other_end{.fd = fuse.read.number(), .events = 0, .revents = 0};
    char byte = 0;
    if (::read(fuse.read.number(), &byte, 1) != 1 || ::poll(&other_end, 1, 0) != 0) {
      ::_exit(exit_failure);
    }
    mount_proc();
    ending_.no_isolation = false;
  }

  void guard(const Program& program, const Bell& ready) {
    check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)");
    static_cast<void>(::prctl(PR_SET_NAME, "workerid-guard"));  // for people
    const pid_t self = ::getpid();
    group_ = ::getpgrp();
    go_.emplace();
    program_ = ::fork();
    if (program_ == 0) execute(program, self, socket_.number(), go_->read.number());
    check(program_, "fork");
    ready.raise();
    // Out of reach of the terminal's signals, above all of its stop. A group of its own would do
    // for that, but the kernel hangs up a group with a stopped member when one ends whose parent
    // is in another group of the session (setpgid(2)): a stopped `run` would end its neighbours.
    check(::setsid(), "setsid");
    close_descriptors(
        {socket_.number(), program.identity_lock, go_->read.number(), go_->write.number()});
    sigset_t child_ended;
    ::sigemptyset(&child_ended);
    ::sigaddset(&child_ended, SIGCHLD);
    const Descriptor signals = signal_descriptor(child_ended);
    const Timer timer;
    const Fuse fuse;
    // The command starts only now: it has no moment without its guard.
    watch(signals, timer, fuse);
  }

  void watch(const Descriptor& signals, const Timer& timer, const Fuse& fuse) {
    for (;;) {
      const bool supervised = follow_orders();
      if (!reap()) return;
      const BootTime now = BootClock::now();
      BootTime end = std::min(deadline(), leftovers_until_);
      // Once that time is past the guard stays, for the sake of what it cannot end.
      if (deadline() + patience_.late > now) fuse.set(deadline() + patience_.late);
      if (!supervised || now >= end) {
        fuse.unset();
        ending_.overdue = ending_.overdue || running_;
        if (end_all() == 0) return;
        end = now + std::chrono::seconds{1};  // then again: they may have started more
      }
      timer.set(end);
      wait_readable({supervised ? socket_.number() : -1, signals.number(), timer.number()});
      signalfd_siginfo ignored{};
      while (::read(signals.number(), &ignored, sizeof ignored) > 0) {
      }
    }
  }

  // Returns a process that cannot be ended, or 0. `run` hears of the first.
  pid_t end_all() {
    const pid_t left = end_descendants({}, running_ ? program_ : 0,
                                       [this](pid_t pid, int status) { reaped(pid, status); });
    if (isolated_) return 0;  // the kernel ends it with this process
    if (left != 0 && left != ending_.left) {
      ending_.left = left;
      send(socket_.number(), ending_);
    }
    return left;
  }

  BootTime deadline() const { return BootTime{BootTime::duration{orders_.deadline}}; }

  // Reads the messages that announce new orders. False if `run` is gone.
  static bool follow(const Descriptor& socket) {
    Wake wake;
    Received received{};
    while ((received = receive(socket.number(), wake)) == Received::message) {
    }
    return received != Received::closed;
  }

  // False if `run` is gone.
  bool follow_orders() {
    const bool supervised = follow(socket_);
    const bool started = orders_.started;  // first: what came before it is sent before it
    std::uint64_t signals = orders_.signals.exchange(0);
    const std::uint64_t signals_if_apart = orders_.signals_if_apart.exchange(0);
    if (running_ && ::getpgid(program_) != group_) signals |= signals_if_apart;
    for (int number = 1; running_ && number < NSIG; ++number) {
      // If it is refused, `run` knows by out_of_reach().
      if ((signals & bit(number)) != 0) ::kill(program_, number);
    }
    if (started && go_) {
      check(static_cast<int>(::write(go_->write.number(), "", 1)), "write");
      go_.reset();
    }
    return supervised;
  }

  // False if nobody is left.
  bool reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) reaped(pid, status);
    if (pid < 0) return false;
    if (!running_) {  // also those that just became children
      for (const pid_t child : children().value_or(std::vector<pid_t>{})) ::kill(child, SIGTERM);
    }
    return true;
  }

  void reaped(pid_t pid, int status) {
    if (pid != program_) return;
    running_ = false;
    ending_.wait_status = status;
    leftovers_until_ = BootClock::now() + patience_.grace;
  }

  Descriptor socket_;
  Orders& orders_;
  Patience patience_;
  pid_t group_ = 0;         // that of `run`; 0 if it is outside of this PID namespace
  std::optional<Pipe> go_;  // until the command starts
  pid_t program_ = -1;
  bool isolated_ = false;
  bool running_ = true;
  BootTime leftovers_until_ = BootTime::max();
  Ending ending_;
};

std::unique_ptr<Orders, void (*)(Orders*)> shared_orders(BootTime deadline) {
  void* const memory =
      ::mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) check(-1, "mmap");
  return {new (memory) Orders{.deadline = deadline.time_since_epoch().count()},
          [](Orders* orders) { ::munmap(orders, sizeof(Orders)); }};
}

}  // namespace

Guard::SocketPair::SocketPair()
    : SocketPair([] {
        std::array<int, 2> ends{-1, -1};
        check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()),
              "socketpair");
        return ends;
      }()) {}

Guard::SocketPair::SocketPair(const std::array<int, 2>& ends)
    : outer(ends[0], "socketpair"), inner(ends[1], "socketpair") {}

Guard::Guard(const Program& program, BootTime deadline, Patience patience)
    : Guard(SocketPair{}, program, deadline, patience) {}

Guard::Guard(SocketPair sockets, const Program& program, BootTime deadline, Patience patience)
    : socket_(std::move(sockets.outer)), orders_(shared_orders(deadline)) {
  const auto present = children();
  check(present ? 0 : -1, "/proc/thread-self/children");
  not_ours_ = *present;
  check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)");
  // Were it ignored, nobody would hear how a process ended.
  if (::signal(SIGCHLD, SIG_DFL) == SIG_ERR) check(-1, "sigaction");
  std::optional<SocketPair> to_fuse;
  if (program.isolated) fuse_socket_ = std::move(to_fuse.emplace().outer);
  // The guard is forked from a process with threads: of what they may have locked it uses nothing
  // but malloc, which glibc unlocks in the child. It never returns.
  sigset_t all;
  sigset_t former;
  ::sigfillset(&all);
  set_signal_mask(all, &former);
  const pid_t self = ::getpid();
  pid_ = ::fork();
  const int error = errno;
  if (pid_ == 0) {
    // By themselves, so that it hears when `run` is gone.
    ::close(socket_.number());
    if (fuse_socket_) ::close(fuse_socket_->number());
    GuardProcess process{std::move(sockets.inner), *orders_, patience};
    if (to_fuse) process.run_isolated(program, ready_, std::move(to_fuse->inner), self);
    process.run(program, ready_);
  }
  set_signal_mask(former);
  errno = error;
  check(pid_, "fork");
}

Guard::~Guard() {
  if (left_alone_) return;
  if (!ended_ || fuse_socket_) kill();  // the fuse does not end by itself
  while (pid_ > 0 && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Guard::signal(int number) const {
  orders_->signals |= bit(number);
  wake();
}

void Guard::signal_if_apart(int number) const {
  orders_->signals_if_apart |= bit(number);
  wake();
}

void Guard::start() const {
  orders_->started = true;
  wake();
}

void Guard::set_deadline(BootTime deadline) const {
  orders_->deadline = deadline.time_since_epoch().count();
  wake();
}

void Guard::wake() const noexcept {
  // A full socket does no harm: the guard has still to read that there are new orders.
  send(socket_.number(), Wake{});
  if (fuse_socket_) send(fuse_socket_->number(), Wake{});
}

std::optional<Ending> Guard::ending() {
  Ending ending;
  switch (gone_ ? Received::closed : receive(socket_.number(), ending)) {
    case Received::nothing:
      return std::nullopt;
    case Received::message:
      ended_ = ending.left == 0;
      return ending;
    case Received::closed:
      break;
  }
  gone_ = true;
  ending.overdue = BootClock::now() >= BootTime{BootTime::duration{orders_->deadline}};
  ending.left = kill();
  ending.wait_status = SIGKILL;
  return ending;
}

pid_t Guard::kill() {
  ended_ = true;
  return end_descendants(not_ours_, pid_, [this](pid_t pid, int) {
    if (pid == pid_) pid_ = 0;
  });
}

pid_t Guard::out_of_reach() const {
  if (fuse_socket_) return 0;
  std::vector<pid_t> family = children_but(not_ours_).value_or(std::vector<pid_t>{});
  for (std::size_t index = 0; index < family.size(); ++index) {
    if (is_refused(family[index], 0)) return family[index];
    append_children(family, family[index]);
  }
  return 0;
}

}  // namespace workerid::cli
