// Attention for processors, vectorised and blocked for their caches; arguments have been checked.
// One thread owns a key/value head of a sequence with all its query heads, so that the bits do not
// depend on the number of threads.
#pragma once

#include "kernels/api/attention.hpp"

namespace isoflop::kernels::cpu {

/// Bytes that either pass needs, for as many threads as Kokkos has.
template <class T>
std::size_t attention_workspace_bytes(const AttentionShape& shape);

template <class T>
void attention_forward(const AttentionShape& shape, const T* qkv, T* out, float* lse,
                       std::byte* workspace);

template <class T>
void attention_backward(const AttentionShape& shape, const T* qkv, const T* out, const float* lse,
                        const T* d_out, T* d_qkv, std::byte* workspace);

}  // namespace isoflop::kernels::cpu
