// Training curves: what laws of whole curves read.
//
// The points of one group (all points where there are no groups) are one curve. Between two
// recorded steps the learning rate is that of the later one, so curves may be thinned; the first
// record should be near the first step.
#pragma once

#include <string>
#include <vector>

#include "laws/points/points.hpp"

namespace isoflop::laws {

/// Positions in the points of one curve, by step.
using Curve = std::vector<std::size_t>;

/// Curves in the order of their first points. Throws InputError for a step that a curve has twice.
std::vector<Curve> split_curves(const Points& points);

/// The curve that each point belongs to, as a name: never empty, unlike a group.
std::vector<std::string> curve_names(const Points& points);

}  // namespace isoflop::laws
