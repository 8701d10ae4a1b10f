// Portable implementations of kernels/api/embedding.hpp; arguments have been checked.
#pragma once

#include "kernels/api/embedding.hpp"

namespace isoflop::kernels::kokkos {

template <class T>
void embedding_forward(const EmbeddingShape& shape, const std::int32_t* tokens, const T* table,
                       const T* positions, T* x);
template <class T>
void embedding_backward(const EmbeddingShape& shape, const std::int32_t* tokens, const T* dx,
                        float* d_table, float* d_positions);

}  // namespace isoflop::kernels::kokkos
