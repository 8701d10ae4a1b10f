// The MPI transport. Only comm/world.cpp and tests need this.
#pragma once

#include <mpi.h>

#include <memory>

#include "comm/options.hpp"
#include "comm/transport.hpp"

namespace isoflop::comm {

/// Starts MPI with MPI_THREAD_MULTIPLE; errors are returned, not fatal.
void start_mpi();
void end_mpi();

/// Over a duplicate of `parent`, freed with the transport, so that its traffic meets nobody else's.
/// Collective.
std::unique_ptr<Transport> make_mpi_transport(MPI_Comm parent,
                                              const Options& options = Options::from_environment());

}  // namespace isoflop::comm
