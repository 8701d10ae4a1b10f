#include "parallel/layout/mesh.hpp"

namespace isoflop::parallel {

std::vector<std::size_t> Mesh::line(std::size_t rank, Axis axis) const {
  Coordinates at = coordinates_of(rank);
  std::size_t& place = axis == Axis::tensor ? at.tensor
                       : axis == Axis::data ? at.data
                                            : at.pipeline;
  const std::size_t extent = axis == Axis::tensor ? tensor : axis == Axis::data ? data : pipeline;
  std::vector<std::size_t> ranks;
  for (place = 0; place < extent; ++place) ranks.push_back(rank_of(at));
  return ranks;
}

}  // namespace isoflop::parallel
