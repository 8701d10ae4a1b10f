// Intervals that hold beyond the points: weights of laws and widths, both from rollout misses.
//
// A forecast for a larger run mixes the laws of an ensemble. Its variance in ln loss starts as
//
//   s^2 = noise + parameters + disagreement
//
// (the laws' residual variance, their parameters' by linearisation, and the spread of the laws'
// forecasts around the mixture), each averaged with the laws' weights. What model error adds is
// measured: for every cut j of the ladder, the mixture fitted below j missed each point above it by
// z = miss / s. The factor
//
//   f(h) = scale + growth max(0, h - distance),   h = ln(C / largest C fitted)
//
// makes the mean of z^2 over rollouts one: `scale` is that mean, one number a cut, since the points
// above one cut share the error of one fit and are not independent; cuts that hold (n_j / n)^2 of
// the points count so much, against half a cut with mean 1; z^2 counts as 9 at most.
// `growth` is the slope of z^2 with the distance h, never negative, and `distance` the mean h of
// rollouts. h also counts N and D beyond the fitted ones where they are further out than C.
//
// Weights: of each law the mean over cuts of ln(rms miss / smallest rms miss of a law), shrunk by
// half a cut towards equality; the weight falls with the third power of that ratio. In-sample error
// plays no part.
//
// Nested rollouts measure the coverage: at each inner cut K weights and factor come from the points
// up to K alone, and the points above it are counted.
#pragma once

#include <span>
#include <vector>

#include "laws/fit.hpp"
#include "laws/rollout.hpp"

namespace isoflop::laws {

/// The laws' forecasts mixed with their weights. A law whose forecast or variance is not finite is
/// dropped; when no variance is, the values alone are mixed and the variance is NaN.
struct Mixture {
  double value = 0;
  double noise = 0;  // variances of ln loss
  double parameters = 0;
  double disagreement = 0;
  std::size_t dropped = 0;  // laws without a finite forecast; NaN above when none is left
  double variance() const { return noise + parameters + disagreement; }
};

/// One law's part of a mixture.
struct MixtureTerm {
  double weight;
  double residual_rms;
  Forecast forecast;
};
Mixture mix(std::span<const MixtureTerm> terms);

struct Calibration {
  std::vector<double> weights;  // of each law, sum 1
  std::vector<double> errors;   // rms miss of each law over its cuts; NaN without rollouts
  Rollout rollout;
};

/// `rollouts`: of every law over the same `cuts` of the same points; one law gets weight 1.
Calibration calibrate(const Points& prepared, std::span<const double> cuts,
                      std::span<const LawRollout> rollouts);

/// f(h) of a calibrated fit.
double width_factor(const Rollout& rollout, double distance);

/// Share of the nested held-out points inside an interval of `level`; NaN when there are none.
double measured_coverage(const Rollout& rollout, double level);

}  // namespace isoflop::laws
