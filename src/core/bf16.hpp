// bfloat16: the upper half of a float. Storage only; arithmetic is done in float.
#pragma once

#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#define ISOFLOP_HOST_DEVICE __host__ __device__
#else
#define ISOFLOP_HOST_DEVICE
#endif

namespace isoflop {

struct bf16 {
  std::uint16_t bits;

  bf16() = default;

  /// Rounds to nearest, ties to even; NaN stays NaN. Branch-free, so that loops vectorise.
  ISOFLOP_HOST_DEVICE explicit bf16(float value) {
    const std::uint32_t word = __builtin_bit_cast(std::uint32_t, value);
    const std::uint32_t rounded = (word + 0x7FFFu + ((word >> 16) & 1u)) >> 16;
    bits = static_cast<std::uint16_t>(value == value ? rounded : 0x7FC0u);
  }

  ISOFLOP_HOST_DEVICE explicit operator float() const {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
  }
};
static_assert(sizeof(bf16) == 2);

}  // namespace isoflop
