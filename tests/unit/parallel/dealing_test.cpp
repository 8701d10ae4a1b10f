#include "parallel/layout/dealing.hpp"

#include <gtest/gtest.h>

namespace isoflop::parallel {
namespace {

class Dealings : public ::testing::TestWithParam<bool> {};

TEST_P(Dealings, EveryVirtualRankIsComputedOnceByItsOwner) {
  for (const std::size_t count : {1u, 2u, 8u, 16u}) {
    for (std::size_t ranks = 1; ranks <= count; ++ranks) {
      const Dealing dealing{count, ranks, GetParam()};
      std::vector<int> times(count, 0);
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        for (std::size_t turn = 0; turn < dealing.turns(); ++turn) {
          const auto index = dealing.virtual_rank(rank, turn);
          EXPECT_EQ(index.has_value(), turn <= dealing.last_turn(rank));
          if (!index) continue;
          ++times[*index];
          EXPECT_EQ(dealing.owner(*index), rank);
        }
      }
      EXPECT_EQ(times, std::vector<int>(count, 1));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, Dealings, ::testing::Bool());

// What waits and what is brought, added in order, is what waits afterwards, and in the end the
// root.
TEST(Dealing, RoundsMeetInTheRoot) {
  for (const std::size_t count : {1u, 2u, 8u, 32u}) {
    for (std::size_t ranks = 1; ranks <= count; ++ranks) {
      const Dealing dealing{count, ranks, true};
      for (std::size_t turn = 0; turn < dealing.turns(); ++turn) {
        std::vector<Extent> nodes = dealing.waiting(turn);
        for (std::size_t rank = 0; rank < ranks; ++rank) {
          for (const Extent& node : dealing.brings(rank, turn)) {
            nodes.push_back(node);
            while (nodes.size() > 1 && are_siblings(nodes[nodes.size() - 2], nodes.back())) {
              nodes[nodes.size() - 2].end = nodes.back().end;
              nodes.pop_back();
            }
          }
        }
        EXPECT_EQ(nodes, dealing.waiting(turn + 1));
      }
      EXPECT_EQ(dealing.waiting(dealing.turns()), (std::vector<Extent>{{0, count}}));
    }
  }
}

TEST(Dealing, RanksAreAlikeWhoseRunsFallIntoTheSameSubtrees) {
  EXPECT_EQ((Dealing{8, 4, false}.unlike_ranks()), (std::vector<std::size_t>{0}));
  EXPECT_EQ((Dealing{8, 3, false}.unlike_ranks()), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ((Dealing{16, 6, false}.unlike_ranks()), (std::vector<std::size_t>{0, 1, 4}));
  EXPECT_EQ((Dealing{8, 3, true}.unlike_ranks()), (std::vector<std::size_t>{0}));
}

}  // namespace
}  // namespace isoflop::parallel
