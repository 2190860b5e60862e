// SPDX-License-Identifier: MIT
#include <workerid/detail/fork_guard.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace workerid::tests {
namespace {

using detail::ForkGuard;

// What `check` returns in a child made by fork(2).
template <typename Check>
bool in_child(Check check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// G11, and so for the next three.
TEST(ForkGuard, ChildSeesThatItWasForked) {
  const ForkGuard guard;
  EXPECT_FALSE(guard.forked());
  EXPECT_TRUE(in_child([&] { return guard.forked(); }));
  EXPECT_FALSE(guard.forked());
}

TEST(ForkGuard, ChildMayMakeItsOwn) {
  const ForkGuard guard;
  EXPECT_TRUE(in_child([&] {
    const ForkGuard own;
    const ForkGuard another;
    return guard.forked() && !own.forked() && !another.forked();
  }));
  EXPECT_FALSE(ForkGuard{}.forked());
}

TEST(ForkGuard, GrandchildIsForkedFromBoth) {
  const ForkGuard guard;
  EXPECT_TRUE(in_child([&] {
    const ForkGuard own;
    const bool grandchild = in_child([&] {
      const ForkGuard its_own;
      return guard.forked() && own.forked() && !its_own.forked();
    });
    return grandchild && !own.forked();
  }));
}

TEST(ForkGuard, CopyGuardsTheSameProcess) {
  const ForkGuard guard;
  const ForkGuard copy = guard;
  EXPECT_FALSE(copy.forked());
  EXPECT_TRUE(in_child([&] {
    const ForkGuard copied_in_the_child = guard;
    return copy.forked() && copied_in_the_child.forked();
  }));
}

}  // namespace
}  // namespace workerid::tests
