#include "train/largest_model.hpp"

#include <gtest/gtest.h>

#include "config/run_config.hpp"
#include "core/error.hpp"
#include "train/memory.hpp"
#include "train/ranks.hpp"

namespace isoflop::train {
namespace {

constexpr std::size_t kBytes = std::size_t{4} << 30;

model::Family family() {
  model::Family family;
  family.base.context = 512;
  family.base.vocabulary = 8192;
  return family;
}

config::RunConfig run_of(double params, std::int64_t replicas, std::int64_t virtual_ranks) {
  config::RunConfig run;
  run.model = model::shape_for(family(), params);
  run.train.global_batch = virtual_ranks;
  run.train.micro_batch = 1;
  run.train.precision = config::Precision::bf16;
  run.parallel.virtual_ranks = virtual_ranks;
  run.parallel.zero = replicas > 1 ? 3 : 0;
  run.parallel.recompute = model::Recompute::full;
  return run;
}

// Any rank of such a run keeps to the memory, and some run a little larger would not.
TEST(LargestModel, FitsAndAlmostFillsTheMemory) {
  for (const std::int64_t devices : {1, 3, 8}) {
    const auto ranks = static_cast<std::size_t>(devices);
    const LargestModel largest = largest_model(family(), kBytes, ranks);
    EXPECT_LE(largest.bytes, kBytes);
    EXPECT_GT(largest.bytes, 0.95 * kBytes);
    const config::RunConfig run = run_of(largest.params, devices, devices == 3 ? 4 : devices);
    EXPECT_NO_THROW(check_ranks(run, devices));
    for (std::size_t rank = 0; rank < ranks; ++rank)
      EXPECT_LE(plan_memory(run, ranks, rank).total(), kBytes) << rank << " of " << ranks;
  }
}

TEST(LargestModel, GrowsWithTheDevicesAlmostInProportion) {
  const double one = largest_model(family(), kBytes, 1).params;
  const double eight = largest_model(family(), kBytes, 8).params;
  EXPECT_GT(eight, 6 * one);
  EXPECT_LT(eight, 10 * one);
  EXPECT_LT(one * 14, kBytes);  // weights, master copies and moments at least
}

TEST(LargestModel, RefusesMemoryForNoShapeAndFamiliesWithoutOne) {
  EXPECT_THROW(largest_model(family(), 1 << 20, 1), InputError);
  EXPECT_THROW(largest_model(family(), kBytes, 0), InputError);
  EXPECT_THROW(largest_model({}, kBytes, 1), InputError);
}

}  // namespace
}  // namespace isoflop::train
