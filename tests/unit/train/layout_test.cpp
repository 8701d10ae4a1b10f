#include "train/layout.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/integers.hpp"
#include "kernels/api/optimizer.hpp"
#include "tests/harness/run_from.hpp"

namespace isoflop::train {

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest calls it by this name
void PrintTo(const HeldRun& run, std::ostream* out) { *out << run.count << " of " << run.rank; }

namespace {

config::RunConfig run(const std::vector<std::string>& sets) {
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 6\nwidth = 64\nheads = 4\ncontext = 64\n[data]\nkind = \"markov\"\n"
      "[train]\ntokens = 100_000\nglobal_batch = 16\nmicro_batch = 2\n"
      "[parallel]\nvirtual_ranks = 4\n",
      sets);
  config::resolve(config, 64, "00ff");
  return config;
}

using Row = std::vector<HeldRun>;

TEST(HeldLosses, AreWhereTheVirtualRanksAre) {
  EXPECT_EQ(held_losses(layout_of(run({}), 1, 0)), Row({{0, 2}, {0, 2}, {0, 2}, {0, 2}}));
  EXPECT_EQ(held_losses(layout_of(run({}), 3, 1)), Row({{0, 2}, {0, 2}, {1, 2}, {2, 2}}));
  EXPECT_EQ(held_losses(layout_of(run({"parallel.zero=2"}), 3, 1)),
            Row({{0, 2}, {1, 2}, {2, 2}, {0, 2}}));
}

// 2 x 2 x 3 ranks: the last stage has 8 to 11, of which 8 and 10 are first tensor-parallel ones.
TEST(HeldLosses, AreWithTheHead) {
  const Layout layout = layout_of(run({"parallel.tensor=2", "parallel.pipeline=3"}), 12, 5);
  EXPECT_EQ(held_losses(layout), Row({{8, 2}, {8, 2}, {10, 2}, {10, 2}}));
  EXPECT_EQ(held_validation_losses(layout, 7), Row({{8, 4}, {10, 3}}));
  EXPECT_EQ(held_validation_losses(layout, 1), Row({{8, 1}, {10, 0}}));
}

TEST(HeldSquareSums, AreTheBlocksOfEveryStageInOrder) {
  const config::RunConfig config =
      run({"parallel.pipeline=2", "parallel.schedule=interleaved", "parallel.chunks=2"});
  const model::ParameterTable table(config.model);
  const Layout layout = layout_of(config, 2, 0);
  const Row row = held_square_sums(config, layout, table);
  ASSERT_EQ(row.size(), 4u);
  std::size_t blocks = 0;
  for (std::size_t stage = 0; stage < row.size(); ++stage) {
    EXPECT_EQ(row[stage].rank, stage % 2);
    blocks += row[stage].count;
  }
  EXPECT_NE(table.buffer_size() % kernels::kSumBlock, 0u);  // the last block is not whole
  EXPECT_EQ(blocks, ceil_div(table.buffer_size(), kernels::kSumBlock));
  const parallel::Extent& layers = layout.layers[1];  // of stage 2
  EXPECT_EQ(row[2].count * kernels::kSumBlock,
            table.parts()[layers.end - 1].end - table.parts()[layers.begin].begin);
}

}  // namespace
}  // namespace isoflop::train
