// Portable implementations of kernels/api/activation.hpp; arguments have been checked.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"

namespace isoflop::kernels::kokkos {

template <class T>
void gelu_forward(std::size_t count, const T* x, T* y);
template <class T>
void gelu_backward(std::size_t count, const T* x, const T* dy, T* dx);
template <class T>
void swiglu_forward(std::size_t rows, std::size_t width, const T* gate_up, T* y);
template <class T>
void swiglu_backward(std::size_t rows, std::size_t width, const T* gate_up, const T* dy,
                     T* d_gate_up);

}  // namespace isoflop::kernels::kokkos
