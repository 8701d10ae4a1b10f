#include "kernels/cpu/block_product.hpp"

#include <type_traits>

#include "kernels/cpu/block_kernels.hpp"

namespace isoflop::kernels::cpu {

template <class T, class Y>
const BlockKernel<T, Y>& block_kernel(InstructionSet set) {
  switch (set) {
#if defined(__x86_64__)
    case InstructionSet::amx:
      if constexpr (std::is_same_v<T, bf16>) {
        return tile_kernel<Y>();
      }
      [[fallthrough]];
    case InstructionSet::avx512_bf16:
      if constexpr (std::is_same_v<T, bf16>) {
        return pair_kernel<Y>();
      }
      [[fallthrough]];
    case InstructionSet::avx512:
      return avx512_kernel<T, Y>();
    case InstructionSet::avx2:
      return avx2_kernel<T, Y>();
#endif
    default:
      return scalar_kernel<T, Y>();
  }
}

template const BlockKernel<float, float>& block_kernel(InstructionSet);
template const BlockKernel<bf16, bf16>& block_kernel(InstructionSet);
template const BlockKernel<bf16, float>& block_kernel(InstructionSet);

}  // namespace isoflop::kernels::cpu
