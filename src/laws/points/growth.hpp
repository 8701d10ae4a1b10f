// How large a run is: what parts the runs that a rollout fits from the larger ones that it
// foretells, and how far out a run lies that an interval is for.
//
//   a law of one variable               that variable
//   of several, points with compute     compute; params and tokens where they are further out
//   of several, points without compute  the product of what the law reads, and each of them
//
// A loss falls as runs grow, and slowly: its size is loss^-10, by which a tenth less of it counts
// like 2.9 times the compute.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laws/points/points.hpp"

namespace isoflop::laws {

/// What is known of one run.
using RunSize = Quantities<std::optional<double>>;

struct Growth {
  std::vector<Variable> factors;  // their product is the size of a run; empty: there is none
  std::vector<Variable> axes;     // which a run may exceed by more than by its size
};

/// Whether it falls as runs grow: a loss.
bool falls_with_size(Variable variable);

/// Of runs of which a law reads `variables`.
Growth growth_of(const Points& prepared, std::span<const Variable> variables);
/// By compute and, where the points have them, params and tokens.
Growth growth_in_compute(const Points& prepared);

/// The size of a run, then its place on each axis; NaN where a part is unknown.
std::vector<double> extent_of(const Growth& growth, const Points& points, std::size_t row);
std::vector<double> extent_of(const Growth& growth, const RunSize& run);

/// The largest of each entry that is known in both becomes that of `reach`.
void stretch(std::vector<double>& reach, const std::vector<double>& extent);
/// ln(extent / reach) of the entry that is furthest out, of those known; -infinity for none.
double distance_beyond(const std::vector<double>& reach, const std::vector<double>& extent);

/// "compute", "params", "params x steps".
std::string describe(const Growth& growth);

}  // namespace isoflop::laws
