// Global search: the best minimum of an Objective over many starts.
//
// Each start first descends a smoothed objective (a wide Huber loss) on at most 32 of the points.
// Starts that end there in the same place to 1e-7, or at the same height in a flat valley, continue
// together, because they would take the same path: down the smoothed objective of all points, then
// the asked-for one. The 32 best starts also descend the asked-for objective directly, so that
// smoothing cannot hide a better basin.
#pragma once

#include "laws/solver.hpp"

namespace isoflop::laws {

struct Search {
  Minimum best;
  std::vector<Minimum> basins;  // distinct ends, best first
  std::vector<int> reached;     // starts that ended in each
  int starts = 0;
};

Search search(const Objective& objective, std::span<const Vector> starts);

/// The optimum as a quick look finds it: a few starts of the lowest wide loss descend the smoothed
/// objective of the few points, and where the best of them end the asked-for one.
Vector search_quickly(const Objective& objective, const std::vector<Vector>& starts);

}  // namespace isoflop::laws
