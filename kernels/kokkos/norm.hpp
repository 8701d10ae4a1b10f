// Portable implementations of kernels/api/norm.hpp; arguments have been checked.
#pragma once

#include "kernels/api/norm.hpp"

namespace isoflop::kernels::kokkos {

template <class T>
void norm_forward(const NormShape& shape, const T* x, const T* delta, const T* gain, const T* bias,
                  T* sum, T* y, float* statistics);

/// partial [ceil(rows / 64), kind == layer ? 2 : 1, width] is scratch.
template <class T>
void norm_backward(const NormShape& shape, const T* x, const T* gain, const float* statistics,
                   const T* dy, const T* d_residual, T* dx, float* d_gain, float* d_bias,
                   float* partial);

std::size_t norm_workspace_bytes(const NormShape& shape);

}  // namespace isoflop::kernels::kokkos
