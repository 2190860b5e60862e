// SPDX-License-Identifier: MIT
#include "bench/figures.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace workerid::cli {

namespace {

// More digits would be noise.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(std::fabs(value))) - 3);
  return unit >= 1 ? std::round(value / unit) * unit
                   : std::round(value / unit) / std::round(1 / unit);
}

}  // namespace

double quantile(std::vector<double> values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank == 0 ? 0 : rank - 1);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

Json spread(const std::vector<double>& values) {
  if (values.empty()) return nullptr;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {{"median", rounded(quantile(values, 0.5))},
          {"min", rounded(*least)},
          {"max", rounded(*most)}};
}

Json latency(const std::vector<double>& values_us) {
  if (values_us.empty()) return nullptr;
  return {{"p50", rounded(quantile(values_us, 0.5))},
          {"p99", rounded(quantile(values_us, 0.99))},
          {"p999", rounded(quantile(values_us, 0.999))},
          {"samples", values_us.size()}};
}

std::vector<double> ratios(const std::vector<double>& values, const std::vector<double>& floors) {
  std::vector<double> ratios;
  if (values.size() != floors.size()) return ratios;
  for (std::size_t round = 0; round < values.size(); ++round) {
    if (floors[round] > 0) ratios.push_back(values[round] / floors[round]);
  }
  return ratios;
}

}  // namespace workerid::cli
