// The best use of a budget, by a fit.
//
//   optimal(fit, {.flops = 1e21})                                 lowest loss for C = 6 N D
//   optimal(fit, {.flops = 1e21, .demand = {.inference_tokens = 1e12}})
//                                                                 lowest loss for 6 N D + 2 N D_inf
//   optimal(fit, {.loss = 2.1, .demand = {...}})                  cheapest run that reaches a loss
//   optimal(fit, {.flops = 1e24, .demand = {.most_params = 3e9}})
//                                                                 of those up to a size
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "laws/fit/allocation.hpp"
#include "laws/predict/predict.hpp"

namespace isoflop::laws {

/// Exactly one of `flops` (of everything that the demand names) and `loss`.
struct Goal {
  std::optional<double> flops;
  std::optional<double> loss;
  Demand demand;
};

/// Compute of a machine: `gpus` of `peak_flops` FLOP/s each, of which training uses the share
/// `mfu`, for `hours`. Throws InputError for what is not above 0, or an mfu above 1.
struct Machine {
  double gpus = 1;
  double peak_flops = 0;
  double mfu = 0;
};
double flops_within(const Machine& machine, double hours);
double hours_for(const Machine& machine, double flops);

/// What would be best if N had no bound.
struct Unbounded {
  double params = 0;
  double tokens = 0;
  double flops = 0;  // of training
  double loss = 0;
};

struct Optimum {
  double params = 0;
  double tokens = 0;
  double flops = 0;            // of training: 6 N D, of a frontier the budget
  double inference_flops = 0;  // 2 N D_inf
  Prediction prediction;       // at params and tokens
  /// Over `draws`; empty without draws. The intervals of a given loss reach to infinity
  /// when that share of the draws has no run that reaches it.
  std::optional<Interval> params_interval;
  std::optional<Interval> tokens_interval;
  std::optional<Interval> flops_interval;  // of training
  std::vector<Split> draws;                // see optimal_draws.hpp; infinite where there is none
  bool is_spread_unknown = false;          // too many draws are lost: nothing has an interval
  bool is_at_bound = false;                // demand.most_params holds N down
  std::optional<Unbounded> unbounded;      // only there, and where there is such an optimum
  std::vector<std::string> warnings;

  double total_flops() const { return flops + inference_flops; }
};

/// Throws InputError for a law without a trade-off of N and D, for numbers that are not above 0,
/// and for a loss that no run reaches.
Optimum optimal(const Fit& fit, const Goal& goal, double level = 0.8);
Optimum optimal(const Fit& fit, double flops, double level = 0.8);

/// How far rounding may have moved a result: `params` and `tokens` when every parameter moves by
/// half a unit of its last digit in the worst direction (first order). Empty unless all parameters
/// have at most 4 digits, which fits in full precision never have.
struct RoundingRange {
  Range params;
  Range tokens;
};
std::optional<RoundingRange> rounding_range(const Fit& fit, const Demand& demand,
                                            double total_flops);

}  // namespace isoflop::laws
