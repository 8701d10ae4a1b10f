// What a fit leaves open of the best use of a budget: optima drawn from its laws.
//
// Each law of the fit has as many of the draws as it has of the weight. The heaviest has its
// bootstrap draws, each with its own optimum; the others are normal by their information matrix
// (rollout.hpp), their optima linear in it. Where the deviation of ln N* is less than what fits on
// smaller runs were off (stray.hpp) or, where a loss is given, that of ln C less than what the
// interval of the loss allows, the variance that is missing is added: each draw is shifted by a
// normal number of its own, N against D at its budget T, and N* along with the budget. Half of the
// draws go towards the N* of the budgets' parabolas (parabolas.hpp) besides, by how far it lies off
// times the size of a normal number. That is the N* of training alone: with inference it counts by
// the share of training in T, and by a law A / N^alpha + B / D^beta with alpha < 1, whose A / B is
// off, the best N moves by no more. A draw whose loss falls on to one token has no best N above
// any, one whose loss falls on to one parameter no best D. Where N has a bound, all this happens
// without it; a draw whose N* then lies above it ends there, with the budget that its law needs
// within the bound.
#pragma once

#include <optional>
#include <vector>

#include "laws/fit/allocation.hpp"
#include "laws/plan/optimal.hpp"

namespace isoflop::laws {

/// The best split, and the training FLOP that it costs; all infinite where no run will do, N or D
/// where nothing bounds it.
struct Solution {
  Split split;
  double flops;
};

struct DrawnSolutions {
  std::vector<Solution> solutions;  // as many as the fit has draws that know the goal
  std::size_t laws;                 // that have a part in them; others have no optimum to draw
  double deviation = 0;             // of ln N*, by the draws or by what strayed; not by parabolas
};

/// For what the goal fixes; empty when no run reaches the loss.
std::optional<Solution> solve(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                              const std::vector<double>& state);

/// Whether N is the largest that there may be.
bool is_at_bound(const Split& split, const Demand& demand);
Goal without_bound(Goal goal);

/// `optimum`: with its prediction.
DrawnSolutions draw_solutions(const Fit& fit, const Goal& goal, const Optimum& optimum);

}  // namespace isoflop::laws
