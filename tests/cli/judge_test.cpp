// SPDX-License-Identifier: MIT
//
// The judge of `workerid torture` sees what is wrong in notes, and nothing else.
#include "torture/judge.hpp"

#include <gtest/gtest.h>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using cli::Judge;
using cli::Note;

// A process, and a line of its notes. Times are in ms, reserved timestamps are all different unless
// they are given.
struct Line {
  int process;
  std::string text;
};

std::string use(int lease, WorkerId worker_id, std::uint64_t epoch, int before_ms, int after_ms,
                int until_ms = 1'000'000, TimestampRange reserved = {}) {
  const auto ms = [](int time) { return BootTime{std::chrono::milliseconds{time}}; };
  if (reserved == TimestampRange{}) {
    const auto own = static_cast<std::int64_t>(epoch) * 1000;
    reserved = {own, own + 999};
  }
  return to_line(Note{Note::Kind::use, "-", lease, worker_id, epoch, ms(before_ms), ms(after_ms),
                      ms(until_ms), reserved});
}

std::string end(const std::string& word, int lease, int at_ms) {
  return to_line(Note{.kind = Note::Kind::end,
                      .word = word,
                      .lease = lease,
                      .before = BootTime{std::chrono::milliseconds{at_ms}}});
}

std::string call(const std::string& word, int before_ms, int after_ms, int until_ms) {
  const auto ms = [](int time) { return BootTime{std::chrono::milliseconds{time}}; };
  return to_line(Note{.kind = Note::Kind::call,
                      .word = word,
                      .before = ms(before_ms),
                      .after = ms(after_ms),
                      .until = ms(until_ms)});
}

Judge judge_of(const std::vector<Line>& lines) {
  Judge judge(
      {.max_worker_id = 9, .reuse_delay = 1000ms, .cool_down = 500ms, .early = 10ms, .late = 100ms},
      BootTime{});
  for (const auto& [process, text] : lines) {
    if (const auto note = cli::parse_note(text)) judge.hear(process, *note);
  }
  return judge;
}

// The guarantees that were broken, in order of time.
std::string broken(const std::vector<Line>& lines) {
  std::string guarantees;
  for (const cli::Violation& violation : judge_of(lines).violations()) {
    guarantees += (guarantees.empty() ? "" : " ") + violation.guarantee;
  }
  return guarantees;
}

TEST(Notes, AreReadAsTheyWereWritten) {
  const Note note{Note::Kind::end, "lost",          3,      7, 1'700'000'000'000'000, BootTime{1ns},
                  BootTime{2ns},   BootTime::min(), {-1, 5}};
  const std::string line = to_line(note);
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(cli::parse_note(line), note);
}

TEST(Notes, OfAKilledProcessMayBeCutOff) {
  const std::string line = use(1, 1, 5, 10, 11);
  for (std::size_t length = 0; length < line.rfind(' ') + 1; ++length) {
    EXPECT_FALSE(cli::parse_note(line.substr(0, length))) << line.substr(0, length);
  }
  EXPECT_FALSE(cli::parse_note("abuse - 1 1 5 10 11 12 13 14"));
}

TEST(Judge, FindsNothingInAnOrderlySuccession) {
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 100)},
                    {2, use(1, 2, 6, 10, 11, 100)},
                    {1, use(1, 1, 5, 90, 91, 150)},
                    {1, use(1, 1, 7, 200, 201, 300)},  // resumed
                    {3, use(1, 1, 8, 1290, 1295)}}),
            "");
}

TEST(Judge, SeesAnIdThatIsHeldTwice) {  // G1
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11)},
                    {2, use(1, 1, 6, 20, 21)},
                    {1, use(1, 1, 5, 30, 31)},
                    {2, use(1, 1, 6, 40, 41)}}),
            "G1");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11)}, {2, use(1, 1, 5, 20, 21)}}), "G1")
      << "one epoch, two processes";
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11)}, {1, use(2, 1, 5, 20, 21)}}), "G1")
      << "one epoch, two leases";
  EXPECT_EQ(broken({{1, use(1, 10, 5, 10, 11)}}), "G1") << "outside the range";
}

TEST(Judge, SeesWhatOverlapsOnlyPerhapsAsInOrder) {
  // Both were used at an instant between 20 and 25 ms, nobody knows which first.
  EXPECT_EQ(
      broken(
          {{1, use(1, 1, 5, 10, 25, 15)}, {1, end("released", 1, 10)}, {2, use(1, 1, 6, 20, 600)}}),
      "");
}

TEST(Judge, SeesALaterGrantWithASmallerEpoch) {  // G4
  EXPECT_EQ(broken({{1, use(1, 1, 6, 10, 11, 20)}, {2, use(1, 1, 5, 5000, 5001)}}), "G4");
}

TEST(Judge, SeesTimestampsThatAreReservedTwice) {  // G8
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 20, {100, 200})},
                    {2, use(1, 1, 6, 5000, 5001, 6000, {200, 300})}}),
            "G8");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 20, {100, 150})},
                    {1, use(1, 1, 5, 12, 13, 30, {100, 250})},  // a renewal moved the end
                    {2, use(1, 1, 6, 5000, 5001, 6000, {200, 300})}}),
            "G8");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 20, {100, 200})},
                    {2, use(1, 2, 6, 10, 11, 20, {100, 200})}}),
            "")
      << "of two IDs";
}

TEST(Judge, SeesAnIdThatComesBackTooEarly) {  // G6
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 100)}, {2, use(1, 1, 6, 1080, 1089)}}), "G6");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 100)}, {2, use(1, 1, 6, 1080, 1090)}}), "");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 100)},
                    {1, end("released", 1, 50)},
                    {2, use(1, 1, 6, 530, 539)}}),
            "G6");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 100)},
                    {1, end("released", 1, 50)},
                    {2, use(1, 1, 6, 530, 540)}}),
            "");
  EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11, 100)},
                    {2, use(1, 1, 6, 1080, 1090)},
                    {1, end("released", 1, 2000)}}),
            "")
      << "it had come free before it was released";
}

TEST(Judge, SeesAUseAfterTheEnd) {
  EXPECT_EQ(broken({{1, use(1, 1, 5, 100, 101, 100)}}), "G2") << "of the validity";
  for (const char* const how : {"lost", "released"}) {
    EXPECT_EQ(broken({{1, use(1, 1, 5, 10, 11)}, {1, end(how, 1, 20)}, {1, use(1, 1, 5, 20, 21)}}),
              "G3")
        << how;
  }
}

TEST(Judge, SeesACallThatComesBackLate) {  // G10
  EXPECT_EQ(broken({{1, call("renewed", 0, 300, 200)}}), "");
  EXPECT_EQ(broken({{1, call("renewed", 0, 301, 200)}}), "G10");
  Judge judge = judge_of({});
  judge.stopped(1, BootTime{100ms}, BootTime{200ms});
  const auto late = cli::parse_note(call("renewed", 0, 301, 200));
  ASSERT_TRUE(late);
  judge.hear(1, *late);
  EXPECT_TRUE(judge.violations().empty()) << "it was stopped in between";
  judge.hear(2, *late);
  EXPECT_EQ(judge.violations().size(), 1U);
}

TEST(Judge, SaysWhoAndWhen) {
  const auto violations = judge_of({{1, use(1, 4, 5, 10'000, 11'000)},
                                    {2, use(3, 4, 6, 20'000, 21'000)},
                                    {1, use(1, 4, 5, 30'000, 31'000)},
                                    {2, use(3, 4, 6, 40'000, 41'000)}})
                              .violations();
  ASSERT_EQ(violations.size(), 1U);
  for (const char* const words :
       {"worker ID 4", "held twice", "process 1 (lease 1) under epoch 5 from 11.000 s to 30.000 s",
        "process 2 (lease 3) under epoch 6 from 21.000 s to 40.000 s"}) {
    EXPECT_NE(violations.front().text.find(words), std::string::npos) << violations.front().text;
  }
}

TEST(Judge, Counts) {
  const cli::Figures figures = judge_of({{1, call("acquire/done", 0, 1, 2)},
                                         {1, use(1, 1, 5, 10, 11)},
                                         {1, use(1, 1, 5, 20, 21)},
                                         {1, use(1, 1, 6, 5020, 5021)},
                                         {2, use(1, 1, 7, 10'000, 10'001)}})
                                   .figures();
  EXPECT_EQ(figures.beliefs, 4);
  EXPECT_EQ(figures.grants, 3);
  EXPECT_EQ(figures.calls.at("acquire/done"), 1);
  EXPECT_EQ(figures.longest_outage, 4999ms);
}

}  // namespace
}  // namespace workerid::tests
