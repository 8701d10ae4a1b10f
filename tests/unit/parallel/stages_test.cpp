#include "parallel/pipeline/stages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace isoflop::parallel {
namespace {

// The cost of each run.
std::vector<double> costs_of(std::span<const double> costs, std::span<const Extent> cuts) {
  std::vector<double> sums;
  for (const Extent& cut : cuts) {
    const std::span<const double> run = costs.subspan(cut.begin, cut.size());
    sums.push_back(std::accumulate(run.begin(), run.end(), 0.0));
  }
  return sums;
}

// The dearest run of every way to cut, by trying all.
double least_dearest(std::span<const double> costs, std::size_t parts) {
  if (parts == 1) return std::accumulate(costs.begin(), costs.end(), 0.0);
  double best = 1e300, first = 0.0;
  for (std::size_t end = 1; end + parts <= costs.size() + 1; ++end) {
    first += costs[end - 1];
    best = std::min(best, std::max(first, least_dearest(costs.subspan(end), parts - 1)));
  }
  return best;
}

TEST(Stages, AreAsEvenAsTryingAllWaysFinds) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const std::size_t items = 1 + seed % 9;
    std::vector<double> costs(items);
    std::uint32_t state = seed * 2654435761u + 1;
    for (double& cost : costs) {
      state = state * 1664525u + 1013904223u;
      cost = static_cast<double>(state >> 28);
    }
    for (std::size_t parts = 1; parts <= items; ++parts) {
      const std::vector<Extent> cuts = even_cuts(costs, parts);
      ASSERT_EQ(cuts.size(), parts);
      std::size_t next = 0;
      for (const Extent& cut : cuts) {
        EXPECT_EQ(cut.begin, next);
        EXPECT_GT(cut.size(), 0u);
        next = cut.end;
      }
      EXPECT_EQ(next, items);
      EXPECT_EQ(std::ranges::max(costs_of(costs, cuts)), least_dearest(costs, parts));
    }
  }
}

TEST(Stages, EqualItemsAreDealtEvenlyTheLongerRunsFirst) {
  const std::vector<double> costs(10, 1.0);
  EXPECT_EQ(even_cuts(costs, 4), (std::vector<Extent>{{0, 3}, {3, 6}, {6, 8}, {8, 10}}));
}

TEST(Stages, ADearHeadGetsFewerBlocksBesideIt) {
  const std::vector<double> costs = {0.1, 1, 1, 1, 1, 1, 1, 2.0};  // embedding, 6 blocks, head
  EXPECT_EQ(even_cuts(costs, 2), (std::vector<Extent>{{0, 5}, {5, 8}}));
  EXPECT_EQ(costs_of(costs, even_cuts(costs, 2)), (std::vector<double>{4.1, 4.0}));
}

TEST(Stages, TheRestIsEvenTooWhenOneItemIsDearest) {
  const std::vector<double> costs = {1, 1, 1, 1, 9};
  EXPECT_EQ(even_cuts(costs, 3), (std::vector<Extent>{{0, 2}, {2, 4}, {4, 5}}));
}

}  // namespace
}  // namespace isoflop::parallel
