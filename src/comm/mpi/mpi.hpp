// The MPI transport. src/hdf5 includes this for the communicator handle; nobody else needs it.
#pragma once

#include <mpi.h>

#include <memory>

#include "comm/communicator.hpp"

namespace isoflop::comm {

/// Starts MPI with MPI_THREAD_MULTIPLE; errors are returned, not fatal.
void start_mpi();
void end_mpi();

/// Over a duplicate of `parent`, freed with the transport, so that its traffic meets nobody else's.
/// Collective.
std::unique_ptr<Transport> make_mpi_transport(MPI_Comm parent);

/// The handle behind an MPI communicator; MPI_COMM_SELF semantics do not apply: throws Error for
/// another transport.
MPI_Comm mpi_handle(Communicator& communicator);

}  // namespace isoflop::comm
