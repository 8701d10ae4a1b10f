// Portable implementation of kernels/api/matmul.hpp; arguments have been checked. It needs no
// workspace. Products are summed in the order of the reduction, so bits do not depend on threads,
// but for bf16 they are not those of the tile units.
#pragma once

#include "kernels/api/matmul.hpp"

namespace isoflop::kernels::kokkos {

template <class T, class Y>
void matmul_forward(MatmulShape shape, const T* x, const T* w, Y* y);

template <class T>
void matmul_data_gradient(MatmulShape shape, const T* dy, const T* w, T* dx);

template <class T>
void matmul_weight_gradient(MatmulShape shape, const T* dy, const T* x, float* dw);

}  // namespace isoflop::kernels::kokkos
