// Intervals that hold beyond the points: weights of laws and widths, both from rollout misses.
//
// A forecast for a larger run mixes the laws of an ensemble (mixture.hpp). Its variance in ln loss
// starts as
//
//   s^2 = noise + spread
//
// (the points' own, by the laws' residuals, and how far the laws leave the loss open). What model
// error adds is measured: for every cut j of the ladder, the mixture fitted below j missed each
// point i above it by m_i. An interval at the distance h = ln(C / largest C fitted), or that of N
// or D where they are further out (growth.hpp; of a law of one variable, that variable), has the
// variance
//
//   scale noise + max(min(scale, 0.7) spread, max(drift, 0.08 noise) h^3).
//
// `scale` is the mean of z^2 = (m / s)^2 over rollouts, one number a cut, since the points above
// one cut share the error of one fit and are not independent; cuts that hold (n_j / n)^4 of the
// points count so much, against a tenth of a cut with mean 1; z^2 counts as 9 at most. It never
// widens the spread: misses beyond what the laws allow are the drift's part.
//
// `drift` is for misses of one sign, which grow: a surface that bends away from all of the laws. It
// is 1.5 times
//
//   sum (M_i M_k - S_i S_k / 4) / sum H_i H_k
//
// over every two different points. M, S and H are sums over the cuts j below both of them, with the
// weights (n_j / n)^4 / (sum of h^1.5 above j), of a point's miss m, of s and of h^1.5; s^2 here is
// the spread alone. No fit in a product has seen either point, so that their own noise has no part
// in its mean; a cut between the two would bring the lower's noise into the upper's miss, with the
// other sign. Misses keep their sign in the sums: where fits turn to both sides by chance they
// cancel before they are multiplied. |m| and s count as 0.3 at most, of rates and batches as ln 10
// (an unknown s as 0), h as 0.3 at least: a miss close above a cut does not tell how misses grow.
// Never below 0; but misses do not show what is small beside the noise, of which a share counts
// as drift everywhere. Cuts with fewer than three points above have no say: two misses agree in
// sign every second time.
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

#include "laws/fit/fit.hpp"
#include "laws/fit/mixture.hpp"

namespace isoflop::laws {

struct Calibration {
  std::vector<double> weights;  // of each law, sum 1
  std::vector<double> errors;   // rms miss of each law over its cuts; NaN without rollouts
  Rollout rollout;
};

/// Points below a nested cut, at least.
inline constexpr std::size_t kFewestForNested = 12;

/// `rollouts`: of every law over the same `cuts` of the same points; one law gets weight 1.
Calibration calibrate(const Points& prepared, const Cuts& cuts,
                      std::span<const LawRollout> rollouts,
                      std::size_t fewest_for_nested = kFewestForNested);

/// Of ln loss, for an interval at the distance h.
double interval_variance(const Rollout& rollout, const Mixture& mixture, double distance);

/// The part of it by which a run scatters, whatever the laws say.
double noise_variance(const Rollout& rollout, const Mixture& mixture);

/// Why an interval by `fit` has no model error in it; empty: rollouts measured it.
std::string why_not_calibrated(const Fit& fit);

/// Share of the nested held-out points inside an interval of `level`; NaN when there are none.
double measured_coverage(const Rollout& rollout, double level);

}  // namespace isoflop::laws
