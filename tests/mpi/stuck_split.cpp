// Two ranks that form a group; rank 1 comes to it and then stops inside the MPI library. The job
// must end at the deadline (tests/regression/hang_test.py).
#include <mpi.h>

#include <csignal>

#include "comm/world.hpp"

// In front of the library's own.
int MPI_Comm_split(MPI_Comm parent, int color, int key, MPI_Comm* part) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 1) std::raise(SIGSTOP);
  return PMPI_Comm_split(parent, color, key, part);
}

int main() {
  isoflop::comm::World world;
  world.communicator().group("data", 0);
}
