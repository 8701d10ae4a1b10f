#include "parallel/layout/dealing.hpp"

#include <algorithm>
#include <set>

namespace isoflop::parallel {

std::optional<std::size_t> Dealing::virtual_rank(std::size_t rank, std::size_t turn) const {
  const Extent mine = share(virtual_ranks, ranks, rank);
  const std::size_t index = in_rounds ? turn * ranks + rank : mine.begin + turn;
  if (index >= (in_rounds ? virtual_ranks : mine.end)) return std::nullopt;
  return index;
}

std::size_t Dealing::count(std::size_t rank) const {
  return share(virtual_ranks, ranks, rank).size();
}

std::size_t Dealing::owner(std::size_t virtual_rank) const {
  if (in_rounds) return virtual_rank % ranks;
  std::size_t rank = 0;
  while (share(virtual_ranks, ranks, rank).end <= virtual_rank) ++rank;
  return rank;
}

std::size_t Dealing::last_turn(std::size_t rank) const {
  std::size_t turn = turns() - 1;
  while (!virtual_rank(rank, turn)) --turn;
  return turn;
}

std::vector<Extent> Dealing::brings(std::size_t rank, std::size_t turn) const {
  if (!in_rounds) return subtrees(share(virtual_ranks, ranks, rank));
  const auto index = virtual_rank(rank, turn);
  return index ? std::vector<Extent>{{*index, *index + 1}} : std::vector<Extent>{};
}

std::vector<std::size_t> Dealing::unlike_ranks() const {
  if (in_rounds) return {0};
  std::vector<std::size_t> unlike;
  std::set<std::vector<std::size_t>> seen;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    std::vector<std::size_t> sizes;
    for (const Extent& node : brings(rank, 0)) sizes.push_back(node.size());
    if (seen.insert(sizes).second) unlike.push_back(rank);
  }
  return unlike;
}

std::vector<Extent> Dealing::waiting(std::size_t turn) const {
  return in_rounds ? subtrees({0, std::min(virtual_ranks, turn * ranks)}) : std::vector<Extent>{};
}

}  // namespace isoflop::parallel
