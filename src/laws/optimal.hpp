// The best use of a budget, by a fit.
#pragma once

#include <optional>

#include "laws/predict.hpp"

namespace isoflop::laws {

struct Optimum {
  double flops = 0;
  double params = 0;
  double tokens = 0;
  Prediction prediction;  // at params and tokens
  /// Over the bootstrap draws; empty without draws.
  std::optional<Interval> params_interval;
  std::optional<Interval> tokens_interval;
};

/// The allocation of lowest loss for C = 6 N D. Throws InputError for a law without a trade-off of
/// N and D.
Optimum optimal(const Fit& fit, double flops, double level = 0.8);

}  // namespace isoflop::laws
