// SPDX-License-Identifier: MIT
#include <workerid/detail/fork_guard.hpp>

#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace workerid::detail {

namespace {

using Word = std::atomic<std::uint64_t>;

// Survives fork(2): the child's first guard counts on from its parent's number, so no guard that
// was copied from the parent ever matches again.
Word last_generation{0};

Word* make_word() {
  static Word ordinary_word{0};
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED && ::madvise(page, size, MADV_WIPEONFORK) == 0) return new (page) Word{0};
  // A kernel before 4.14: clear the word by a handler in the child.
  ::pthread_atfork(nullptr, nullptr, [] { ordinary_word.store(0); });
  return &ordinary_word;
}

Word& word() {
  static Word* const the_word = make_word();
  return *the_word;
}

std::uint64_t present_generation(Word& present) noexcept {
  std::uint64_t generation = present.load();
  if (generation != 0) return generation;
  const std::uint64_t next = ++last_generation;
  return present.compare_exchange_strong(generation, next) ? next : generation;
}

}  // namespace

ForkGuard::ForkGuard() noexcept : word_(&word()), generation_(present_generation(word())) {}

}  // namespace workerid::detail
