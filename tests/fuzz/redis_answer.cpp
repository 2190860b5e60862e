// SPDX-License-Identifier: MIT
//
// Whatever a Redis server answers to the scripts, of a store on it come grants that satisfy the
// contract, or errors.
#include "fuzz/contract.hpp"
#include "stores/redis/packed.hpp"

#include <workerid/redis_store.hpp>

#include <array>
#include <fuzzer/FuzzedDataProvider.h>
#include <limits>

using namespace workerid;

namespace {

// Answers what the input says; with its end, that there is nothing.
class InventedServer final : public RedisConnection {
 public:
  InventedServer(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  RedisReply command(const std::vector<std::string>&, std::chrono::milliseconds) override {
    return reply(0);
  }
  std::string description() const override { return "redis://invented"; }

 private:
  static constexpr std::array words{"granted",
                                    "released",
                                    "page",
                                    "damaged",
                                    "other_format",
                                    "other_configuration",
                                    "token_used_up",
                                    "all_taken",
                                    "unknown_cluster",
                                    "outside_range",
                                    "never_granted",
                                    "released_by_another",
                                    "granted_to_another",
                                    "released_before",
                                    "ended",
                                    "timestamp_above",
                                    "holding_back",
                                    "0"};

  RedisReply reply(int depth) {
    if (input_.remaining_bytes() == 0) return {RedisReply::Nil{}};
    // What begins as an answer does, most often; within it there are numbers, most often.
    const int kind = input_.ConsumeIntegralInRange<int>(0, 11);
    switch (depth == 0 && kind > 3 ? 11 : kind) {
      case 0:
        return {RedisReply::Nil{}};
      case 1:
        return {RedisReply::ServerError{input_.ConsumeRandomLengthString(40)}};
      case 2:
        return {input_.ConsumeRandomLengthString(40)};
      case 3:
      case 4:
        return {std::string{input_.PickValueInArray(words)}};
      case 5:
      case 6:
        return {input_.ConsumeIntegral<std::int64_t>()};
      case 7:
        return {input_.PickValueInArray(
            {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})};
      case 8:
      case 9:
        return {std::int64_t{input_.ConsumeIntegral<std::uint8_t>()}};
      case 10:
        if (depth > 2) return {std::int64_t{1}};
        return {array(depth)};
      default: {
        if (depth > 2) return {std::int64_t{1}};
        if (input_.ConsumeBool()) return input_.ConsumeBool() ? grant() : page();
        RedisReply::Array answer{{std::string{input_.PickValueInArray(words)}}};
        for (RedisReply& element : array(depth)) answer.push_back(std::move(element));
        return {std::move(answer)};
      }
    }
  }

  RedisReply number() {
    switch (input_.ConsumeIntegralInRange<int>(0, 5)) {
      case 0:
        return {input_.ConsumeIntegral<std::int64_t>()};
      case 1:
        return {std::numeric_limits<std::int64_t>::min()};
      case 2:
        return {std::numeric_limits<std::int64_t>::max()};
      default:
        return {std::int64_t{input_.ConsumeIntegral<std::uint8_t>()}};
    }
  }

  void append_numbers(RedisReply::Array& array, int count) {
    for (; count > 0; --count) array.push_back(number());
  }

  RedisReply grant() {
    if (input_.ConsumeBool()) return {input_.ConsumeRandomLengthString(42)};
    const auto number = [this] { return std::int64_t{input_.ConsumeIntegral<std::uint8_t>()}; };
    return {detail::redis::packed({number(), number(), number(), number(), number()})};
  }

  // As inspect.lua answers it.
  RedisReply page() {
    RedisReply::Array rows;
    for (int count = input_.ConsumeIntegralInRange<int>(0, 3); count > 0; --count) {
      RedisReply::Array row;
      append_numbers(row, 7);
      row.push_back({std::string{"instance"}});
      row.push_back({std::string{"owner"}});
      rows.push_back({std::move(row)});
    }
    RedisReply::Array answer{
        {std::string{"page"}}, {std::string{input_.ConsumeBool() ? "0" : "7"}}, {std::move(rows)}};
    append_numbers(answer, 4);
    // The configuration, most often one that is accepted.
    if (input_.ConsumeBool()) {
      append_numbers(answer, 5);
    } else {
      for (const std::int64_t value : {1, 9, 10000, 5000, 0}) answer.push_back({value});
    }
    return {std::move(answer)};
  }

  RedisReply::Array array(int depth) {
    RedisReply::Array array;
    for (int count = input_.ConsumeIntegralInRange<int>(0, 12); count > 0; --count) {
      array.push_back(reply(depth + 1));
    }
    return array;
  }

  FuzzedDataProvider input_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto store = open_redis_store(std::make_shared<InventedServer>(data, size));
  fuzz::perform_all(*store, "cluster", Token::parse("AAAAAAAAAAAAAAAAAAAAAQ"), 7, {});
  return 0;
}
