// What the budgets' own parabolas say of the best N, against what a fit says of it.
//
// Residuals over all runs hardly show an N* that is wrong: the loss is flat around it. But at each
// budget of IsoFLOP points a parabola in ln N finds its minimum without any law (approach 2), and
// the same parabola through the fit's losses at the same points finds the fit's. The parabola's own
// bias is in both, so that
//
//   shift_k = ln N* by the points - ln N* by the fit's losses at these points
//
// is what the fit misses at budget k. A straight line through the shifts by ln(6 N D) says what it
// will miss at larger budgets, its scatter how well that is known: with n budgets it is Student's
// of n - 2 degrees of freedom, whose variance (n - 2) / (n - 4) is taken.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

/// `weights`: of each law at all points. Empty unless every law reads params and tokens, the points
/// are budgets with gaps between them, and five of these have a minimum.
std::optional<ParabolaShift> parabolas_against(const Points& prepared,
                                               std::span<const LawRollout> rollouts,
                                               const std::vector<double>& weights);

}  // namespace isoflop::laws
