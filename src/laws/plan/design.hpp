// Which runs to train next: active design for the prediction of one target run.
//
// The variance of the target's ln loss is followed by linear Gaussian theory. Around a fit,
// ln L(x) = f(x; theta) + sum_k g_k max(0, ln(C(x) / C_k)) + noise: the law, linear in its
// coordinates (gradient J), plus bends at half decades of compute C_k between the smallest fitted
// run and the target. A bend g_k ~ N(0, q) is a change of slope that the law does not know; q is
// chosen so that the variance before any new run is that of predict()'s interval, rollout misses
// included. With H = (J, bends) and M = sum_i w_i H_i H_i^T / s^2 + prior,
//
//   v = H_t^T M^-1 H_t,   a run at x lowers v by (H_t^T M^-1 H_x)^2 / (s^2 + H_x^T M^-1 H_x).
//
// Without bends the cheapest runs would look best however far they are from the target: repeated
// small runs pin a law that is believed exactly. The bends make distance count.
#pragma once

#include <optional>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"
#include "laws/predict/predict.hpp"

namespace isoflop::laws {

struct Candidate {
  double params = 0;
  double tokens = 0;

  double flops() const { return 6 * params * tokens; }
};

/// The variance of one target's ln loss, noise of the target's own run not included.
class TargetVariance {
 public:
  /// `noise`: variance of ln loss of a run of weight 1. `bend`: q. The law may read params, tokens
  /// and flops (6 N D).
  TargetVariance(const Law& law, std::span<const Variable> variables, const Vector& theta,
                 const Points& prepared, const Candidate& target, double noise, double bend);

  double variance() const { return variance_; }
  /// By how much a run would lower the variance.
  double gain(const Candidate& run) const;
  void add(const Candidate& run);

 private:
  std::vector<double> row(const Candidate& run) const;
  std::vector<double> times_covariance(const std::vector<double>& row) const;

  const Law* law_;
  std::vector<Variable> variables_;
  Vector theta_;
  std::vector<double> knots_;  // ln C_k
  double noise_;
  double root_bend_;  // bends enter in units of their standard deviation
  std::size_t size_ = 0;
  std::vector<double> covariance_;  // (size, size), M^-1
  std::vector<double> target_row_;
  std::vector<double> sensitivity_;  // M^-1 H_t
  double variance_ = 0;
};

struct DesignOptions {
  FitOptions fit;
  Candidate target;
  double budget = 0;  // FLOP of all new runs together
  std::size_t most_runs = 8;
  std::vector<double> sizes;  // params to choose from; empty: four a decade
  double level = 0.8;
  std::optional<double> bend;  // q; empty: from the interval of the prediction
};

struct SuggestedRun {
  Candidate run;
  double spent = 0;      // FLOP up to and with this run
  double deviation = 0;  // of the target's ln loss after this run
  Interval after;        // of the target's loss, if it comes out where it is predicted now
};

struct Design {
  Fit fit;
  Prediction now;
  double deviation = 0;        // of the target's ln loss now, as the plan counts it
  double noise = 0;            // standard deviation of ln loss of a run
  double effective_noise = 0;  // variance of ln loss of a run, as the fit's Huber loss feels it
  double bend = 0;             // q
  std::vector<SuggestedRun> runs;
};

/// The interval of the target's loss, its own noise included, when its ln loss has `deviation`.
Interval interval_after(const Design& design, double level, double deviation);

/// Runs that the plan may choose from: every size with tokens four a decade and with those that
/// take a simple share of the budget, between the smallest fitted run and the target in N and D,
/// tokens a parameter within twice the range of the points and the target, none above `budget`.
std::vector<Candidate> candidate_runs(const Points& prepared, const Candidate& target,
                                      double budget, const std::vector<double>& sizes);

/// Fits the points, then plan_runs. An ensemble predicts as a whole; the plan is linear around its
/// heaviest law, the bends make up for the others.
Design suggest(const Points& points, const DesignOptions& options);

/// The runs, best first, that lower the target's variance most within the budget: greedy choices by
/// gain / FLOP^p for several p between 0 and 1. Of those the one of fewest, largest runs stands
/// unless another leaves 5% less variance: where the law is wrong, large runs are the safer ones.
/// Deterministic. Throws InputError for a target or budget that is not above 0, for a law that
/// predicts something else than a loss or reads something else than params, tokens and flops, and
/// when no candidate fits into the budget. `fit` was made from the points `prepared`.
Design plan_runs(const Fit& fit, const Points& prepared, const DesignOptions& options);

}  // namespace isoflop::laws
