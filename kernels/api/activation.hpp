// Feed-forward activations, elementwise.
//
//   gelu(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
//   swiglu(g, u) = g / (1 + exp(-g)) * u
//
// Sources: Hendrycks & Gimpel 2016 (GELU, tanh form), Shazeer 2020 (SwiGLU).
//
// Tolerance against the double reference: one rounding to T (2^-24 float, 2^-8 bf16) of the result,
// and 2^-18 of the factor that multiplies the sigmoid.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

/// y [count] = gelu(x [count]). Overwrites.
template <class T>
void gelu_forward(device::Stream& stream, std::size_t count, const T* x, T* y);

/// dx [count] = dy gelu'(x). Overwrites; dx may be dy.
template <class T>
void gelu_backward(device::Stream& stream, std::size_t count, const T* x, const T* dy, T* dx);

/// y [rows, width] = swiglu of gate_up [rows, 2 width] (gates first). Overwrites.
template <class T>
void swiglu_forward(device::Stream& stream, std::size_t rows, std::size_t width, const T* gate_up,
                    T* y);

/// d_gate_up [rows, 2 width] from dy [rows, width]. Overwrites; d_gate_up may be gate_up.
template <class T>
void swiglu_backward(device::Stream& stream, std::size_t rows, std::size_t width, const T* gate_up,
                     const T* dy, T* d_gate_up);

}  // namespace isoflop::kernels
