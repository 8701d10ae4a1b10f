// kernel_bits           prints the bits of every primitive
// kernel_bits --level   prints which build of the kernels the loader chose
#include "kernel_bits.hpp"

#include <dlfcn.h>

#include <Kokkos_Core.hpp>
#include <cstring>

#include "kernels/api/optimizer.hpp"

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--level") == 0) {
    Dl_info library{};
    if (dladdr(reinterpret_cast<const void*>(&isoflop::kernels::fill), &library) == 0) return 1;
    fmt::print("{}\n", library.dli_fname);
    return 0;
  }
  const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  isoflop::conformance::print_pointwise_bits();
  isoflop::conformance::print_attention_bits();
  isoflop::conformance::print_matmul_bits();
}
