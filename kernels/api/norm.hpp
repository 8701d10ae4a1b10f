// RMSNorm (Zhang & Sennrich 2019) and LayerNorm (Ba et al. 2016) over rows, fused with the residual
// addition before them.
//
//   r = x + delta
//   RMSNorm:    y = r / sqrt(mean(r^2) + eps) * gain
//   LayerNorm:  y = (r - mean) / sqrt(var + eps) * gain + bias
//
// Tolerance against the double reference, relative to the largest value: one rounding to T (2^-24
// float, 2^-8 bf16) and 2^-22 (4 + sqrt(n)), n the terms of the sum (width; rows for d_gain and
// d_bias); statistics 1e-5.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

enum class NormKind { rms, layer };

inline constexpr float kNormEpsilon = 1e-5f;

struct NormShape {
  std::size_t rows;   // tokens
  std::size_t width;  // d
  NormKind kind;
};

/// sum [rows, width] = x + delta (both [rows, width]; delta may be null, then sum is not written
/// and may be null); y [rows, width] = norm(sum); statistics [rows, 2] = (mean, 1 / deviation) of
/// each row (mean 0 for rms). gain [width]; bias [width], null for rms. Overwrites.
template <class T>
void norm_forward(device::Stream& stream, const NormShape& shape, const T* x, const T* delta,
                  const T* gain, const T* bias, T* sum, T* y, float* statistics);

/// dx [rows, width] = d_residual + gradient of the norm at its input `x` (= sum of the forward
/// pass) for dy. d_residual may be null (zero) and may be dx itself. d_gain [width] and d_bias
/// [width] (null for rms) accumulate; rows are summed in fixed blocks of 64, blocks in order, so
/// that bits do not depend on threads.
template <class T>
void norm_backward(device::Stream& stream, const NormShape& shape, const T* x, const T* gain,
                   const float* statistics, const T* dy, const T* d_residual, T* dx, float* d_gain,
                   float* d_bias);

/// Bytes of stream workspace that the backward pass needs.
std::size_t norm_workspace_bytes(const NormShape& shape);

}  // namespace isoflop::kernels
