// How tensors are cut across tensor-parallel ranks: every element once, or on all ranks alike.
#include "model/split.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/optimizer.hpp"
#include "model/parameters.hpp"

namespace isoflop::model {
namespace {

ModelConfig shape() {
  ModelConfig config;
  config.layers = 2;
  config.width = 64;
  config.heads = 8;
  config.kv_heads = 4;
  config.feed_forward = 96;
  config.context = 16;
  config.vocabulary = 29;
  config.position = Position::learned;
  config.activation = Activation::swiglu;
  config.norm = kernels::NormKind::layer;
  config.tied = false;
  return config;
}

TEST(Split, TablesOfAllRanksHoldEveryElementOnce) {
  const ModelConfig config = shape();
  const ParameterTable whole(config);
  for (const std::size_t ranks : {1u, 2u, 4u}) {
    std::vector<std::size_t> holders(whole.buffer_size(), 0);
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const ParameterTable table(config, {ranks, rank});
      ASSERT_EQ(table.parameters().size(), whole.parameters().size());
      for (std::size_t i = 0; i < whole.parameters().size(); ++i) {
        const Parameter& own = table.parameters()[i];
        EXPECT_EQ(own.whole_offset, whole.parameters()[i].offset) << own.name;
        EXPECT_EQ(own.shape, whole.parameters()[i].shape) << own.name;
        std::size_t next = own.offset;
        own.for_each_run({0, table.buffer_size()},
                         [&](std::size_t at, std::size_t from, std::size_t count) {
                           EXPECT_EQ(at, next) << own.name;
                           next += count;
                           for (std::size_t j = 0; j < count; ++j)
                             ++holders[own.whole_offset + from + j];
                         });
        EXPECT_EQ(next, own.offset + own.count) << own.name;
      }
    }
    for (const Parameter& parameter : whole.parameters()) {
      const bool replicated = parameter.role == Role::gain || parameter.role == Role::bias;
      for (std::size_t i = 0; i < parameter.count; ++i)
        ASSERT_EQ(holders[parameter.offset + i], replicated ? ranks : 1) << parameter.name;
    }
  }
}

TEST(Split, ARunOfTheBufferIsCutWhereTheTensorIs) {
  ModelConfig config = shape();
  const ParameterTable table(config, {2, 1});
  const Parameter& down = table.parameters()[table.parameters().size() - 4];
  ASSERT_EQ(down.name, "blocks.1.feed_forward.down");
  std::vector<std::vector<std::size_t>> runs;  // columns 48..96 of 96; from row 0, column 90
  down.for_each_run({down.offset + 42, down.offset + 98},
                    [&](std::size_t at, std::size_t whole, std::size_t count) {
                      runs.push_back({at - down.offset, whole, count});
                    });
  const std::vector<std::vector<std::size_t>> expected = {
      {42, 90, 6}, {48, 96 + 48, 48}, {96, 2 * 96 + 48, 2}};
  EXPECT_EQ(runs, expected);
}

TEST(Split, RanksHaveTheSamePlacesAndReplicasHaveBlocksToThemselves) {
  const ModelConfig config = shape();
  const ParameterTable first(config, {4, 0}), last(config, {4, 3});
  EXPECT_EQ(first.parts(), last.parts());
  EXPECT_EQ(first.block().down, last.block().down);
  EXPECT_EQ(first.head(), last.head());
  EXPECT_EQ(last.parameters().front().count, (29 - 3 * 8) * config.width);
  for (const Parameter& parameter : first.parameters()) {
    for (std::size_t part = 0; part < first.parts().size(); ++part) {
      const auto [begin, end] = first.replicated(part);
      EXPECT_EQ(begin % kernels::kSumBlock, 0u);
      EXPECT_EQ(end % kernels::kSumBlock, 0u);
      if (parameter.offset < first.parts()[part].begin ||
          parameter.offset >= first.parts()[part].end)
        continue;
      const bool norm = parameter.role == Role::gain || parameter.role == Role::bias;
      EXPECT_EQ(parameter.offset >= begin && parameter.offset < end, norm) << parameter.name;
    }
  }
}

TEST(Split, SaysWhatCannotBeCut) {
  ModelConfig config = shape();
  EXPECT_EQ(problem_of_split(config, 4), "");
  EXPECT_EQ(problem_of_split(config, 8), "seen 8, which does not divide model.kv_heads 4");
  EXPECT_EQ(problem_of_split(config, 3), "seen 3, which does not divide model.heads 8");
  config.feed_forward = 97;
  EXPECT_EQ(problem_of_split(config, 2), "seen 2, which does not divide model.feed_forward 97");
  config = shape();
  config.vocabulary = 5;
  EXPECT_EQ(problem_of_split(config, 4),
            "seen 4, which leaves a rank without any of the 5 tokens of the vocabulary");
}

}  // namespace
}  // namespace isoflop::model
