// Softmax and cross-entropy in one pass over the logits, forward and backward.
//
//   loss_i = log sum_v exp(logits_iv) - logits_i,target                (nats)
//   d_logits = scale (softmax(logits) - onehot(target))
//
// Tolerance against the double reference: losses 2e-6 (1 + loss); d_logits relative 2^-20 and one
// rounding to T (2^-24 float, 2^-8 bf16), and 2^-22 scale.
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

// The vocabulary cut into pieces, each with a rank that has its columns of the logits (Shoeybi et
// al. 2019, section 3): three numbers a row say of a piece all that the others must know.
//
//   cross_entropy_piece(... logits, targets, mine);      // on every rank
//   all-gather of mine into pieces [ranks, rows]
//   cross_entropy_join(... pieces, whole, losses);       // the same bits on every rank
//   cross_entropy_piece_gradient(... mine, whole, d_logits);

/// One row of one piece, or of the whole.
struct SoftmaxPiece {
  float maximum;
  float sum;     // of exp(logit - maximum)
  float target;  // the target's logit; 0 if it is in another piece
};

/// pieces [rows] of logits [rows, count], the tokens from `first` on; the logits become exp(logit -
/// maximum of the piece). targets [rows] are of the whole vocabulary.
void cross_entropy_piece(device::Stream& stream, std::size_t rows, std::size_t first,
                         std::size_t count, float* logits, const std::int32_t* targets,
                         SoftmaxPiece* pieces);

/// whole [rows] and losses [rows] from pieces [count, rows], added in order. Not finite where any
/// piece is not. Overwrites.
void cross_entropy_join(device::Stream& stream, std::size_t rows, std::size_t count,
                        const SoftmaxPiece* pieces, SoftmaxPiece* whole, float* losses);

/// d_logits [rows, count] = scale * gradient, from what cross_entropy_piece() left in the place of
/// the logits. Overwrites. If T is float, d_logits may be exponentials.
template <class T>
void cross_entropy_piece_gradient(device::Stream& stream, std::size_t rows, std::size_t first,
                                  std::size_t count, const float* exponentials,
                                  const std::int32_t* targets, const SoftmaxPiece* piece,
                                  const SoftmaxPiece* whole, float scale, T* d_logits);

}  // namespace isoflop::kernels
