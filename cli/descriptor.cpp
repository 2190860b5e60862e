// SPDX-License-Identifier: MIT
#include "descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace workerid::cli {

void check(int result, const char* what) {
  if (result == -1) throw std::system_error(errno, std::generic_category(), what);
}

Descriptor::Descriptor(int number, const char* what) : number_(number) {
  check(number, what);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

namespace {

std::array<int, 2> pipe_ends() {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return ends;
}

}  // namespace

Pipe::Pipe() : Pipe(pipe_ends()) {}

Pipe::Pipe(const std::array<int, 2>& ends) : read(ends[0], "pipe2"), write(ends[1], "pipe2") {}

itimerspec timer_value(BootTime time) noexcept {
  // All zero would disarm it.
  const auto shown = std::max(time.time_since_epoch(), BootTime::duration{1});
  const auto seconds = std::chrono::floor<std::chrono::seconds>(shown);
  itimerspec value{};
  value.it_value.tv_sec = seconds.count();
  value.it_value.tv_nsec = (shown - seconds).count();
  return value;
}

Timer::Timer()
    : descriptor_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create") {}

void Timer::set(BootTime deadline) const {
  const itimerspec value = timer_value(deadline);
  check(::timerfd_settime(number(), TFD_TIMER_ABSTIME, &value, nullptr), "timerfd_settime");
}

Bell::Bell() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd") {}

// Neither fails but where nothing is to be done: it is raised already, or not at all.
void Bell::raise() const noexcept {
  ::eventfd_write(number(), 1);
}

bool Bell::clear() const noexcept {
  eventfd_t count = 0;
  return ::eventfd_read(number(), &count) == 0;
}

Descriptor signal_descriptor(const sigset_t& signals) {
  return {::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"};
}

void wait_readable(std::initializer_list<int> numbers) {
  std::vector<pollfd> polled;
  for (const int number : numbers) polled.push_back({.fd = number, .events = POLLIN, .revents = 0});
  int ready = 0;
  do {
    ready = ::poll(polled.data(), polled.size(), -1);
  } while (ready < 0 && errno == EINTR);
  check(ready, "poll");
}

}  // namespace workerid::cli
