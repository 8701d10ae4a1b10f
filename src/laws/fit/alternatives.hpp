// What a fit would have said with another loss, or with other points: Huber losses of other widths,
// least squares (of the losses themselves too), least absolute deviations, the highest losses left
// out, the outliers put back.
#pragma once

#include "laws/fit/fit.hpp"
#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

/// Refits from `starts`, the optima that the search of the fit itself found, best first. Points are
/// left out only where the law predicts the loss of single points. `with_outliers`: the points with
/// those that drop_outliers() took; the same points where none were.
std::vector<Alternative> find_alternatives(const Contender& contender, const Points& prepared,
                                           const Points& with_outliers, double huber_delta,
                                           std::span<const Vector> starts);

}  // namespace isoflop::laws
