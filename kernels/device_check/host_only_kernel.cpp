// Must not compile for a device: the kernel calls a function that exists on the host alone. Built
// only by the test that expects the refusal.
#include <Kokkos_Core.hpp>
#include <cstddef>

namespace isoflop::kernels::device_check {

float host_only(float value);

void host_only_kernel(std::size_t count, float* values) {
  Kokkos::parallel_for(
      "isoflop::device_check", count,
      KOKKOS_LAMBDA(std::size_t i) { values[i] = host_only(values[i]); });
}

}  // namespace isoflop::kernels::device_check
