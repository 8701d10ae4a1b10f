// Alone, all ranks over MPI, in small pieces, with checked arguments, and in groups of a world.
#include "comm/mpi/mpi.hpp"
#include "comm/self/self.hpp"
#include "transports.hpp"

namespace isoflop::comm {
namespace {

Communicator world_with(const Options& options) {
  return Communicator(make_mpi_transport(options));
}

}  // namespace

const std::map<std::string, std::function<Communicator()>>& transports() {
  static const std::map<std::string, std::function<Communicator()>> all = {
      {"self", [] { return Communicator(make_self_transport()); }},
      {"mpi", [] { return world_with({.check_arguments = false}); }},
      {"pieces", [] { return world_with({.check_arguments = false, .piece_bytes = 1000}); }},
      {"checked", [] { return world_with({.check_arguments = true}); }},
      {"group",
       [] {
         Communicator world = world_with({});
         return world.group("parity", world.rank() % 2);
       }},
  };
  return all;
}

}  // namespace isoflop::comm
