// SPDX-License-Identifier: MIT
#include "turnstile.hpp"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace workerid::detail::sqlite {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

Turnstile::Turnstile(const std::filesystem::path& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      random_(std::random_device{}()) {}

Turnstile::~Turnstile() {
  if (folder_ >= 0) ::close(folder_);
}

void Turnstile::enter(BootTime deadline) {
  if (folder_ < 0) return;
  constexpr std::chrono::milliseconds longest_wait{100};
  constexpr unsigned longest_growth = 16;
  const BootTime give_up = std::min(deadline, BootClock::now() + longest_wait);
  for (unsigned attempts = 1;; ++attempts) {
    inside_ = ::flock(folder_, LOCK_EX | LOCK_NB) == 0;
    if (inside_) return;
    const nanoseconds left = give_up - BootClock::now();
    if (left <= nanoseconds::zero()) return;
    // Handing over costs more than going on: where many wait, it is not done for each transaction.
    const unsigned spread_us = 500 * std::min(attempts, longest_growth);
    const microseconds pause{spread_us / 2 + random_() % spread_us};
    std::this_thread::sleep_for(std::min<nanoseconds>(left, pause));
  }
}

void Turnstile::leave() noexcept {
  if (inside_) ::flock(folder_, LOCK_UN);
  inside_ = false;
}

}  // namespace workerid::detail::sqlite
