// Random tensors of every storage type, their doubles, and the unit roundoff that tolerances are
// made of.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

#include "core/bf16.hpp"

namespace isoflop::kernels {

/// Largest relative error of one rounding to T: 24 significant bits, or 8.
template <class T>
constexpr double unit_roundoff() {
  return std::is_same_v<T, float> ? 0x1p-24 : 0x1p-8;
}

template <class T>
std::vector<T> random_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<T> values(count);
  for (T& value : values) {
    // not std::normal_distribution: the same numbers with every standard library
    float sum = -6.0f;
    for (int k = 0; k < 12; ++k) sum += static_cast<float>(engine() >> 8) * 0x1p-24f;
    value = T(sum);
  }
  return values;
}

template <class T>
std::vector<double> to_double(const std::vector<T>& values) {
  std::vector<double> doubles(values.size());
  std::transform(values.begin(), values.end(), doubles.begin(),
                 [](T value) { return static_cast<double>(static_cast<float>(value)); });
  return doubles;
}

inline double largest(const std::vector<double>& values) {
  double top = 0.0;
  for (const double value : values) top = std::max(top, std::abs(value));
  return top;
}

/// Largest |actual - expected|; infinite when anything is NaN.
template <class T>
double largest_difference(const std::vector<T>& actual, const std::vector<double>& expected) {
  double top = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<float>(actual[i]) - expected[i]);
    top = std::isnan(difference) ? INFINITY : std::max(top, difference);
  }
  return top;
}

}  // namespace isoflop::kernels
