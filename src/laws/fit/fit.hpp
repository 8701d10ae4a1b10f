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
// Law "ensemble": every law of the loss that reads both params and tokens (else every one-variable
// law) and that the points suffice for. Fit::members holds them with their weights by rollout
// error (calibration.hpp); law, parameters, draws and the like are those of the heaviest.
//
// Every number depends on the points, the options and the seed alone: not on the order of the
// points, the machine's threads or the time.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "laws/law/law.hpp"
#include "laws/points/growth.hpp"
#include "laws/points/points.hpp"

namespace isoflop::laws {

inline constexpr std::size_t kMostDraws = 1'000'000;

struct FitOptions {
  std::string law = {};          // a name, or kEnsemble
  std::string method = {};       // empty: the law's own
  std::string variable = {};     // of a one-variable law; empty: see fit()
  double huber_delta = 1e-3;     // on the law's scale: ln loss, or a fraction
  std::size_t bootstrap = 1000;  // draws; 0: no intervals
  std::uint64_t seed = 1;
  double level = 0.8;                  // of the intervals
  std::size_t drop_worst = 0;          // leave out this many of the highest losses
  std::size_t drop_outliers = 0;       // leave out this many of the largest misses (outliers.hpp)
  std::vector<NamedValue> fixed = {};  // parameters of one law held at these values (fixed.hpp)
  std::string interval = "pairs";      // how draws are made: pairs, residuals (resample.hpp)
  bool details = false;                // alternatives and profiles too
};

/// NaN in `standard_error`, `low` and `high` when there was no bootstrap, or none of its draws
/// moved the value.
struct Estimate {
  std::string name;
  double value;
  double standard_error;
  double low;
  double high;
};

/// Where starts of a search ended.
struct Basin {
  double objective = 0;
  int starts = 0;                     // that led here
  std::vector<double> values;         // of the law's parameters, in order
  std::vector<std::string> at_bound;  // those that sit at a bound
};

/// How the global search ended.
struct SearchSummary {
  int starts = 0;
  int reached_best = 0;   // starts that ended in the best optimum
  int basins = 0;         // different optima seen
  int lost = 0;           // starts that found no finite objective
  bool converged = true;  // gradient and step of the best are negligible
  double gradient_norm = 0;
  std::vector<Basin> best = {};  // the lowest basins, the optimum first; five at most
};

/// Values of every parameter in every bootstrap draw. Of a frontier a draw may have no solution: it
/// has no row; or none for the loss law: E, K and gamma are NaN.
struct Draws {
  std::vector<std::vector<double>> rows;
  /// The same in the law's coordinates, finite where a value (a scale at a tiny exponent) is not;
  /// empty for a frontier.
  std::vector<std::vector<double>> coordinates;
  std::size_t asked = 0;
  std::size_t clusters = 0;     // units drawn: points, groups, or curves
  std::size_t unconverged = 0;  // rows whose descent ended without a sharp optimum
  std::string of = "pairs";     // FitOptions::interval
};

/// The same law by another loss, with some of the highest losses left out, or with the outliers.
struct Alternative {
  std::string loss;  // "huber", "least squares", "least absolute deviations" on the law's scale,
                     // "least squares of losses" on that of the loss itself
  double huber_delta = 0;
  std::size_t left_out = 0;  // more points than the fit itself leaves out
  std::vector<double> parameters;
  std::vector<double> derived;
  std::size_t put_back = 0;  // outliers that the fit itself leaves out
};

/// How much worse the fit gets when one quantity is held elsewhere (profile.hpp).
struct LikelihoodProfile {
  std::string name;
  double level = 0;
  std::optional<double> low, high;  // empty: the points set no limit on that side
  std::vector<double> values;       // ascending, the optimum among them
  std::vector<double> deviance;     // twice the rise of the objective in units of its scale
};

/// How well the points separate the parameters (precision.hpp).
struct Precision {
  /// Largest over smallest eigenvalue of the normal matrix in the fit's coordinates, each scaled to
  /// unit length; NaN when there is none (frontiers).
  double condition_number = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::vector<double>> correlation;  // of the parameters' values
};

/// A fit on the points up to `size` (Growth), held against those above, or an even selection of
/// very many; misses are ln predicted - ln measured (of fractions: predicted - measured).
struct RolloutCut {
  double size = 0;
  std::size_t fitted = 0;
  std::size_t held_out = 0;   // points above
  std::size_t looked_at = 0;  // of them
  double rms_miss = 0;
  double mean_miss = 0;
};

/// How far the minima of IsoFLOP parabolas lie from what the fit gives there (parabolas.hpp):
/// ln(N* by the parabolas / N* by the fit) = level + slope h, h = ln(C / flops).
struct ParabolaShift {
  std::size_t budgets = 0;  // that have a minimum
  double flops = 0;         // of the largest of them
  double level = 0;
  double slope = 0;
  double level_variance = 0;
  double covariance = 0;
  double slope_variance = 0;

  double at(double flops) const;
  double variance_at(double flops) const;
};

/// What fits on smaller runs missed above them, and how wide that makes intervals
/// (calibration.hpp).
struct Rollout {
  Growth growth;
  std::vector<double> reach;  // largest of all points: of the size, then of the axes of `growth`
  std::vector<RolloutCut> cuts;
  double scale = 1;  // of the noise, and at most 0.7 of what the laws say of themselves
  double drift = 0;  // variance of ln loss at e times the largest size fitted, if misses of one
                     // sign go on
  double stray = 0;  // variance of ln N*, by the square of ln(C / largest C fitted) (stray.hpp)
  std::optional<ParabolaShift> parabolas = {};
  /// |miss| / standard deviation, ascending, of points above inner cuts whose intervals came from
  /// the points below alone; 101 quantiles of them where there are more.
  std::vector<double> nested_scores;
  std::size_t nested_points = 0;  // forecasts
  std::size_t nested_cuts = 0;

  std::size_t forecasts() const;  // points looked at, each counted above every cut below it
  /// How many different points above a cut were looked at: "412", "1950 of 97500".
  std::string describe_held_out() const;
  double rms_miss() const;  // mean over cuts of the squares; NaN without cuts
};

/// One law's part in the prediction. A fit of one law has one, a fit of "ensemble" several.
struct Member {
  std::string law;
  std::string variable;  // of a one-variable law, else empty
  double weight = 1;
  std::vector<double> values;  // of the law's parameters, in order
  double residual_rms = 0;
  double noise = 0;                      // what larger runs scatter by: Stage::noise
  double rollout_error = 0;              // rms miss over its cuts; NaN without rollouts
  std::vector<double> information;       // lower triangle of Stage::information, row by row
  std::vector<double> coordinates = {};  // of `values`; empty (made by hand): follow from them
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

/// What approach 2 misses on a noise-free surface at the same sizes, because a parabola is
/// symmetric and the surface is not: estimate / truth - 1.
struct ParabolaBias {
  double flops;     // where: the largest budget
  double params;    // of N*
  double tokens;    // of D*
  double exponent;  // a - its truth
  double alpha;     // of the surface, from approach 3
  double beta;
};

struct Fit {
  bool is_ensemble = false;  // of laws; `law` is then the heaviest
  std::string law;
  std::string method;
  std::string variable;  // of a one-variable law, else empty
  std::vector<Estimate> parameters;
  std::vector<Estimate> derived;
  std::vector<std::string> fixed;  // parameters that were not fitted
  double objective = 0;
  double huber_delta = 0;
  double level = 0.8;
  std::uint64_t seed = 0;
  SearchSummary search;
  std::size_t used = 0;
  std::vector<LeftOut> left_out;
  std::vector<std::string> names;  // of the points used, when they have names
  std::string source;
  Conventions conventions;           // of the points
  Range params, tokens, flops;       // of the points used; NaN where they have no such column
  Range response;                    // of what the law predicts
  std::map<Variable, Range> others;  // of what the law reads besides those three
  /// On the law's scale, corrected for the degrees of freedom; of approach 2 that of the runs about
  /// the parabola of their budget, of approach 1 none.
  double residual_rms = 0;
  Precision precision;
  std::vector<Alternative> alternatives;  // the fit's own loss first; empty: not asked for
  std::vector<LikelihoodProfile>
      profiles;  // of E and a; empty: not asked for, or no such parameter
  Rollout rollout;
  std::vector<Member> members;       // what predicts, largest weight first; of a frontier, L* alone
  std::vector<Budget> budgets;       // approach 2
  std::optional<ParabolaBias> bias;  // approach 2
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
  Draws draws;
  std::string version;  // of the isoflop that made the fit
  std::string commit;

  bool is_frontier() const { return method == "approach1" || method == "approach2"; }
  /// The values of `parameters`, in order.
  std::vector<double> values() const;
};

/// Whether points for `law`, a name or kEnsemble, count embeddings among params; an ensemble counts
/// all parameters for all of its laws. Throws InputError for an unknown law.
bool counts_embeddings(std::string_view law);
/// Whether the points of `fit` did: as they state it, else as its law does.
bool counts_embeddings(const Fit& fit);
/// Whether its points are whole training curves (Law::reads_curves).
bool reads_curves(std::string_view law);

/// The columns that `law`, a name or kEnsemble, cannot do without; an ensemble's laws that need
/// more than params, tokens and loss take part where the points have it. Throws InputError.
std::vector<Variable> columns_of(std::string_view law);
/// What it reads where the points have it and the user does not say otherwise.
std::vector<Variable> variables_of(std::string_view law);

/// Throws InputError for an unknown law or method, bad options, bad points and too few points (the
/// message says how many are needed). A one-variable law of flops without `variable` uses the only
/// one of params and tokens that varies, and flops when both or none do.
Fit fit(const Points& points, const FitOptions& options);

}  // namespace isoflop::laws
