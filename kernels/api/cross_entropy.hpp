// Softmax and cross-entropy in one pass over the logits, forward and backward.
//
//   loss_i = log sum_v exp(logits_iv) - logits_i,target      (nats);      d_logits = scale
//   (softmax(logits) - onehot(target))
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bf16.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

/// losses [rows] from logits [rows, V] and targets [rows] (below V: the caller's promise).
/// Overwrites.
void cross_entropy_forward(device::Stream& stream, std::size_t rows, std::size_t vocabulary,
                           const float* logits, const std::int32_t* targets, float* losses);

/// The same losses, and d_logits [rows, V] = scale * gradient. Overwrites; the logits are lost. If
/// T is float, d_logits may be logits.
template <class T>
void cross_entropy_backward(device::Stream& stream, std::size_t rows, std::size_t vocabulary,
                            float* logits, const std::int32_t* targets, float scale, float* losses,
                            T* d_logits);

}  // namespace isoflop::kernels
