// How well the points separate the parameters of a fit.
#pragma once

#include "laws/fit/fit.hpp"
#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

/// Linearised at the optimum, from the stage's sum g g^T (g: gradient of the response by theta)
/// and the numeric Jacobian of the law's values. Entries are NaN for a value that does not move.
Precision precision_of(const Law& law, const Stage& stage);

}  // namespace isoflop::laws
