// The compute-optimal split of a budget that the values of a fit imply.
#pragma once

#include <optional>
#include <vector>

#include "laws/fit.hpp"
#include "laws/law.hpp"

namespace isoflop::laws {

/// N and D of lowest loss for C = 6 N D, for `values` of the fit's parameters (its own, or a
/// draw's). Empty for a law without a trade-off of N and D.
std::optional<Allocation> compute_optimal(const Fit& fit, const std::vector<double>& values,
                                          double flops);

}  // namespace isoflop::laws
