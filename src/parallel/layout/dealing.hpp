// Which rank computes which virtual rank, and when: pure arithmetic.
//
//   runs    rank r has a run of neighbours, adds them up alone, and meets the others once a step
//   rounds  the ranks take the next `ranks` virtual ranks together and meet after each round: what
//           waits for its sibling in the tree are sums of whole rounds, which can be sharded
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/integers.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::parallel {

struct Dealing {
  std::size_t virtual_ranks;
  std::size_t ranks;
  bool in_rounds;

  /// Turns that the busiest rank has.
  std::size_t turns() const { return ceil_div(virtual_ranks, ranks); }

  /// What `rank` computes in a turn; nothing when it has fewer than others.
  std::optional<std::size_t> virtual_rank(std::size_t rank, std::size_t turn) const;
  std::size_t owner(std::size_t virtual_rank) const;

  /// Virtual ranks that `rank` computes.
  std::size_t count(std::size_t rank) const;

  /// The last turn in which `rank` computes something.
  std::size_t last_turn(std::size_t rank) const;

  /// Nodes of the tree that `rank` brings when the ranks meet in `turn`, in order.
  std::vector<Extent> brings(std::size_t rank, std::size_t turn) const;

  /// One rank of each kind, in order: of runs that fall into the same subtrees, and in rounds of
  /// all ranks, the first is enough to know what they hold.
  std::vector<std::size_t> unlike_ranks() const;

  /// Nodes that wait for their siblings when the ranks have met in all turns before `turn`.
  std::vector<Extent> waiting(std::size_t turn) const;
};

}  // namespace isoflop::parallel
