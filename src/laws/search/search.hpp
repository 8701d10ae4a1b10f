// Global search: the best minimum of an Objective over many starts.
//
// Each start first descends a smoothed objective (a wide Huber loss) on at most 32 of the points.
// Starts that end there in the same place to 1e-7, or at the same height in a flat valley, continue
// together, because they would take the same path: down the smoothed objective of all points, then
// the asked-for one. The 32 best starts also descend the asked-for objective directly, so that
// smoothing cannot hide a better basin. Of more than kManyRows rows the search, and whatever looks
// for its starts, sees an even selection of them; of its ends those that fit all rows best then
// descend the objective of all.
#pragma once

#include "laws/search/solver.hpp"

namespace isoflop::laws {

inline constexpr std::size_t kRandomStarts = 32;

struct Search {
  Minimum best;
  std::vector<Minimum> basins;  // distinct ends, best first
  std::vector<int> reached;     // starts that ended in each
  int starts = 0;
  int lost = 0;  // of them found no finite objective: they reached none of the basins
};

Search search(const Objective& objective, std::span<const Vector> starts);

/// The optimum as a quick look finds it: the two best minima of variable projection, or where the
/// form has none a few starts of the lowest wide loss on the few points, descend the objective.
Vector search_quickly(const Objective& objective);

/// From which of the law's starts a search goes; those of variable projection, where the form
/// allows them, join.
enum class Starts {
  all,  // and kRandomStarts more, drawn inside the bounds from the range of the law's starts,
        // widened by half its width on each side: a grid has gaps, and an end
  few   // the 64 of the lowest wide loss on a few points: for searches of many laws at once
};
std::vector<Vector> choose_starts(const Objective& objective, Starts which);

}  // namespace isoflop::laws
