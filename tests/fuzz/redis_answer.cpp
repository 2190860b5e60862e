// SPDX-License-Identifier: MIT
//
// Whatever a Redis server answers to the scripts, of a store on it come grants that satisfy the
// contract, or errors.
#include "fuzz/contract.hpp"

#include <workerid/redis_store.hpp>

#include <fuzzer/FuzzedDataProvider.h>

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
                                    "newer_format",
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
    switch (input_.ConsumeIntegralInRange<int>(0, depth < 3 ? 9 : 5)) {
      case 0:
        return {RedisReply::Nil{}};
      case 1:
        return {input_.ConsumeIntegral<std::int64_t>()};
      case 2:
        return {input_.ConsumeRandomLengthString(40)};
      case 3:
        return {RedisReply::ServerError{input_.ConsumeRandomLengthString(40)}};
      case 4:
        return {std::string{input_.PickValueInArray(words)}};
      case 5:
        return {std::int64_t{input_.ConsumeIntegral<std::uint8_t>()}};
      case 6:
        return {array(depth)};
      default: {
        // What begins as an answer does.
        RedisReply::Array answer{{std::string{input_.PickValueInArray(words)}}};
        for (RedisReply& element : array(depth)) answer.push_back(std::move(element));
        return {std::move(answer)};
      }
    }
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
