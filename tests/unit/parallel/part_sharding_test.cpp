#include "parallel/layout/part_sharding.hpp"

#include <gtest/gtest.h>

namespace isoflop::parallel {
namespace {

TEST(PartSharding, ShardsAreWholeBlocks) {
  const PartSharding sharding({{0, 10}, {12, 36}, {36, 37}}, 3, 4, {1, 2});
  EXPECT_EQ(sharding.shard(0), 4u);
  EXPECT_EQ(sharding.shard(1), 8u);
  EXPECT_EQ(sharding.shard(2), 4u);
  EXPECT_EQ(sharding.local_size(), 16u);
  EXPECT_EQ(sharding.padded_size(), 48u);
  EXPECT_EQ(sharding.padded_begin(2), 36u);
  EXPECT_EQ(sharding.largest_shard(), 8u);
}

TEST(PartSharding, RanksOwnEveryElementOnce) {
  const std::vector<Extent> parts = {{0, 10}, {12, 36}, {36, 37}, {40, 141}};
  for (std::size_t ranks = 1; ranks <= 9; ++ranks) {
    const PartSharding sharding(parts, ranks, 4, {});
    for (std::size_t part = 0; part < parts.size(); ++part) {
      std::size_t next = parts[part].begin;
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        const Extent owned = sharding.owned(part, rank);
        EXPECT_TRUE(owned.size() == 0 || owned.begin == next);
        EXPECT_LE(owned.size(), sharding.shard(part));
        next += owned.size();
      }
      EXPECT_EQ(next, parts[part].end);
    }
  }
}

TEST(PartSharding, AloneTheLayoutIsThatOfTheParts) {
  const PartSharding sharding({{0, 8}, {8, 20}}, 1, 4, {});
  EXPECT_EQ(sharding.padded_begin(1), 8u);
  EXPECT_EQ(sharding.local_begin(1), 8u);
  EXPECT_EQ(sharding.padded_size(), 20u);
}

TEST(PartSharding, BlocksTakeTurnsInTheRoomOfTheLargest) {
  const std::vector<Extent> parts = {{0, 10}, {12, 36}, {36, 37}};
  const PartSharding one(parts, 2, 4, {2, 3});
  EXPECT_FALSE(one.is_block(1));
  EXPECT_TRUE(one.is_block(2));
  EXPECT_EQ(one.largest_block(), 8u);
  EXPECT_EQ(one.second_block(), 0u);
  const PartSharding all(parts, 2, 4, {0, 3});
  EXPECT_EQ(all.largest_block(), 24u);
  EXPECT_EQ(all.second_block(), 24u);
}

}  // namespace
}  // namespace isoflop::parallel
