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
#include "kernels/cpu/avx512_lanes.hpp"
#include "kernels/cpu/float_operands.hpp"
#include "kernels/cpu/vector_product.hpp"

namespace isoflop::kernels::cpu {

namespace {

struct Avx512 : Avx512Lanes {
  static constexpr int vectors = 4, rows = 6;
};

}  // namespace

template <class T, class Y>
const BlockKernel<T, Y>& avx512_kernel() {
  static constexpr BlockKernel<T, Y> kernel = vector_kernel<FloatOperands<Avx512, T>, Y>();
  return kernel;
}

template const BlockKernel<float, float>& avx512_kernel();
template const BlockKernel<bf16, bf16>& avx512_kernel();
template const BlockKernel<bf16, float>& avx512_kernel();

}  // namespace isoflop::kernels::cpu
#endif
