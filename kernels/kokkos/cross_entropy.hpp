// Portable implementations of kernels/api/cross_entropy.hpp; arguments have been checked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bf16.hpp"

namespace isoflop::kernels::kokkos {

void cross_entropy_forward(std::size_t rows, std::size_t vocabulary, const float* logits,
                           const std::int32_t* targets, float* losses);
template <class T>
void cross_entropy_backward(std::size_t rows, std::size_t vocabulary, float* logits,
                            const std::int32_t* targets, float scale, float* losses, T* d_logits);

}  // namespace isoflop::kernels::kokkos
