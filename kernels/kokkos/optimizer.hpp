// Portable implementations of kernels/api/optimizer.hpp; arguments have been checked.
#pragma once

#include "kernels/api/optimizer.hpp"

namespace isoflop::kernels::kokkos {

template <class T>
void adamw_step(std::size_t count, const AdamWStep& step, const float* gradient, float* master,
                float* first_moment, float* second_moment, T* weights);
void block_sums_of_squares(std::size_t count, const float* values, double* sums);
void block_sums(std::size_t count, const float* values, double* sums);
template <class T>
void add(std::size_t count, const T* a, const T* b, T* sum);
template <class T>
void convert(std::size_t count, const float* values, T* target);
void fill_normal(std::size_t count, std::uint64_t seed, Purpose purpose, std::uint32_t stream_id,
                 std::uint64_t first, float deviation, float* values);
void fill(std::size_t count, float value, float* values);

}  // namespace isoflop::kernels::kokkos
