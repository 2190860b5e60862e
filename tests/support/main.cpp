// SPDX-License-Identifier: MIT
//
// What every test program runs: GoogleTest's tests, each with a bound.
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

namespace {

// Far more than any test takes, also on a machine that is busy with others.
constexpr unsigned bound_s = 600;

std::array<char, 300> sentence{};

void give_up(int) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, sentence.data(), std::strlen(sentence.data()));
  std::abort();
}

// A test that waits for what never comes says so, before ctest ends it without a word.
class Bound : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo& test) override {
    std::snprintf(sentence.data(), sentence.size(),
                  "%s.%s has run for %u s: what it waits for does not come.\n",
                  test.test_suite_name(), test.name(), bound_s);
    ::alarm(bound_s);
  }
  void OnTestEnd(const ::testing::TestInfo&) override { ::alarm(0); }
};

}  // namespace

int main(int count, char** arguments) {
  ::testing::InitGoogleTest(&count, arguments);
  std::signal(SIGALRM, give_up);
  ::testing::UnitTest::GetInstance()->listeners().Append(new Bound);
  return RUN_ALL_TESTS();
}
