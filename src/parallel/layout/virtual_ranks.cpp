#include "parallel/layout/virtual_ranks.hpp"

#include <algorithm>

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
  for (std::size_t next = extent.begin; next < extent.end; ++next) {
    tiles.push_back({next, next + 1});
    while (tiles.size() > 1 && are_siblings(tiles[tiles.size() - 2], tiles.back())) {
      tiles[tiles.size() - 2].end = tiles.back().end;
      tiles.pop_back();
    }
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
