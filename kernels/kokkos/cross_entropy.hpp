// Portable implementations of kernels/api/cross_entropy.hpp; arguments have been checked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bf16.hpp"
#include "kernels/api/cross_entropy.hpp"

namespace isoflop::kernels::kokkos {

void cross_entropy_forward(std::size_t rows, std::size_t vocabulary, const float* logits,
                           const std::int32_t* targets, float* losses);
template <class T>
void cross_entropy_backward(std::size_t rows, std::size_t vocabulary, float* logits,
                            const std::int32_t* targets, float scale, float* losses, T* d_logits);

void cross_entropy_piece(std::size_t rows, std::size_t first, std::size_t count, float* logits,
                         const std::int32_t* targets, SoftmaxPiece* pieces);
void cross_entropy_join(std::size_t rows, std::size_t count, const SoftmaxPiece* pieces,
                        SoftmaxPiece* whole, float* losses);
template <class T>
void cross_entropy_piece_gradient(std::size_t rows, std::size_t first, std::size_t count,
                                  const float* exponentials, const std::int32_t* targets,
                                  const SoftmaxPiece* piece, const SoftmaxPiece* whole, float scale,
                                  T* d_logits);

}  // namespace isoflop::kernels::kokkos
