// Profile likelihood: one quantity held at a series of values, all others optimised at each.
//
// With F the sum of losses and psi its slope, 2 (F(c) - F_min) is compared with chi^2 of one degree
// of freedom times
//
//   s = sum w^2 psi^2 / sum w psi'  n / (n - p)
//
// (the likelihood ratio of robust statistics; for least squares s is the residual variance). psi'
// of a narrow Huber loss is 1 for few points, so it is averaged over a band around zero that holds
// a fair share of the residuals. Unlike bootstrap intervals a profile shows when the points set no
// limit at all: E may then be 0, or the exponent anything.
#pragma once

#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"
#include "laws/search/objective.hpp"

namespace isoflop::laws {

/// Of the irreducible loss E where the law has one, and of the exponent a of the compute-optimal
/// size where it is beta / (alpha + beta). `theta`: the optimum. Points in groups count as if they
/// were independent.
std::vector<LikelihoodProfile> profiles_of(const Law& law, const Samples& samples,
                                           double huber_delta, const Vector& theta, double level);

/// s above, at the optimum `theta`.
double scale_of(const Objective& objective, const Vector& theta);

}  // namespace isoflop::laws
