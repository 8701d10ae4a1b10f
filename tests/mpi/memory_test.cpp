// Every stage of ZeRO and every piece of a cut model holds what the formula says, on any number of
// ranks.
#include "train/memory.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <string>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "core/config_document.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/peak_memory.hpp"
#include "tests/harness/shared_scratch.hpp"
#include "train/background_save.hpp"
#include "train/run_facts.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {
namespace {

// Mostly parameters, few tokens.
config::RunConfig wide_run(const char* precision, int zero, const char* recompute, int tensor,
                           int depth, bool checkpoints, bool reproducible) {
  ConfigDocument document = ConfigDocument::from_text(
      "[model]\nlayers = 6\nwidth = 512\nheads = 8\ncontext = 64\n"
      "[data]\nkind = \"markov\"\nsymbols = 29\n"
      "[train]\ntokens = 20000\nglobal_batch = 4\nmicro_batch = 1\n",
      "run.toml");
  document.set(std::string("train.precision=") + precision);
  document.set("parallel.zero=" + std::to_string(zero));
  document.set(std::string("parallel.recompute=") + recompute);
  document.set("parallel.tensor=" + std::to_string(tensor));
  document.set("parallel.pipeline=" + std::to_string(depth));
  if (!reproducible) document.set("train.reproducible=false");
  if (checkpoints) document.set("checkpoint.every_tokens=2048");
  return config::read_run_config(document.root());
}

struct Kind {
  const char* precision;
  int zero;
  const char* recompute;
  bool is_cut = false;  // across all ranks
  int depth = 1;        // of the pipeline
  bool checkpoints = false;
  bool reproducible = true;
};

class Memory : public ::testing::TestWithParam<Kind> {};

TEST_P(Memory, IsWithin2PercentOfTheFormula) {
  if (!test::is_memory_its_own()) GTEST_SKIP() << test::kMemoryOfSanitizers;
  const auto [precision, zero, recompute, is_cut, depth, checkpoints, reproducible] = GetParam();
  comm::Communicator world(comm::make_mpi_transport());
  if (is_cut && world.size() == 3) GTEST_SKIP() << "3 does not divide the heads";
  if (world.size() % depth != 0) GTEST_SKIP() << "needs a multiple of " << depth << " ranks";
  config::RunConfig config = wide_run(precision, zero, recompute, is_cut ? world.size() : 1, depth,
                                      checkpoints, reproducible);
  const data::Synthetic source({"markov", 1, 29, 1}, 64, 1, 64 * 8);
  config::resolve(config, 29, source.fingerprint());
  {  // the transport's own buffers, which grow with the first long messages
    std::vector<float> values(4'000'000),
        all(values.size() * static_cast<std::size_t>(world.size()));
    world.all_gather<float>(values, all);
    std::vector<float> received(all.size());
    world.all_to_all<float>(all, received);
  }
  const test::SharedScratch scratch(world);
  malloc_trim(0);  // what was freed must not serve again unseen
  ASSERT_TRUE(test::forget_peak_memory());
  const std::size_t before = resident_bytes();
  const auto trainer = make_trainer(config, source, world);
  trainer->step();
  if (config::writes_beside(config.checkpoint)) {
    BackgroundSave saving(scratch.path(), config, *trainer, world);
    saving.start();
    trainer->step();
    saving.finish();
  } else {
    trainer->saved_state();  // puts rows of cut matrices together
  }
  const auto measured = static_cast<double>(peak_resident_bytes() - before);
  const MemoryPlan plan = plan_memory(config, static_cast<std::size_t>(world.size()),
                                      static_cast<std::size_t>(world.rank()));
  const auto predicted = static_cast<double>(plan.total());
  EXPECT_EQ(plan.copies > 0, !reproducible && world.size() > depth);
  EXPECT_GE(measured, 0.98 * predicted);
  EXPECT_LE(measured, 1.02 * (predicted + static_cast<double>(plan.copies)))
      << measured / 1e6 << " MB, predicted " << predicted / 1e6;
}

TEST(MemoryOfAMachine, IsThatOfItsRanks) {
  comm::Communicator world(comm::make_mpi_transport());
  const auto ranks = static_cast<std::size_t>(world.size());
  const NodeShare share = sum_on_node(static_cast<std::size_t>(world.rank()) + 1, world);
  EXPECT_EQ(share.ranks, ranks);
  EXPECT_EQ(share.bytes, ranks * (ranks + 1) / 2);
}

TEST(LargestRankOfAll, IsFoundOnEveryRank) {
  comm::Communicator world(comm::make_mpi_transport());
  const auto own = static_cast<std::size_t>(world.rank() == 1 ? 2 : 1) << 40;
  const LargestRank largest = largest_of(own, world);
  EXPECT_EQ(largest.rank, world.size() > 1 ? 1 : 0);
  EXPECT_EQ(largest.bytes, std::size_t{world.size() > 1 ? 2u : 1u} << 40);
}

INSTANTIATE_TEST_SUITE_P(Stages, Memory,
                         ::testing::Values(Kind{"fp32", 0, "none"}, Kind{"fp32", 1, "none"},
                                           Kind{"fp32", 2, "none"}, Kind{"fp32", 3, "full"},
                                           Kind{"bf16", 3, "none"}, Kind{"fp32", 0, "none", true},
                                           Kind{"bf16", 1, "full", true},
                                           Kind{"fp32", 2, "none", false, 2},
                                           Kind{"bf16", 3, "none", false, 2},
                                           Kind{"fp32", 0, "none", false, 1, true},
                                           Kind{"bf16", 2, "none", false, 1, true},
                                           Kind{"fp32", 0, "none", false, 1, false, false},
                                           Kind{"fp32", 1, "none", false, 1, false, false},
                                           Kind{"fp32", 1, "none", false, 2, false, false}));

}  // namespace
}  // namespace isoflop::train
