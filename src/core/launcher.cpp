#include "core/launcher.hpp"

#include <cstdlib>
#include <initializer_list>

namespace isoflop {

bool started_by_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  const char* tasks =
      std::getenv("SLURM_STEP_NUM_TASKS");  // srun; a plain shell inside an allocation has no step
  return tasks != nullptr && std::strtol(tasks, nullptr, 10) > 1;
}

}  // namespace isoflop
