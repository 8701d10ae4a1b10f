// Intervals that hold beyond the points: weights of laws and widths, both from rollout misses.
//
// A forecast for a larger run mixes the laws of an ensemble. Its variance in ln loss starts as
//
//   s^2 = noise + parameters + disagreement
//
// (the laws' residual variance, their parameters' by linearisation, and the spread of the laws'
// forecasts around the mixture), each averaged with the laws' weights. What model error adds is
// measured: for every cut j of the ladder, the mixture fitted below j missed each point i above it
// by m_i. An interval at the distance h = ln(C / largest C fitted), or that of N or D where they
// are further out, has the variance
//
//   scale noise + max(scale (parameters + disagreement), drift h^3).
//
// `scale` is the mean of z^2 = (m / s)^2 over rollouts, one number a cut, since the points above
// one cut share the error of one fit and are not independent; cuts that hold (n_j / n)^2 of the
// points count so much, against half a cut with mean 1; z^2 counts as 9 at most.
//
// `drift` is for misses of one sign, which grow: a law that bends away from all of the laws. It is
// twice the mean over cuts, with the weights (n_j / n)^8, of the mean of
// (m_i m_k - (s_i s_k)/4) / (h_i h_k)^1.5 over every two different points, in which s is without
// noise: the points' own noise has no part in such products. Never below 0.
//
// Weights: of each law the mean over cuts of ln(rms miss / smallest rms miss of a law), shrunk by
// half a cut towards equality; the weight falls with the third power of that ratio. In-sample error
// plays no part.
//
// Nested rollouts measure the coverage: at each inner cut K weights, scale and drift come from the
// points up to K alone, and the points above it are counted.
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
  double systematic() const { return parameters + disagreement; }
  double variance() const { return noise + systematic(); }
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

/// Of ln loss, for an interval at the distance h.
double interval_variance(const Rollout& rollout, const Mixture& mixture, double distance);

/// Share of the nested held-out points inside an interval of `level`; NaN when there are none.
double measured_coverage(const Rollout& rollout, double level);

}  // namespace isoflop::laws
