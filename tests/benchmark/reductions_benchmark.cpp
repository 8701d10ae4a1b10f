// What a fixed order of additions costs: the sum of a step's gradients over the ranks as training
// makes it (parallel/zero/tree_sum.hpp) against that of train.reproducible = false
// (parallel/zero/library_sum.hpp) and MPI's blocking all-reduce of as many elements, in turn. Cost
// model: both carry 2 n (R - 1) / R elements a rank and add n (R - 1) / R; the fixed
// order adds from slots of 4 MiB.
//
//   mpirun -n 2 reductions_benchmark ELEMENTS [STEPS]
//
// One line of JSON: medians over the steps of the slowest rank's seconds.
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "device/runtime.hpp"
#include "kernels/api/optimizer.hpp"
#include "parallel/zero/gradient_sum.hpp"

namespace {

using namespace isoflop;
using Clock = std::chrono::steady_clock;

// 8 blocks, as training sums them: part by part, the last one first.
parallel::GradientPlan plan_for(std::size_t elements, comm::Communicator& world,
                                parallel::Adder adder) {
  constexpr std::size_t kParts = 8;
  const std::size_t each = elements / kParts / kernels::kSumBlock * kernels::kSumBlock;
  std::vector<parallel::Extent> parts;
  for (std::size_t part = 0; part < kParts; ++part)
    parts.push_back({part * each, (part + 1) * each});
  const auto ranks = static_cast<std::size_t>(world.size());
  return {.sharding = {parts, ranks, kernels::kSumBlock, {0, kParts}},
          .dealing = {ranks, ranks, false},
          .rank = static_cast<std::size_t>(world.rank()),
          .keeps_parts = false,
          .adder = adder};
}

void sum_up(parallel::GradientSum& sum, const parallel::PartSharding& sharding) {
  sum.begin(0);
  for (std::size_t part = sharding.parts(); part-- > 0;) {
    sum.gradient(part);
    sum.complete(part);
    sum.advance();
  }
  sum.finish();
  sum.all_gather();
}

template <class Work>
double slowest(comm::Communicator& world, Work&& work) {
  world.barrier();
  const Clock::time_point begin = Clock::now();
  work();
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
  return 1e-9 * static_cast<double>(world.maximum(took.count()));
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: mpirun -n 2 {} ELEMENTS [STEPS]\n", argv[0]);
    return 2;
  }
  const auto elements = static_cast<std::size_t>(std::strtoull(argv[1], nullptr, 10));
  const long steps = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 10;
  comm::start_mpi();
  {
    const device::Runtime runtime(1);
    comm::Communicator world(comm::make_mpi_transport());
    const parallel::GradientPlan plan = plan_for(elements, world, parallel::Adder::tree);
    const parallel::GradientPlan other = plan_for(elements, world, parallel::Adder::gather_library);
    profile::Profile profile;
    const auto tree_sum = parallel::make_gradient_sum(plan, world, profile);
    const auto library_sum = parallel::make_gradient_sum(other, world, profile);
    std::vector<float> whole(plan.sharding.padded_size(), 1.0f);
    std::vector<double> fixed, library, blocking;
    for (long step = 0; step < steps + 2; ++step) {
      const double ours = slowest(world, [&] { sum_up(*tree_sum, plan.sharding); });
      const double free = slowest(world, [&] { sum_up(*library_sum, plan.sharding); });
      const double theirs = slowest(world, [&] {
        // As many zeros are written before as the sum of gradients writes.
        std::fill(whole.begin(), whole.end(), 0.0f);
        MPI_Allreduce(MPI_IN_PLACE, whole.data(), static_cast<int>(whole.size()), MPI_FLOAT,
                      MPI_SUM, MPI_COMM_WORLD);
      });
      if (step < 2) continue;  // warm-up
      fixed.push_back(ours);
      library.push_back(free);
      blocking.push_back(theirs);
    }
    if (world.is_root())
      fmt::print(
          "{{\"fixed_order_seconds\": {}, \"library_seconds\": {}, "
          "\"blocking_all_reduce_seconds\": {}}}\n",
          median(fixed), median(library), median(blocking));
  }
  comm::end_mpi();
}
