// Operands for the tests of products, and comparison of their bits.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace isoflop::kernels {

/// count values in (-1, 1), a fixed sequence for each seed.
template <class T>
std::vector<T> values(std::size_t count, std::uint64_t seed) {
  std::vector<T> result(count);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (T& value : result) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = T(static_cast<float>(static_cast<std::int64_t>(state) >> 32) * 0x1p-31f);
  }
  return result;
}

/// Also some denormals, large and tiny values, whose products and sums leave the normal range.
template <class T>
std::vector<T> wild_values(std::size_t count, std::uint64_t seed) {
  auto result = values<T>(count, seed);
  constexpr std::array<float, 4> kScales = {0x1p-130f, 0x1p-62f, 0x1p20f, 1.0f};
  for (std::size_t i = 0; i < count; ++i) {
    result[i] = T(float(result[i]) * kScales[i * 7919 % 13 % 4]);
  }
  return result;
}

/// Bit for bit; which NaN is not promised.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) {
    return std::bit_cast<Bits>(x) == std::bit_cast<Bits>(y) ||
           (std::isnan(float(x)) && std::isnan(float(y)));
  });
}

}  // namespace isoflop::kernels
