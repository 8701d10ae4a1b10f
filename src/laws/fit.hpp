// Fits a law to points and says how sure the result is.
//
//   Fit result = fit(points, {.law = "chinchilla"});
//   Prediction far = predict(result, 7e9, 1.4e11);           // predict.hpp
//   std::string text = to_json(result);                       // fit_json.hpp
//
// Method "huber" (every law but chinchilla) and "approach3" (chinchilla): the sum of Huber losses
// on ln loss (objective.hpp), global search over the law's starts, bootstrap by pairs - by whole
// groups where points have groups - with re-optimisation in every draw. Methods "approach1" and
// "approach2" (chinchilla): the compute-optimal frontier only (frontier.hpp).
//
// Every number depends on the points, the options and the seed alone: not on the order of the
// points, the machine's threads or the time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "laws/points.hpp"

namespace isoflop::laws {

struct FitOptions {
  std::string law = {};
  std::string method = {};       // empty: the law's own
  std::string variable = {};     // of a one-variable law; empty: see fit()
  double huber_delta = 1e-3;     // on the law's scale: ln loss, or a fraction
  std::size_t bootstrap = 1000;  // draws; 0: no intervals
  std::uint64_t seed = 1;
  double level = 0.8;          // of the intervals
  std::size_t drop_worst = 0;  // leave out this many of the highest losses
};

/// NaN in `standard_error`, `low` and `high` when there was no bootstrap.
struct Estimate {
  std::string name;
  double value;
  double standard_error;
  double low;
  double high;
};

/// How the global search ended.
struct SearchSummary {
  int starts = 0;
  int reached_best = 0;   // starts that ended in the best optimum
  int basins = 0;         // different optima seen
  bool converged = true;  // gradient and step of the best are negligible
  double gradient_norm = 0;
};

/// Values of every parameter in every bootstrap draw; rows of draws that had no solution are
/// absent.
struct Draws {
  std::vector<std::vector<double>> rows;
  std::size_t asked = 0;
  std::size_t clusters = 0;  // units drawn: points, or groups
};

/// Misses of fits on small compute at larger compute: ln loss error per unit of ln(C / largest C
/// fitted).
struct Rollout {
  std::size_t cuts = 0;
  std::size_t points = 0;  // held out, over all cuts
  double rms_miss = 0;     // in ln loss
  double growth = 0;       // standard deviation of ln loss per e-fold of compute, beyond noise
};

/// One IsoFLOP profile of approach 2.
struct Budget {
  double flops;
  std::size_t points;
  double params;  // at the minimum of the parabola
  double tokens;
  double loss;
  std::string rejected;  // why the profile has no estimate; empty: it has
};

struct Fit {
  std::string law;
  std::string method;
  std::string variable;  // of a one-variable law, else empty
  std::vector<Estimate> parameters;
  std::vector<Estimate> derived;
  double objective = 0;
  double huber_delta = 0;
  double level = 0.8;
  std::uint64_t seed = 0;
  SearchSummary search;
  std::size_t used = 0;
  std::vector<LeftOut> left_out;
  std::vector<std::string> names;  // of the points used, when they have names
  std::string source;
  Range params, tokens, flops;  // of the points used; NaN where they have no such column
  Range response;               // of what the law predicts
  double residual_rms = 0;      // on the law's scale, corrected for the degrees of freedom
  Rollout rollout;
  std::vector<Budget> budgets;  // approach 2
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
  Draws draws;
  std::string version;  // of the isoflop that made the fit
  std::string commit;

  bool is_frontier() const { return method == "approach1" || method == "approach2"; }
  /// The values of `parameters`, in order.
  std::vector<double> values() const;
};

/// Throws InputError for an unknown law or method, bad options, bad points and too few points (the
/// message says how many are needed). A one-variable law of flops without `variable` uses the only
/// one of params and tokens that varies, and flops when both or none do.
Fit fit(const Points& points, const FitOptions& options);

}  // namespace isoflop::laws
