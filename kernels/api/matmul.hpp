// The three products of a linear layer. Weights are stored [N, K], all operands row-major and
// contiguous.
//
//   forward           y [M, N]   = x [M, K]  w [N, K]^T       overwrites
//   data gradient     dx [M, K]  = dy [M, N] w [N, K]         overwrites
//   weight gradient   dw [N, K] += dy [M, N]^T x [M, K]       accumulates, always in fp32
//
// T is float or bf16; products are accumulated in fp32. Bits depend on nothing but the operands:
// not on the number of threads, the blocking, or the other rows. On a CPU each element of bf16 is
// (((c + s0) + s1) + ...), s_i the sum over 32 consecutive indices of the reduction as the
// processor's tile unit forms it (an even and an odd chain of fused multiply-adds, then even +
// odd), on every processor, with or without such a unit; NaNs may differ in sign and payload. For
// fp32 it is one chain of fused multiply-adds in the order of the reduction. So the weight gradient
// over two halves of the tokens (each a multiple of 32) is that over the whole.
//
// Tolerance against the double reference: relative to sum |a b|, 2^-7 for bf16 results; for fp32
// ones 1e-5, or 2^-24 times the length of the reduction where that is more: each addition rounds,
// and roundings of a long sum of one sign may all go the same way.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

struct MatmulShape {
  std::size_t m;  // tokens
  std::size_t n;  // outputs
  std::size_t k;  // inputs
};

/// y [m, n] = x [m, k] w [n, k]^T. Y is T, or float to keep the accumulator (logits).
template <class T, class Y>
void matmul_forward(device::Stream& stream, MatmulShape shape, const T* x, const T* w, Y* y);

/// dx [m, k] = dy [m, n] w [n, k].
template <class T>
void matmul_data_gradient(device::Stream& stream, MatmulShape shape, const T* dy, const T* w,
                          T* dx);

/// dw [n, k] += dy [m, n]^T x [m, k].
template <class T>
void matmul_weight_gradient(device::Stream& stream, MatmulShape shape, const T* dy, const T* x,
                            float* dw);

/// Bytes of stream workspace that the largest of the three products needs.
template <class T>
std::size_t matmul_workspace_bytes(MatmulShape shape);

}  // namespace isoflop::kernels
