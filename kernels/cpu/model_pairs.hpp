// A software model of the instruction that multiplies pairs of bf16 with exactly its arithmetic, so
// that the kernel made of it is tested on any processor. VDPBF16PS (Intel Software Developer's
// Manual): c + upper a upper b, then + lower a lower b, each rounded to nearest even as a fused
// multiply-add; denormals count as zero.
#pragma once

#pragma GCC diagnostic ignored "-Wpsabi"  // no vector leaves this file's code

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/bf16.hpp"
#include "kernels/cpu/pair_operands.hpp"
#include "kernels/cpu/vector_moves.hpp"

namespace isoflop::kernels::cpu {
namespace {

struct ModelPairs : PairTile {
  static constexpr int width = 16;
  typedef float Float __attribute__((vector_size(64)));
  typedef std::uint32_t Word __attribute__((vector_size(64)));
  typedef std::uint16_t Half __attribute__((vector_size(32)));

  ISOFLOP_INLINE static Half narrow(Word words) { return __builtin_convertvector(words, Half); }
  ISOFLOP_INLINE static Float add_pairs(const float* a, Float b, Float c) {
    const auto left = load<std::uint32_t>(a);
    const Word right = as<Word>(b);
    for (int i = 0; i < width; ++i) {
      c[i] = std::fma(upper(left), upper(right[i]), c[i]);
      c[i] = std::fma(upper(left << 16), upper(right[i] << 16), c[i]);
    }
    return c;
  }

 private:
  static float upper(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xFFFF0000u); }
};

}  // namespace
}  // namespace isoflop::kernels::cpu
