// Once under way, collectives ask for no memory.
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/mpi/mpi.hpp"
#include "tests/harness/count_allocations.hpp"

namespace isoflop {
namespace {

std::size_t allocations_in(const std::function<void()>& action) {
  const std::size_t before = testing::allocations();
  action();
  return testing::allocations() - before;
}

TEST(Allocations, AreCounted) {
  EXPECT_GT(allocations_in([] { std::vector<int>(100).back() = 1; }), 0u);
}

TEST(Allocations, NoneInCollectivesUnderWay) {
  comm::Communicator world(comm::make_mpi_transport({.check_arguments = false}));
  const auto ranks = static_cast<std::size_t>(world.size());
  constexpr std::size_t kCount = 20'000;
  std::vector<float> mine(kCount), all(ranks * kCount), other(ranks * kCount);
  const auto calls = [&] {
    comm::Request gather = world.start_all_gather<float>(mine, all);
    comm::Request swap = world.start_all_to_all<float>(other, all);
    gather.wait();
    swap.wait();
    world.broadcast<float>(mine, 0);
    world.all_reduce<float>(mine, comm::Combine::sum);
    world.reduce_scatter<float>(all, mine, comm::Combine::sum);
    world.start_unordered_all_reduce(mine).wait();
    world.maximum(world.rank());
    world.barrier();
  };
  calls();
  EXPECT_EQ(allocations_in(calls), 0u);
}

}  // namespace
}  // namespace isoflop
