// Elementary functions of our own. A library's differ with the processor (glibc chooses variants
// with fused multiply-add at run time) and do not vectorise; these are branch-free, vectorise in a
// plain loop, and give the same bits at every instruction set level. Logarithm, sine and cosine are
// those of Cephes (Moshier 1992), accurate to 2 units in the last place.
#pragma once

#include <Kokkos_Core.hpp>
#include <cstdint>

namespace isoflop::kernels::kokkos {

inline constexpr float kLn2High = 0.693359375f;  // 9 bits: products with exponents are exact
inline constexpr float kLn2Low = -2.12194440e-4f;
inline constexpr float kInfinity = __builtin_inff();

/// e^x to 3 units in the last place, exact at 0. Above 88.72 infinity, below -86.99 (2^-125.5)
/// zero; NaN stays NaN.
KOKKOS_INLINE_FUNCTION float fast_exp(float x) {
  // Adding 1.5 * 2^23 rounds to an integer n, whose bits are then the lowest of the sum; 126 more
  // make them the exponent of 2^(n - 1), which is zero for n = -126.
  constexpr float rounder = 12582912.0f + 126.0f;
  const float shifted = x * 1.44269504088896341f + rounder;
  const float n = shifted - rounder;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  const float scale = __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, shifted) << 23);
  // 2 e^r for |r| <= ln(2) / 2, minimax with the first two coefficients fixed.
  float p = 2.0f * 8.3125121e-3f;
  p = p * r + 2.0f * 4.1890247e-2f;
  p = p * r + 2.0f * 1.6667115e-1f;
  p = p * r + 2.0f * 4.9999231e-1f;
  p = p * r + 2.0f;
  p = p * r + 2.0f;
  // Selects at the end: clamping x instead would make the compiler split the loop's body.
  const float y = x < -87.3f ? 0.0f : p * scale;
  return x > 88.75f ? kInfinity : y;
}

/// ln x for positive normal x; +infinity and NaN stay.
KOKKOS_INLINE_FUNCTION float fast_log(float x) {
  const std::uint32_t sqrt_half = 0x3F3504F3u;  // the mantissa m lies in [sqrt(1/2), sqrt(2))
  const std::uint32_t offset = __builtin_bit_cast(std::uint32_t, x) - sqrt_half;
  const float e = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  const float f = __builtin_bit_cast(float, (offset & 0x7FFFFFu) + sqrt_half) - 1.0f;  // m - 1
  const float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float low = (p * f) * z + e * kLn2Low - 0.5f * z;
  const float y = (f + low) + e * kLn2High;
  return x < kInfinity ? y : x;
}

/// scale / (1 + e^-x).
KOKKOS_INLINE_FUNCTION float scaled_sigmoid(float x, float scale) {
  return scale / (1.0f + fast_exp(-x));
}

/// sin x and cos x for |x| <= pi / 4.
KOKKOS_INLINE_FUNCTION float sin_octant(float x) {
  const float z = x * x;
  return ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
}
KOKKOS_INLINE_FUNCTION float cos_octant(float x) {
  const float z = x * x;
  const float p = (2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f;
  return p * z * z - 0.5f * z + 1.0f;
}

}  // namespace isoflop::kernels::kokkos
