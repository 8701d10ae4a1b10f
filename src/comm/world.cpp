#include "comm/world.hpp"

#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "core/launcher.hpp"

namespace isoflop::comm {

World::World() : launched_(started_by_launcher()) {
  if (launched_) start_mpi(options_);
}

World::~World() {
  if (launched_) end_mpi(options_);
}

Communicator World::communicator() {
  return Communicator(launched_ ? make_mpi_transport(options_) : make_self_transport());
}

}  // namespace isoflop::comm
