// SPDX-License-Identifier: MIT
//
// Numbers from a seed: the same on every machine, without any state that is shared.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>

namespace simulation {

// splitmix64's output function.
constexpr std::uint64_t mixed(std::uint64_t bits) noexcept {
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}

constexpr std::uint64_t hash(std::initializer_list<std::uint64_t> words) noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words) sum = mixed(sum + 0x9e3779b97f4a7c15U + word);
  return sum;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    return mixed(state_);
  }

  // Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) noexcept {
    return low + static_cast<std::int64_t>(next() % (static_cast<std::uint64_t>(high - low) + 1));
  }
  std::chrono::nanoseconds between(std::chrono::nanoseconds low,
                                   std::chrono::nanoseconds high) noexcept {
    return std::chrono::nanoseconds{between(low.count(), high.count())};
  }

  bool chance(std::int64_t per_mille) noexcept { return between(0, 999) < per_mille; }

  template <typename Value>
  Value pick(std::initializer_list<Value> values) noexcept {
    return *(values.begin() + between(0, static_cast<std::int64_t>(values.size()) - 1));
  }

 private:
  std::uint64_t state_;
};

}  // namespace simulation
