// All ranks over NCCL, with checked arguments, and in groups of a world; rank r has GPU r of the
// machine. Skipped where there are too few.
#include <gtest/gtest.h>
#include <mpi.h>

#include "comm/mpi/mpi.hpp"
#include "comm/nccl/nccl.hpp"
#include "transports.hpp"

namespace isoflop::comm {
namespace {

Communicator world_with(const Options& options) {
  auto host = make_mpi_transport(options);
  const int rank = host->rank();
  return Communicator(make_nccl_transport(std::move(host), rank, options));
}

class Gpus : public ::testing::Environment {
 public:
  void SetUp() override {
    int ranks = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (visible_gpus() < ranks)
      GTEST_SKIP() << "NCCL needs a GPU a rank: seen " << visible_gpus() << ", needed " << ranks;
  }
};

const ::testing::Environment* const kGpus = ::testing::AddGlobalTestEnvironment(new Gpus);

}  // namespace

const std::map<std::string, std::function<Communicator()>>& transports() {
  static const std::map<std::string, std::function<Communicator()>> all = {
      {"nccl", [] { return world_with({.check_arguments = false}); }},
      {"nccl_checked", [] { return world_with({.check_arguments = true}); }},
      {"nccl_group",
       [] {
         Communicator world = world_with({});
         return world.group("parity", world.rank() % 2);
       }},
  };
  return all;
}

}  // namespace isoflop::comm
