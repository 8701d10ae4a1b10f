// The transport between the ranks of a launcher (mpirun, srun), over MPI. A build without MPI has
// absent/ in its place, whose functions throw. Only comm/world.cpp and tests need this.
#pragma once

#include <memory>

#include "comm/options.hpp"
#include "comm/transport.hpp"

namespace isoflop::comm {

/// Starts MPI with MPI_THREAD_SERIALIZED: threads may call, one at a time. Throws Error where there
/// is no such MPI. Who waits for another rank longer than the deadline, here or in end_mpi, ends
/// the job.
void start_mpi(const Options& options = Options::from_environment());
void end_mpi(const Options& options = Options::from_environment());

/// Over a duplicate of MPI_COMM_WORLD, freed with the transport, so that its traffic meets nobody
/// else's. Collective.
std::unique_ptr<Transport> make_mpi_transport(const Options& options = Options::from_environment());

}  // namespace isoflop::comm
