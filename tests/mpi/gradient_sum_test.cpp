#include "parallel/zero/gradient_sum.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "comm/mpi/mpi.hpp"

namespace isoflop::parallel {
namespace {

// Values whose sum depends on the order of addition.
float value(std::size_t virtual_rank, std::size_t element) {
  return std::ldexp(static_cast<float>((element * 7919 + virtual_rank * 104729) % 1000003) + 0.3f,
                    static_cast<int>((element + 5 * virtual_rank) % 40) - 20);
}

float tree_sum(std::size_t begin, std::size_t end, std::size_t element) {
  if (end - begin == 1) return value(begin, element);
  const std::size_t middle = (begin + end) / 2;
  return tree_sum(begin, middle, element) + tree_sum(middle, end, element);
}

class GradientSumOn : public ::testing::TestWithParam<std::size_t> {};

TEST_P(GradientSumOn, HasTheBitsOfTheTreeOnAnyNumberOfRanks) {
  comm::Communicator world(comm::make_mpi_transport(MPI_COMM_WORLD));
  const std::size_t size = GetParam();
  const std::size_t virtual_ranks = 8;
  device::Stream stream;
  const Sharding sharding(size, static_cast<std::size_t>(world.size()), 4096);
  GradientSum sum(stream, sharding, virtual_ranks, static_cast<std::size_t>(world.rank()));
  for (int repetition = 0; repetition < 2; ++repetition) {
    for (std::size_t v = sum.mine().begin; v < sum.mine().end; ++v) {
      float* gradient = sum.next();
      for (std::size_t i = 0; i < size; ++i) {
        ASSERT_EQ(gradient[i], 0.0f);
        gradient[i] += value(v, i);
      }
      sum.finish_one();
    }
    sum.reduce_scatter(world);
    sum.all_gather(world);
    for (std::size_t i = 0; i < size; ++i)
      ASSERT_EQ(sum.result()[i], tree_sum(0, virtual_ranks, i)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GradientSumOn, ::testing::Values(1, 4096, 50'001, 1'200'000 * 2));

}  // namespace
}  // namespace isoflop::parallel
