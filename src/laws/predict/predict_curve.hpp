// The training curve of a schedule, by a law of whole curves.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/fit/interval.hpp"

namespace isoflop::laws {

struct CurvePoint {
  double step = 0;
  double learning_rate = 0;
  double loss = 0;
  std::optional<Interval> interval;
};

/// The loss along a schedule (columns steps and learning_rate, one curve), from its largest
/// learning rate on: at most 1000 steps, evenly spread, the last included. Throws InputError for a
/// fit of a law that does not read curves.
std::vector<CurvePoint> predict_curve(const Fit& fit, const Points& schedule, double level = 0.8);

/// A table of some twenty steps, and all of them as JSON.
std::string describe(const Fit& fit, const std::vector<CurvePoint>& curve);
std::string to_json(const std::vector<CurvePoint>& curve);

}  // namespace isoflop::laws
