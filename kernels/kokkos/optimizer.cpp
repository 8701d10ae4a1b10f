#include "kernels/kokkos/optimizer.hpp"

#include <Kokkos_Core.hpp>

namespace isoflop::kernels::kokkos {

void add_in_place(std::size_t count, const float* values, float* target) {
  Kokkos::parallel_for(
      "isoflop::add_in_place", count, KOKKOS_LAMBDA(std::size_t i) { target[i] += values[i]; });
}

void fill(std::size_t count, float value, float* values) {
  Kokkos::parallel_for("isoflop::fill", count, KOKKOS_LAMBDA(std::size_t i) { values[i] = value; });
}

}  // namespace isoflop::kernels::kokkos
