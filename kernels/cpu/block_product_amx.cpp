// Block products of bf16 in the processor's tile unit. Standard headers come before the change of
// target, so that what they define inline stays plain.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_kernels.hpp"

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512bf16,avx2,fma")
#include "kernels/cpu/avx512_bf16_lanes.hpp"
#include "kernels/cpu/tile_product.hpp"

namespace isoflop::kernels::cpu {

namespace {

/// The instructions are written out because the compiler's intrinsics take tile numbers as literals
/// only, which a template parameter is not.
class HardwareTiles {
 public:
  using Lanes = Avx512Bf16Lanes;

  HardwareTiles() {
    alignas(64) std::uint8_t config[64] = {1};  // palette 1, then rows and bytes a row of each tile
    for (int t = 0; t < 8; ++t) {
      config[16 + 2 * t] = 64;
      config[48 + t] = 16;
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~HardwareTiles() { asm volatile("tilerelease"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int t>
  ISOFLOP_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(t));
  }

  template <int t>
  ISOFLOP_INLINE void load(const void* from, std::size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(t) : "memory");
  }

  template <int t>
  ISOFLOP_INLINE void stream(const void* from, std::size_t stride) {
    asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(t) : "memory");
  }

  template <int t>
  ISOFLOP_INLINE void store(void* to, std::size_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(t) : "memory");
  }

  template <int c, int a, int b>
  ISOFLOP_INLINE void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
  }
};

}  // namespace

template <class Y>
const BlockKernel<bf16, Y>& tile_kernel() {
  static constexpr BlockKernel<bf16, Y> kernel = make_tile_kernel<HardwareTiles, Y>();
  return kernel;
}

template const BlockKernel<bf16, bf16>& tile_kernel();
template const BlockKernel<bf16, float>& tile_kernel();

}  // namespace isoflop::kernels::cpu
#endif
