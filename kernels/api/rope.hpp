// Rotary position embedding (Su et al. 2021), two-halves layout: element i of a head is paired with
// i + head_width / 2.
//
//   (a, b) -> (a cos t_i - b sin t_i, a sin t_i + b cos t_i)
//   t_i = position * base^(-2 i / head_width), base 10000
//
// Tolerance against the double reference, relative to sqrt(a^2 + b^2): one rounding to T (2^-24
// float, 2^-8 bf16) and 2^-22.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"
#include "device/stream.hpp"
#include "kernels/api/attention.hpp"

namespace isoflop::kernels {

/// table [T, head_width]: head_width / 2 cosines, then as many sines, for each position.
void rope_table(device::Stream& stream, std::size_t context, std::size_t head_width, float* table);

/// Rotates the queries and keys of qkv [B, T, qkv_width] in place; values stay.
template <class T>
void rope_forward(device::Stream& stream, const AttentionShape& shape, const float* table, T* qkv);

/// Rotates the gradients of queries and keys back, in place.
template <class T>
void rope_backward(device::Stream& stream, const AttentionShape& shape, const float* table,
                   T* d_qkv);

}  // namespace isoflop::kernels
