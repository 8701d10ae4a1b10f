// In the place of comm/mpi where a build has no MPI.
#include "comm/mpi/mpi.hpp"

#include "core/error.hpp"

namespace isoflop::comm {
namespace {

[[noreturn]] void refuse() {
  throw Error(
      "this build of isoflop has no MPI, so that it trains on one rank alone: start it without "
      "mpirun or srun, or install an MPI (libopenmpi-dev) and configure again");
}

}  // namespace

void start_mpi(const Options&) { refuse(); }
void end_mpi(const Options&) {}
std::unique_ptr<Transport> make_mpi_transport(const Options&) { refuse(); }

}  // namespace isoflop::comm
