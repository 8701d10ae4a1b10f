// The kernels of each instruction set; block_kernel() of block_product.hpp chooses among them.
#pragma once

#include "kernels/cpu/block_product.hpp"

namespace isoflop::kernels::cpu {

template <class T, class Y>
const BlockKernel<T, Y>& scalar_kernel();

template <class T, class Y>
const BlockKernel<T, Y>& avx2_kernel();

template <class T, class Y>
const BlockKernel<T, Y>& avx512_kernel();

template <class Y>
const BlockKernel<bf16, Y>& pair_kernel();

template <class Y>
const BlockKernel<bf16, Y>& tile_kernel();

}  // namespace isoflop::kernels::cpu
