// Training curves: what laws of whole curves read, and how they predict the curve of a schedule.
//
// The points of one group (all points where there are no groups) are one curve. Between two
// recorded steps the learning rate is that of the later one, so curves may be thinned; the first
// record should be near the first step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "laws/fit.hpp"
#include "laws/predict.hpp"

namespace isoflop::laws {

/// Positions in the points of one curve, by step.
using Curve = std::vector<std::size_t>;

/// Curves in the order of their first points. Throws InputError for a step that a curve has twice.
std::vector<Curve> split_curves(const Points& points);

/// The curve that each point belongs to, as a name: never empty, unlike a group.
std::vector<std::string> curve_names(const Points& points);

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
