#include "parallel/layout/virtual_ranks.hpp"

#include <algorithm>
#include <bit>

namespace isoflop::parallel {

Extent share(std::size_t total, std::size_t parts, std::size_t index) {
  const std::size_t each = total / parts;
  const std::size_t longer = total % parts;
  const std::size_t begin = index * each + std::min(index, longer);
  return {begin, begin + each + (index < longer ? 1 : 0)};
}

bool are_siblings(const Extent& left, const Extent& right) {
  return left.size() == right.size() && left.end == right.begin &&
         left.begin % (2 * left.size()) == 0;
}

std::vector<Extent> subtrees(const Extent& extent) {
  std::vector<Extent> tiles;
  for (std::size_t begin = extent.begin; begin < extent.end; begin = tiles.back().end) {
    std::size_t size = std::bit_floor(extent.end - begin);
    while (begin % size != 0) size /= 2;  // a node begins at a multiple of its size
    tiles.push_back({begin, begin + size});
  }
  return tiles;
}

std::size_t buffers_needed(const Extent& extent) {
  std::size_t most = 0;
  for (std::size_t end = extent.begin; end < extent.end; ++end) {
    most = std::max(most, subtrees({extent.begin, end}).size() + 1);
  }
  return most;
}

}  // namespace isoflop::parallel
