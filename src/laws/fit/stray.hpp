// How far the best size of a budget strays when fits on smaller runs name it.
//
// No run shows the best N of its budget, so a rollout cannot miss it. But fits below the cuts name
// the N* of larger budgets, and so far as these differ from what all points say they were wrong.
// ln N* errs mostly by its exponent, in proportion to h = ln(C / largest C fitted):
//
//   stray = sum_j (n_j / n)^4 (ln N*_j - ln N*)^2 / h_j^2 / sum_j (n_j / n)^4
//
// over the cuts j with n_j of n points below, at the largest C of all points; h_j counts as 0.3 at
// least, |ln N*_j - ln N*| as ln 10 at most. At h, N* is not surer than a deviation of sqrt(stray)
// h in ln N*.
#pragma once

#include <span>
#include <vector>

#include "laws/fit/frontier.hpp"
#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

/// `weights`: of each law at each cut and, last, at all points. 0 for laws without a trade-off of
/// params and tokens, and without a cut.
double stray_of(const Points& prepared, const Cuts& cuts, std::span<const LawRollout> rollouts,
                const std::vector<std::vector<double>>& weights);

/// The same of the lines of a frontier.
double stray_of(const Frontier& frontier, std::span<const RolloutCut> cuts);

}  // namespace isoflop::laws
