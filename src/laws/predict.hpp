// What a fit says about a run that was not measured.
//
// An interval combines, as independent parts on the law's scale (ln loss): the spread of the
// prediction over the bootstrap draws, the scatter of the points around the fit, and, beyond the
// fitted compute, the growth of the misses that refits on small compute made at larger compute
// (Rollout::growth). `covers` says which parts went in.
#pragma once

#include <optional>

#include "laws/fit.hpp"

namespace isoflop::laws {

/// What is known of the run; flops default to 6 params tokens.
using RunSize = Quantities<std::optional<double>>;

struct Interval {
  double level = 0;
  double low = 0;
  double high = 0;
  std::string covers;
};

/// How many times the largest fitted value is exceeded (below 1: inside); empty where unknown.
struct Extrapolation {
  std::optional<double> params;
  std::optional<double> tokens;
  std::optional<double> flops;
};

struct Prediction {
  RunSize run;
  Variable response = Variable::loss;
  double value = 0;                  // of the response
  std::optional<Interval> interval;  // empty: the fit has no bootstrap draws
  Extrapolation extrapolation;
};

/// The response of a run: its loss, for most laws. A law in N and D that gets only flops predicts
/// for the compute-optimal N and D. Throws InputError for sizes that are not positive or not enough
/// for the law.
Prediction predict(const Fit& fit, const RunSize& run, double level = 0.8);
Prediction predict(const Fit& fit, double params, double tokens, double level = 0.8);

}  // namespace isoflop::laws
