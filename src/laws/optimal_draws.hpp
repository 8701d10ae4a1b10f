// What a fit leaves open of the best use of a budget: optima drawn from its laws.
//
// Each law of the fit has as many of the draws as it has of the weight. The heaviest has its
// bootstrap draws, each with its own optimum; the others are normal by their information matrix
// (rollout.hpp), their optima linear in it. Around the optimum of the mixture all draws are then
// stretched, in ln N, ln D and ln C alike, until the deviation of ln N is at least what fits on
// smaller runs were off (stray.hpp) and, where a loss is given, that of ln C what the interval of
// the loss allows.
#pragma once

#include <optional>
#include <vector>

#include "laws/allocation.hpp"
#include "laws/optimal.hpp"

namespace isoflop::laws {

/// The best split, and the training FLOP that it costs; infinite where no run will do.
struct Solution {
  Split split;
  double flops;
};

/// For what the goal fixes; empty when no run reaches the loss.
std::optional<Solution> solve(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                              const std::vector<double>& state);

/// As many as `fit` has draws. `optimum`: with its prediction.
std::vector<Solution> draw_solutions(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                                     const Optimum& optimum);

}  // namespace isoflop::laws
