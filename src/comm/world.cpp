#include "comm/world.hpp"

#include <cstdlib>

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"

namespace isoflop::comm {

bool started_by_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  const char* tasks =
      std::getenv("SLURM_STEP_NUM_TASKS");  // srun; a plain shell inside an allocation has no step
  return tasks != nullptr && std::strtol(tasks, nullptr, 10) > 1;
}

World::World() : launched_(started_by_launcher()) {
  if (launched_) start_mpi();
}

World::~World() {
  if (launched_) end_mpi();
}

Communicator World::communicator() {
  return Communicator(launched_ ? make_mpi_transport() : make_self_transport());
}

}  // namespace isoflop::comm
