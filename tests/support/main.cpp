// SPDX-License-Identifier: MIT
//
// What every test program runs: GoogleTest's tests, each with a bound if ctest runs it.
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

namespace {

// In seconds; 0 for none.
unsigned bound_s() {
  const char* const given = std::getenv("WORKERID_TEST_BOUND_S");
  return given == nullptr ? 0 : static_cast<unsigned>(std::atoi(given));
}

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
                  test.test_suite_name(), test.name(), bound_s());
    ::alarm(bound_s());
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
