// The vectors of AVX-512, for the sources that are compiled for it. Included after the change of
// target; internal linkage.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/vector_moves.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // by itself the header is checked for the plain target

namespace isoflop::kernels::cpu {
namespace {

struct Avx512Lanes {
  static constexpr int width = 16;
  typedef float Float __attribute__((vector_size(64)));
  typedef std::uint32_t Word __attribute__((vector_size(64)));
  typedef std::uint16_t Half __attribute__((vector_size(32)));

  // masks of ones, because GCC 12 warns of an undefined operand inside the unmasked forms
  ISOFLOP_INLINE static Word widen(Half halves) {
    return (Word)_mm512_maskz_cvtepu16_epi32(0xFFFF, (__m256i)halves);
  }
  ISOFLOP_INLINE static Half narrow(Word words) {
    return (Half)_mm512_maskz_cvtepi32_epi16(0xFFFF, (__m512i)words);
  }
  ISOFLOP_INLINE static Float multiply_add(Float a, Float b, Float c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  ISOFLOP_INLINE static Float broadcast(const float* from) { return _mm512_set1_ps(*from); }
};

}  // namespace
}  // namespace isoflop::kernels::cpu

#pragma GCC diagnostic pop
#endif
