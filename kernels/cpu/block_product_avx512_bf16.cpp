// Block products of bf16 with the instruction that multiplies pairs (VDPBF16PS). Standard headers
// come before the change of target, so that what they define inline stays plain.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_kernels.hpp"
#include "kernels/cpu/flush_denormals.hpp"

#pragma GCC target( \
    "avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512bf16,avx2,fma,prefer-vector-width=512")
#include "kernels/cpu/avx512_bf16_lanes.hpp"
#include "kernels/cpu/pair_operands.hpp"
#include "kernels/cpu/vector_product.hpp"

namespace isoflop::kernels::cpu {

namespace {

struct Avx512Pairs : Avx512Bf16Lanes, PairTile {
  // in assembly, for GCC broadcasts by an instruction of its own
  ISOFLOP_INLINE static Float add_pairs(const float* a, Float b, Float c) {
    asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(c) : "v"(b), "m"(*a));
    return c;
  }
};

}  // namespace

template <class Y>
const BlockKernel<bf16, Y>& pair_kernel() {
  static constexpr BlockKernel<bf16, Y> kernel = vector_kernel<PairOperands<Avx512Pairs>, Y>();
  return kernel;
}

template const BlockKernel<bf16, bf16>& pair_kernel();
template const BlockKernel<bf16, float>& pair_kernel();

}  // namespace isoflop::kernels::cpu
#endif
