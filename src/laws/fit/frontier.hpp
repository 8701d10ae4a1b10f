// Chinchilla approaches 1 and 2 (Hoffmann et al. 2022, sections 3.1 and 3.2): find the
// compute-optimal N and D at a series of budgets, then draw power laws through them:
//
//   N* = G (C/6)^a,   D* = H (C/6)^b,   L* = E + K/C^gamma (E = 0 below four budgets)
//
// Parameters of such a fit, in this order: G, a, H, b, E, K, gamma.
#pragma once

#include <optional>

#include "laws/fit/fit.hpp"

namespace isoflop::laws {

/// Compute-optimal points, one entry a budget.
struct Frontier {
  std::vector<double> flops;
  std::vector<double> params;
  std::vector<double> tokens;
  std::vector<double> loss;
};

inline constexpr std::size_t kFrontierParameters = 7;
enum FrontierParameter : std::size_t { kG, kExponentN, kH, kExponentD, kFloor, kK, kGamma };

/// N* = params_scale (C/6)^params_exponent and the like for D*, least squares in logs.
struct FrontierLines {
  double params_scale = 0;
  double params_exponent = 0;
  double tokens_scale = 0;
  double tokens_exponent = 0;
  bool ok = false;
};
FrontierLines fit_lines(const Frontier& frontier);

/// The power laws through `frontier`, the loss law by the Huber objective; empty when it does not
/// determine those of N* and D*. `start`: a fit of similar data, from which the loss law is refined
/// instead of searched for: a floor where that fit has one, NaN when fewer than four budgets are
/// left for it or its descent does not converge.
std::optional<std::vector<double>> fit_frontier(const Frontier& frontier, double huber_delta,
                                                const std::vector<double>* start = nullptr);

double frontier_params(const std::vector<double>& parameters, double flops);
double frontier_tokens(const std::vector<double>& parameters, double flops);
double frontier_loss(const std::vector<double>& parameters, double flops);

/// Names parameters, summarises `result.draws` and fills the derived a, b, G. Where too many draws
/// leave a parameter open it has no interval; warnings count them and say the `remedy`.
void summarise_frontier(const std::vector<double>& parameters, const std::string& remedy,
                        Fit& result);

/// Rolls the loss law of the frontier `parameters` out over its budgets and gives `result` the
/// rollout and the one member that predicts. `fewest_for_nested`: see calibrate().
void calibrate_frontier(const Frontier& frontier, const std::vector<double>& parameters,
                        double huber_delta, std::size_t fewest_for_nested, Fit& result);

/// Envelope of training curves. Each group of `prepared` is one run of constant N with several
/// token counts (points without a group are left out; those of one compute become their mean); the
/// loss is smoothed by local parabolas, then interpolated linearly in ln C, ln L.
/// At 1,500 compute values evenly spaced in ln C the lowest curve wins; values won by the smallest
/// or the largest size of all are dropped, since a still smaller or larger one could have won.
/// Bootstrap draws whole runs. Throws InputError for weights that differ and when fewer than two
/// inner sizes win.
void fit_approach1(const Points& prepared, const FitOptions& options, Fit& result);

/// IsoFLOP profiles. Points within 20% of compute of a neighbour are one budget (spread at
/// most 1.5x). In each, a parabola of the loss in ln N (and in ln D) gives the minimum; a budget
/// with fewer than 4 points, a maximum, a curvature below twice its standard error or a minimum
/// outside its points is left out with the reason, of the bootstrap too, in which every draw leaves
/// out the budgets that have no minimum in it. Needs 3 budgets with a minimum. Known bias: on a
/// surface with alpha != beta the minimum of the parabola is off even without noise; `result.bias`
/// has its size on the approach-3 surface through the same points.
void fit_approach2(const Points& prepared, const FitOptions& options, Fit& result);

}  // namespace isoflop::laws
