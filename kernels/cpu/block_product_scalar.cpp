// Block products without vectors: slow where the processor has no fused multiply-add, same bits.
#include <cmath>

#include "kernels/cpu/block_kernels.hpp"
#include "kernels/cpu/float_operands.hpp"
#include "kernels/cpu/vector_product.hpp"

namespace isoflop::kernels::cpu {

namespace {

struct Scalar {
  static constexpr int width = 1, vectors = 4, rows = 2;
  typedef float Float __attribute__((vector_size(4)));
  typedef std::uint32_t Word __attribute__((vector_size(4)));
  typedef std::uint16_t Half __attribute__((vector_size(2)));

  ISOFLOP_INLINE static Word widen(Half halves) { return __builtin_convertvector(halves, Word); }
  ISOFLOP_INLINE static Half narrow(Word words) { return __builtin_convertvector(words, Half); }
  ISOFLOP_INLINE static Float multiply_add(Float a, Float b, Float c) {
    return Float{std::fma(a[0], b[0], c[0])};
  }
  ISOFLOP_INLINE static Float broadcast(const float* from) { return Float{*from}; }
};

}  // namespace

template <class T, class Y>
const BlockKernel<T, Y>& scalar_kernel() {
  static constexpr BlockKernel<T, Y> kernel = vector_kernel<FloatOperands<Scalar, T>, Y>();
  return kernel;
}

template const BlockKernel<float, float>& scalar_kernel();
template const BlockKernel<bf16, bf16>& scalar_kernel();
template const BlockKernel<bf16, float>& scalar_kernel();

}  // namespace isoflop::kernels::cpu
