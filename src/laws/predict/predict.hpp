// What a fit says about a run that was not measured.
//
// The loss is the mixture of the fit's members, by weight in ln loss. The interval is normal in ln
// loss with the mixture's variance, widened by what rollouts missed (calibration.hpp): scatter of
// the points, uncertainty of the parameters, disagreement of the laws, model error. A fit of the
// frontier (approaches 1 and 2) has the spread over its bootstrap draws instead. `covers` says what
// went in, and how much of what it claims such an interval held on the points themselves.
#pragma once

#include <map>
#include <optional>

#include "laws/fit/fit.hpp"
#include "laws/fit/interval.hpp"

namespace isoflop::laws {

/// How many times the largest fitted value is exceeded (below 1: inside), of a loss how many times
/// the run lies below the lowest; empty where unknown.
struct Extrapolation {
  std::optional<double> params;
  std::optional<double> tokens;
  std::optional<double> flops;
  std::map<Variable, std::optional<double>> others = {};  // of what else the law reads
};

struct Prediction {
  RunSize run;
  Variable response = Variable::loss;
  double value = 0;                  // of the response
  std::optional<Interval> interval;  // empty: the fit has no bootstrap draws
  double noise_variance = 0;  // part of the interval's that is a run's own, on the law's scale
  Extrapolation extrapolation;
  std::vector<std::string> warnings;
};

/// The response of a run: its loss, for most laws. A law in N and D that gets only flops predicts
/// for the compute-optimal N and D; with flops and one of the two, C = 6 N D gives the other. A
/// member of an ensemble that has no finite forecast there is left out with a warning; the interval
/// of a fraction ends at 0 and 1. Throws InputError for sizes that are not positive, contradict
/// each other or are not enough for the law, for a split of flops that the fit does not count as 6
/// N D, and when no member has a forecast.
Prediction predict(const Fit& fit, const RunSize& run, double level = 0.8);
Prediction predict(const Fit& fit, double params, double tokens, double level = 0.8);

}  // namespace isoflop::laws
