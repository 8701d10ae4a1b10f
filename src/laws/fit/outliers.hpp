// Points that a law misses by far more than the others: runs that went wrong without saying so,
// whatever the height of their loss.
#pragma once

#include <optional>
#include <string>

#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

/// Moves the `count` points with the largest sqrt(weight) |miss| to `left_out`; misses are those of
/// a robust fit to all points (Huber's width at most 1e-3), which few outliers do not move. Throws
/// InputError for a law that fits several rows a point and when too few points would stay.
Points drop_outliers(const Contender& contender, const Points& prepared, std::size_t count,
                     double huber_delta);

/// Of points that a fit ending at `theta` misses grossly: how many, the worst, what to do. Empty:
/// there are none. Weights say how much a miss counts, not how far off a point may lie: they have
/// no part in it. `dropped`: how many --drop-outliers has left out already; empty: it is not open
/// to this fit.
std::string describe_outliers(const Contender& contender, const Points& prepared,
                              const Vector& theta, std::optional<std::size_t> dropped);

}  // namespace isoflop::laws
