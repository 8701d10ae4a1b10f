#include "parallel/layout/mesh.hpp"

#include <gtest/gtest.h>

#include <map>

namespace isoflop::parallel {
namespace {

TEST(Mesh, RanksAndCoordinatesAreTheSameThing) {
  const Mesh mesh{2, 3, 4};
  ASSERT_EQ(mesh.size(), 24u);
  for (std::size_t rank = 0; rank < mesh.size(); ++rank)
    EXPECT_EQ(mesh.rank_of(mesh.coordinates_of(rank)), rank);
  EXPECT_EQ(mesh.coordinates_of(1), (Coordinates{1, 0, 0}));
  EXPECT_EQ(mesh.coordinates_of(2), (Coordinates{0, 1, 0}));
  EXPECT_EQ(mesh.coordinates_of(6), (Coordinates{0, 0, 1}));
}

TEST(Mesh, LinesRunAlongOneAxis) {
  const Mesh mesh{2, 3, 2};
  EXPECT_EQ(mesh.line(3, Axis::tensor), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(mesh.line(3, Axis::data), (std::vector<std::size_t>{1, 3, 5}));
  EXPECT_EQ(mesh.line(3, Axis::pipeline), (std::vector<std::size_t>{3, 9}));
}

TEST(Mesh, ColorsNameLines) {
  const Mesh mesh{2, 3, 4};
  for (const Axis axis : {Axis::tensor, Axis::data, Axis::pipeline}) {
    std::map<int, std::vector<std::size_t>> groups;
    for (std::size_t rank = 0; rank < mesh.size(); ++rank)
      groups[mesh.color(rank, axis)].push_back(rank);
    for (std::size_t rank = 0; rank < mesh.size(); ++rank)
      EXPECT_EQ(groups[mesh.color(rank, axis)], mesh.line(rank, axis));
  }
}

}  // namespace
}  // namespace isoflop::parallel
