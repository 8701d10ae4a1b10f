#include "parallel/layout/virtual_ranks.hpp"

#include <gtest/gtest.h>

#include <bit>

namespace isoflop::parallel {
namespace {

TEST(VirtualRanks, SharesTileTheWhole) {
  for (std::size_t total = 1; total < 40; ++total) {
    for (std::size_t parts = 1; parts < 9; ++parts) {
      std::size_t next = 0;
      for (std::size_t i = 0; i < parts; ++i) {
        const Extent extent = share(total, parts, i);
        EXPECT_EQ(extent.begin, next);
        EXPECT_LE(extent.size(), total / parts + 1);
        next = extent.end;
      }
      EXPECT_EQ(next, total);
    }
  }
}

TEST(VirtualRanks, SubtreesAreTheLargestAlignedTiles) {
  EXPECT_EQ(subtrees({0, 8}), (std::vector<Extent>{{0, 8}}));
  EXPECT_EQ(subtrees({3, 8}), (std::vector<Extent>{{3, 4}, {4, 8}}));
  EXPECT_EQ(subtrees({3, 6}), (std::vector<Extent>{{3, 4}, {4, 6}}));
  EXPECT_EQ(subtrees({1, 7}), (std::vector<Extent>{{1, 2}, {2, 4}, {4, 6}, {6, 7}}));
}

// Whatever ranks hold what, adding their subtrees in order must lead to the one root.
TEST(VirtualRanks, SubtreesOfAllRanksMeetInTheRoot) {
  for (const std::size_t count : {1u, 2u, 8u, 32u}) {
    for (std::size_t ranks = 1; ranks <= count; ++ranks) {
      std::vector<Extent> waiting;
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        for (const Extent& tile : subtrees(share(count, ranks, rank))) {
          EXPECT_TRUE(std::has_single_bit(tile.size()));
          EXPECT_EQ(tile.begin % tile.size(), 0u);
          waiting.push_back(tile);
          while (waiting.size() > 1 && are_siblings(waiting[waiting.size() - 2], waiting.back())) {
            waiting[waiting.size() - 2].end = waiting.back().end;
            waiting.pop_back();
          }
        }
      }
      EXPECT_EQ(waiting, (std::vector<Extent>{{0, count}})) << count << " on " << ranks;
    }
  }
}

TEST(VirtualRanks, BuffersAreLogarithmic) {
  EXPECT_EQ(buffers_needed({0, 1}), 1u);
  EXPECT_EQ(buffers_needed({0, 2}), 2u);
  EXPECT_EQ(buffers_needed({0, 8}), 4u);
  EXPECT_EQ(buffers_needed({0, 64}), 7u);
}

}  // namespace
}  // namespace isoflop::parallel
