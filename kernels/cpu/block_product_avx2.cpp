// Block products in AVX2 and FMA. Standard headers come before the change of target, so that what
// they define inline stays plain.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_kernels.hpp"
#include "kernels/cpu/flush_denormals.hpp"

#pragma GCC target("avx2,fma")
#include "kernels/cpu/float_operands.hpp"
#include "kernels/cpu/vector_product.hpp"

namespace isoflop::kernels::cpu {

namespace {

struct Avx2 {
  static constexpr int width = 8, vectors = 2, rows = 6;
  typedef float Float __attribute__((vector_size(32)));
  typedef std::uint32_t Word __attribute__((vector_size(32)));
  typedef std::uint16_t Half __attribute__((vector_size(16)));

  ISOFLOP_INLINE static Word widen(Half halves) {
    return (Word)_mm256_cvtepu16_epi32((__m128i)halves);
  }
  ISOFLOP_INLINE static Half narrow(Word words) {
    const __m256i in_lanes = _mm256_packus_epi32((__m256i)words, (__m256i)words);
    return (Half)_mm256_castsi256_si128(_mm256_permute4x64_epi64(in_lanes, 0x08));
  }
  ISOFLOP_INLINE static Float multiply_add(Float a, Float b, Float c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  ISOFLOP_INLINE static Float broadcast(const float* from) { return _mm256_broadcast_ss(from); }
};

}  // namespace

template <class T, class Y>
const BlockKernel<T, Y>& avx2_kernel() {
  static constexpr BlockKernel<T, Y> kernel = vector_kernel<FloatOperands<Avx2, T>, Y>();
  return kernel;
}

template const BlockKernel<float, float>& avx2_kernel();
template const BlockKernel<bf16, bf16>& avx2_kernel();
template const BlockKernel<bf16, float>& avx2_kernel();

}  // namespace isoflop::kernels::cpu
#endif
