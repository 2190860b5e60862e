// SPDX-License-Identifier: MIT
//
// Layouts and texts of IDs: arithmetic and borders.
#include "support/expect_error.hpp"

#include <workerid/snowflake.hpp>

#include <array>
#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using std::chrono::year;

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

std::chrono::sys_days runs_out_on(const SnowflakeLayout& layout) {
  return std::chrono::floor<std::chrono::days>(layout.runs_out());
}

std::vector<SnowflakeLayout> presets() {
  return {SnowflakeLayout{}, SnowflakeLayout::twitter(), SnowflakeLayout::sonyflake(),
          SnowflakeLayout::javascript(), SnowflakeLayout::seconds()};
}

TEST(SnowflakeLayoutTest, ThePresetsAreValidAndLastForDecades) {
  for (const SnowflakeLayout& layout : presets()) EXPECT_NO_THROW(layout.check());
  EXPECT_EQ(runs_out_on(SnowflakeLayout{}), year{2094} / 9 / 7);
  EXPECT_EQ(runs_out_on(SnowflakeLayout::twitter()), year{2080} / 7 / 10);
  EXPECT_EQ(runs_out_on(SnowflakeLayout::sonyflake()), year{2188} / 11 / 16);
  EXPECT_EQ(runs_out_on(SnowflakeLayout::javascript()), year{2094} / 9 / 7);
  EXPECT_EQ(runs_out_on(SnowflakeLayout::seconds()), year{2093} / 1 / 19);
}

TEST(SnowflakeLayoutTest, SaysHowMuchItHolds) {
  const SnowflakeLayout layout;
  EXPECT_EQ(layout.max_worker_id(), 1023);
  EXPECT_EQ(layout.max_sequence(), 4095);
  EXPECT_EQ(layout.max_id(), largest);
  EXPECT_EQ(layout.ids_per_second(), 4'096'000);
  EXPECT_EQ(SnowflakeLayout::sonyflake().max_worker_id(), 65'535);
  EXPECT_EQ(SnowflakeLayout::sonyflake().ids_per_second(), 25'600);
  EXPECT_EQ(SnowflakeLayout::javascript().max_id(), (std::int64_t{1} << 53) - 1);
  EXPECT_EQ(SnowflakeLayout::javascript().ids_per_second(), 128'000);
  EXPECT_EQ(SnowflakeLayout::seconds().ids_per_second(), 4'194'304);
}

// As Twitter's implementation composes it: an ID of the first tweets after Snowflake began.
TEST(SnowflakeLayoutTest, ReadsTwittersIds) {
  const SnowflakeParts parts = SnowflakeLayout::twitter().decompose(1'541'815'603'606'036'480);
  EXPECT_EQ(parts.time, WallTime{1'656'432'460'105ms});
  EXPECT_EQ(parts.worker_id, 378);
  EXPECT_EQ(parts.sequence, 0);
}

TEST(SnowflakeLayoutTest, KeepsAllPartsAtTheirBorders) {
  for (const SnowflakeLayout& layout : presets()) {
    for (const WallTime time :
         {layout.epoch, layout.epoch + 1000 * layout.tick, layout.runs_out() - layout.tick}) {
      for (const WorkerId worker_id : {WorkerId{0}, WorkerId{1}, layout.max_worker_id()}) {
        for (const std::int64_t sequence : {std::int64_t{0}, layout.max_sequence()}) {
          const SnowflakeParts parts{time, worker_id, sequence};
          EXPECT_EQ(layout.decompose(layout.compose(parts)), parts);
        }
      }
    }
    EXPECT_EQ(layout.compose({layout.epoch, 0, 0}), 0);
    EXPECT_EQ(layout.compose(
                  {layout.runs_out() - layout.tick, layout.max_worker_id(), layout.max_sequence()}),
              layout.max_id());
  }
}

TEST(SnowflakeLayoutTest, PutsTheWorkerIdWhereItIsTold) {
  SnowflakeLayout layout;
  const SnowflakeParts parts{layout.epoch + 1ms, 5, 3};
  EXPECT_EQ(layout.compose(parts), (1 << 22) + (5 << 12) + 3);
  layout.worker_id_last = true;
  EXPECT_EQ(layout.compose(parts), (1 << 22) + (3 << 10) + 5);
}

TEST(SnowflakeLayoutTest, RoundsDownToATick) {
  const SnowflakeLayout layout = SnowflakeLayout::seconds();
  const std::int64_t id = layout.compose({layout.epoch + 2999ms, 1, 0});
  EXPECT_EQ(layout.decompose(id).time, layout.epoch + 2s);
}

TEST(SnowflakeLayoutTest, RefusesWithTheValueAndTheLimit) {
  const auto refuse = [](const SnowflakeLayout& layout, const std::string& name,
                         const std::string& value, const std::string& limit) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { layout.check(); }, name, value, limit);
  };
  refuse({.timestamp_bits = 0}, "timestamp_bits", "0", "1 to 63");
  refuse({.worker_bits = -1}, "worker_bits", "-1", "0 to 31");
  refuse({.worker_bits = 32}, "worker_bits", "32", "0 to 31");
  refuse({.sequence_bits = 63}, "sequence_bits", "63", "0 to 62");
  refuse({.sequence_bits = 13}, "sum", "64", "1 to 63");
  refuse({.tick = 0ms}, "tick", "0", "1 to 60000");
  refuse({.tick = 60'001ms}, "tick", "60001", "1 to 60000");
  refuse({.epoch = WallTime{-1ms}}, "epoch", "-1", "0 to");
  refuse({.timestamp_bits = 48, .worker_bits = 1, .sequence_bits = 1}, "timestamp_bits", "48",
         "9999");
  refuse({.timestamp_bits = 63, .worker_bits = 0, .sequence_bits = 0}, "timestamp_bits", "63",
         "9999");
}

TEST(SnowflakeLayoutTest, RefusesPartsThatDoNotFit) {
  const SnowflakeLayout layout;
  const auto refuse = [&](const SnowflakeParts& parts, const std::string& value,
                          const std::string& limit) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { layout.compose(parts); }, value, limit);
  };
  refuse({layout.epoch, 1024, 0}, "1024", "1023");
  refuse({layout.epoch, -1, 0}, "-1", "0 to");
  refuse({layout.epoch, 0, 4096}, "4096", "4095");
  refuse({layout.epoch - 1ms, 0, 0}, "1735689599999", "1735689600000");
  refuse({layout.runs_out(), 0, 0}, "3934712855552", "3934712855551");
}

TEST(SnowflakeLayoutTest, RefusesNumbersThatAreNoIds) {
  const auto decompose = [](const SnowflakeLayout& layout, std::int64_t id) {
    return expect_error(ErrorCode::invalid_argument,
                        [&] { static_cast<void>(layout.decompose(id)); });
  };
  decompose(SnowflakeLayout{}, -1);
  decompose(SnowflakeLayout::javascript(), std::int64_t{1} << 53);
}

constexpr std::array forms{SnowflakeText::decimal, SnowflakeText::base62, SnowflakeText::base32};

TEST(SnowflakeTextTest, ReadsWhatItWrites) {
  std::uint64_t number = 1;
  for (int round = 0; round < 1000; ++round) {
    number = number * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    const auto id = static_cast<std::int64_t>(number >> (1 + round % 63));
    for (const SnowflakeText form : forms) {
      EXPECT_EQ(parse_snowflake(to_text(id, form), form), id) << to_text(id, form);
    }
  }
}

TEST(SnowflakeTextTest, WritesTheBorders) {
  EXPECT_EQ(to_text(0, SnowflakeText::decimal), "0");
  EXPECT_EQ(to_text(0, SnowflakeText::base62), "00000000000");
  EXPECT_EQ(to_text(0, SnowflakeText::base32), "0000000000000");
  EXPECT_EQ(to_text(61, SnowflakeText::base62), "0000000000z");
  EXPECT_EQ(to_text(31, SnowflakeText::base32), "000000000000Z");
  EXPECT_EQ(to_text(largest, SnowflakeText::decimal), "9223372036854775807");
  EXPECT_EQ(to_text(largest, SnowflakeText::base62), "AzL8n0Y58m7");
  EXPECT_EQ(to_text(largest, SnowflakeText::base32), "7ZZZZZZZZZZZZ");
}

TEST(SnowflakeTextTest, SortsAsTheIdsDo) {
  for (const SnowflakeText form : {SnowflakeText::base62, SnowflakeText::base32}) {
    std::string before;
    for (std::int64_t id = 1; id < largest / 3; id *= 3) {
      EXPECT_LT(before, to_text(id, form));
      before = to_text(id, form);
    }
  }
}

TEST(SnowflakeTextTest, ReadsCrockfordsSubstitutes) {
  EXPECT_EQ(parse_snowflake("iLo1O", SnowflakeText::base32),
            parse_snowflake("11010", SnowflakeText::base32));
  EXPECT_EQ(parse_snowflake("z", SnowflakeText::base32), 31);
  EXPECT_EQ(parse_snowflake("z", SnowflakeText::base62), 61);
}

TEST(SnowflakeTextTest, RefusesWhatIsNoId) {
  const auto refuse = [](const std::string& text, SnowflakeText form) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { parse_snowflake(text, form); }, text);
  };
  for (const SnowflakeText form : forms) {
    for (const std::string text : {"", "-1", "+1", " 1", "1 ", "1.0", "\xc3\xa4"}) {
      refuse(text, form);
    }
  }
  refuse("9223372036854775808", SnowflakeText::decimal);
  refuse("AzL8n0Y58m8", SnowflakeText::base62);
  refuse("8000000000000", SnowflakeText::base32);
  refuse("U", SnowflakeText::base32);
  expect_error(ErrorCode::invalid_argument, [] { to_text(-1, SnowflakeText::decimal); });
}

}  // namespace
}  // namespace workerid::tests
