#include "device/runtime.hpp"

#include <Kokkos_Core.hpp>

namespace isoflop::device {

Runtime::Runtime(int threads) {
  // Kokkos would warn at every start that threads are not bound; ranks share a machine on purpose.
  Kokkos::initialize(
      Kokkos::InitializationSettings().set_num_threads(threads).set_disable_warnings(true));
}

Runtime::~Runtime() { Kokkos::finalize(); }

}  // namespace isoflop::device
