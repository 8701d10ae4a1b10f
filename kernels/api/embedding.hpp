// Token (and learned position) embedding.
//
// Exact but for one rounding to T of the sum with a position; the gradient adds in fp32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bf16.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

/// Rows of a table that are here, the first of them at its address. Another row counts as zeros and
/// gets no gradient: it is on another rank.
struct HeldRows {
  std::size_t begin = 0;
  std::size_t count = SIZE_MAX;
};

struct EmbeddingShape {
  std::size_t batch;      // B sequences
  std::size_t context;    // T tokens
  std::size_t width;      // d
  HeldRows vocabulary{};  // of table, d_table
  HeldRows positions{};   // of positions, d_positions
};

/// x [B, T, d] = table[tokens] + positions. tokens [B, T] are below the vocabulary (the caller's
/// promise); table [V, d]; positions [T, d] or null. Overwrites.
template <class T>
void embedding_forward(device::Stream& stream, const EmbeddingShape& shape,
                       const std::int32_t* tokens, const T* table, const T* positions, T* x);

/// d_table [V, d] and d_positions [T, d] (or null) accumulate dx [B, T, d], token after token in
/// order.
template <class T>
void embedding_backward(device::Stream& stream, const EmbeddingShape& shape,
                        const std::int32_t* tokens, const T* dx, float* d_table,
                        float* d_positions);

}  // namespace isoflop::kernels
