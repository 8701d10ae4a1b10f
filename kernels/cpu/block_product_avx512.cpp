// Block products in AVX-512. Standard headers come before the change of target, so that what they
// define inline stays plain.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_kernels.hpp"
#include "kernels/cpu/flush_denormals.hpp"

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx2,fma,prefer-vector-width=512")
#include "kernels/cpu/vector_product.hpp"

namespace isoflop::kernels::cpu {

namespace {

struct Avx512 {
  static constexpr int width = 16, vectors = 4, rows = 6;
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
  ISOFLOP_INLINE static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  ISOFLOP_INLINE static Float broadcast(const float* from) { return _mm512_set1_ps(*from); }
};

}  // namespace

template <class T, class Y>
const BlockKernel<T, Y>& avx512_kernel() {
  static constexpr BlockKernel<T, Y> kernel = vector_kernel<Avx512, T, Y>();
  return kernel;
}

template const BlockKernel<float, float>& avx512_kernel();
template const BlockKernel<bf16, bf16>& avx512_kernel();
template const BlockKernel<bf16, float>& avx512_kernel();

}  // namespace isoflop::kernels::cpu
#endif
