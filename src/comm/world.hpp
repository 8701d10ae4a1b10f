// All ranks of this job: MPI when the process was started by a launcher (mpirun, srun), else the
// process alone, which then never touches MPI and starts at once.
#pragma once

#include "comm/communicator.hpp"
#include "comm/options.hpp"

namespace isoflop::comm {

/// Starts and ends the transport; one object a process, alive as long as any communicator.
class World {
 public:
  /// InputError for options in the environment that cannot be, on one rank too, which reads them
  /// again only where it would be late.
  World();
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// A communicator over all ranks with message traffic of its own. Collective.
  Communicator communicator();

 private:
  Options options_ = Options::from_environment();
  bool launched_;
};

}  // namespace isoflop::comm
