// Once under way, neither collectives nor steps of training ask for memory, on any number of ranks
// and threads.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "core/config_document.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/count_allocations.hpp"
#include "train/ranks.hpp"
#include "train/trainer.hpp"

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

class AllocationsInSteps : public ::testing::TestWithParam<const char*> {};

TEST_P(AllocationsInSteps, AreNone) {
  ConfigDocument document = ConfigDocument::from_text(
      "[model]\nlayers = 6\nwidth = 32\nheads = 4\ncontext = 16\n"
      "[data]\nkind = \"markov\"\nsymbols = 32\n"
      "[train]\ntokens = 20000\nglobal_batch = 16\nmicro_batch = 2\n",
      "run.toml");
  comm::Communicator world(comm::make_mpi_transport({.check_arguments = false}));
  const std::string layout = GetParam();
  for (std::size_t at = 0; at < layout.size();) {
    const std::size_t end = std::min(layout.find(' ', at), layout.size());
    document.set(layout.substr(at, end - at));
    at = end + 1;
  }
  config::RunConfig config = config::read_run_config(document.root());
  const data::Synthetic source({"markov", 1, 32, 1}, 16, 1, std::int64_t{16} * 11);
  config::resolve(config, 32, source.fingerprint());
  if (world.size() % (config.parallel.pipeline * config.parallel.tensor) != 0)
    GTEST_SKIP() << "not on " << world.size() << " ranks";
  train::check_ranks(config, world.size());
  const auto trainer = train::make_trainer(config, source, world);
  for (int i = 0; i < 4; ++i) trainer->step();
  EXPECT_EQ(allocations_in([&] {
              for (int i = 0; i < 4; ++i) trainer->step();
            }),
            0u);
}

INSTANTIATE_TEST_SUITE_P(All, AllocationsInSteps,
                         ::testing::Values("parallel.zero=0", "parallel.zero=1", "parallel.zero=2",
                                           "parallel.zero=3 train.precision=fp32",
                                           "parallel.pipeline=2",
                                           "parallel.pipeline=2 parallel.zero=3",
                                           "parallel.pipeline=2 parallel.schedule=zero-bubble",
                                           "parallel.tensor=2", "train.reproducible=false",
                                           "train.reproducible=false parallel.zero=1"));

}  // namespace
}  // namespace isoflop
