// Causal self-attention that never materialises T x T (Dao et al. 2022, FlashAttention; 2023,
// FlashAttention-2).
//
//   s = q k^T / sqrt(head_width), masked to j <= i
//   p = softmax(s);   out = p v;   lse_i = log sum_j exp s_ij
//
// Query heads are grouped: query head h reads key/value head h / (heads / kv_heads). Queries, keys
// and values of a token lie side by side in one row of qkv: heads * head_width queries, then
// kv_heads * head_width keys, then as many values.
//
// Tolerance against the double reference, u one rounding to T (2^-24 float, 2^-8 bf16) and
// e = 2^-24 max|qkv| sqrt(head_width) the error of a score: lse 4 e + 2^-23 max|lse|; out
// (2 u + 8 e) max|out|; d_qkv (3 u + 16 e) max|d_qkv|.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

constexpr std::size_t kWidestHead = 256;  // head_width

struct AttentionShape {
  std::size_t batch;       // B sequences
  std::size_t context;     // T tokens
  std::size_t heads;       // H
  std::size_t kv_heads;    // K, divides H
  std::size_t head_width;  // d / H

  std::size_t qkv_width() const { return (heads + 2 * kv_heads) * head_width; }
  std::size_t out_width() const { return heads * head_width; }
};

/// out [B, T, H * head_width], lse [B, H, T] (nats) from qkv [B, T, qkv_width]. Overwrites.
template <class T>
void attention_forward(device::Stream& stream, const AttentionShape& shape, const T* qkv, T* out,
                       float* lse);

/// d_qkv [B, T, qkv_width] from d_out [B, T, H * head_width] and what the forward pass read and
/// wrote. Overwrites.
template <class T>
void attention_backward(device::Stream& stream, const AttentionShape& shape, const T* qkv,
                        const T* out, const float* lse, const T* d_out, T* d_qkv);

/// Bytes of stream workspace that either pass needs.
template <class T>
std::size_t attention_workspace_bytes(const AttentionShape& shape);

}  // namespace isoflop::kernels
