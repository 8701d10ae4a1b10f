// Rollout: what fits on less compute would have said about the points above it.
//
// A law is fitted to all points up to each of a ladder of cuts of their size (growth.hpp), and its
// forecasts for the points beyond are held against their losses. Choice between laws, and the width
// of intervals (calibration.hpp), rest on these misses: residuals of the points that a fit has seen
// say little about larger runs.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "laws/law/law.hpp"
#include "laws/points/growth.hpp"
#include "laws/points/points.hpp"

namespace isoflop::laws {

/// A law and what it reads of these points.
struct Contender {
  const Law* law = nullptr;
  std::vector<Variable> variables;
};

/// A law fitted to the points up to one cut: enough to predict and to say how sure that is.
struct Stage {
  Vector theta{};
  double residual_rms = 0;  // of the response, corrected for the degrees of freedom
  double noise = 0;         // likewise, of runs that did not go wrong (scatter_of)
  /// Cholesky factor of sum_i (w_i / mean w) g_i g_i^T, g_i the gradient of the response by theta;
  /// rows of another step of the law count by their own noise, (residual_rms / its rms)^2.
  Matrix information{};  // NaN where the points leave every parameter open
};

/// The fit's state at its minimum `theta`. `responses`: the rows that hold the response itself
/// (those fitted, unless the law has several steps); their scatter is the noise of a prediction.
Stage make_stage(const Law& law, const Samples& fitted, const Samples& responses,
                 const Vector& theta);

struct Forecast {
  double value = 0;
  double variance = 0;  // by the law's parameters: noise^2 g^T information^-1 g
};
Forecast forecast(const Law& law, const double* x, const Stage& stage);

/// A fit that went astray says no more than that; NaN, no forecast at all, counts like it.
inline constexpr double kLargestMiss = 0.3;  // of ln loss, or of a share
double capped_miss(double miss, double largest = kLargestMiss);
/// Of what the law predicts: ln 10 of learning rates and batches, which sound laws miss by factors.
double largest_miss(const Law& law);

/// Where points are cut into those that a fit sees and larger ones.
struct Cuts {
  Growth growth;
  std::vector<std::vector<double>> extents = {};  // of each point; empty: there are no cuts
  std::vector<double> sizes = {};                 // of the cuts, ascending

  double size(std::size_t point) const { return extents[point].front(); }
};

inline constexpr std::size_t kFewestBelow = 5;

/// Sizes that separate the points into groups large enough to tell something: each at least 1.3
/// times the one before, with `fewest_below` points or more below it and a twelfth of the points
/// more than the one before, in a gap of 5% or inside a continuum (no gap over a factor of 2). The
/// largest leaves points above it.
Cuts cut_points(const Points& prepared, const Growth& growth,
                std::size_t fewest_below = kFewestBelow);

struct LawRollout {
  Contender contender;
  Samples samples;  // of all points
  /// One a cut, empty where the points below do not suffice; then one for all points.
  std::vector<std::optional<Stage>> stages;
};

/// `theta`: the optimum for all points. The refits do not begin there but at the law's own starts
/// for the points below their cut, the best few of them: they know nothing of the points above.
LawRollout roll_out(const Contender& contender, const Points& prepared, const Cuts& cuts,
                    double huber_delta, const Vector& theta);

}  // namespace isoflop::laws
