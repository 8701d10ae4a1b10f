// What a fit would have said with another loss, or without some of the points: Huber losses of
// other widths, least squares, least absolute deviations, and the highest losses left out.
#pragma once

#include "laws/fit.hpp"
#include "laws/rollout.hpp"

namespace isoflop::laws {

/// Refits from `starts`, the optima that the search of the fit itself found, best first. Points are
/// left out only where the law predicts the loss of single points.
std::vector<Alternative> find_alternatives(const Contender& contender, const Points& prepared,
                                           double huber_delta, std::span<const Vector> starts);

}  // namespace isoflop::laws
