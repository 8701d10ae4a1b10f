// Portable implementations of kernels/api/optimizer.hpp; arguments have been checked.
#pragma once

#include <cstddef>

namespace isoflop::kernels::kokkos {

void add_in_place(std::size_t count, const float* values, float* target);
void fill(std::size_t count, float value, float* values);

}  // namespace isoflop::kernels::kokkos
