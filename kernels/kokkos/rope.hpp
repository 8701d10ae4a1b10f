// Portable implementations of kernels/api/rope.hpp; arguments have been checked.
#pragma once

#include "kernels/api/rope.hpp"

namespace isoflop::kernels::kokkos {

void rope_table(std::size_t context, std::size_t head_width, float* table);

/// direction +1 turns forward, -1 back.
template <class T>
void rope(const AttentionShape& shape, float direction, const float* table, T* qkv);

}  // namespace isoflop::kernels::kokkos
