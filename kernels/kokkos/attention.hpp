// Portable implementations of kernels/api/attention.hpp; arguments have been checked. One work item
// a query (forward, query gradients) or a key (key and value gradients), so that the bits do not
// depend on how many run at once.
#pragma once

#include "kernels/api/attention.hpp"

namespace isoflop::kernels::kokkos {

template <class T>
void attention_forward(const AttentionShape& shape, const T* qkv, T* out, float* lse);

/// mean_gradient [B, H, T] is scratch.
template <class T>
void attention_backward(const AttentionShape& shape, const T* qkv, const T* out, const float* lse,
                        const T* d_out, float* mean_gradient, T* d_qkv);

}  // namespace isoflop::kernels::kokkos
