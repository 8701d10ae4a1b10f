#include "kernels/api/optimizer.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/optimizer.hpp"

namespace isoflop::kernels {

void add_in_place(device::Stream& stream, std::size_t count, const float* values, float* target) {
  require_cpu(stream, "add_in_place");
  kokkos::add_in_place(count, values, target);
}

void fill(device::Stream& stream, std::size_t count, float value, float* values) {
  require_cpu(stream, "fill");
  kokkos::fill(count, value, values);
}

}  // namespace isoflop::kernels
