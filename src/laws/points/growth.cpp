#include "laws/points/growth.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace isoflop::laws {
namespace {

constexpr double kLossPower = 10;

double size_by(Variable variable, double value) {
  return falls_with_size(variable) ? std::pow(value, -kLossPower) : value;
}

template <class Value>
std::vector<double> extent_by(const Growth& growth, const Value& value) {
  std::vector<double> extent = {1};
  for (const Variable factor : growth.factors) extent.front() *= size_by(factor, value(factor));
  for (const Variable axis : growth.axes) extent.push_back(size_by(axis, value(axis)));
  return extent;
}

}  // namespace

bool falls_with_size(Variable variable) {
  return variable == Variable::loss || variable == Variable::task_loss;
}

Growth growth_of(const Points& prepared, std::span<const Variable> variables) {
  const std::vector<Variable> read(variables.begin(), variables.end());
  if (read.size() == 1) return {read, {}};
  if (!prepared.flops.empty()) return growth_in_compute(prepared);
  return {read, read};
}

Growth growth_in_compute(const Points& prepared) {
  Growth growth{{Variable::flops}, {}};
  for (const Variable axis : {Variable::params, Variable::tokens})
    if (!column(prepared, axis).empty()) growth.axes.push_back(axis);
  return growth;
}

std::vector<double> extent_of(const Growth& growth, const Points& points, std::size_t row) {
  return extent_by(growth, [&](Variable variable) { return column(points, variable)[row]; });
}

std::vector<double> extent_of(const Growth& growth, const RunSize& run) {
  return extent_by(growth, [&](Variable variable) {
    return quantity(run, variable).value_or(std::numeric_limits<double>::quiet_NaN());
  });
}

void stretch(std::vector<double>& reach, const std::vector<double>& extent) {
  reach.resize(extent.size(), 0.0);
  for (std::size_t k = 0; k < extent.size(); ++k) reach[k] = std::max(reach[k], extent[k]);
}

double distance_beyond(const std::vector<double>& reach, const std::vector<double>& extent) {
  double distance = -std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < std::min(reach.size(), extent.size()); ++k)
    distance = std::fmax(distance, std::log(extent[k] / reach[k]));  // NaN: not known
  return distance;
}

std::string describe(const Growth& growth) {
  if (growth.factors == std::vector{Variable::flops}) return "compute";
  std::vector<std::string_view> names;
  for (const Variable factor : growth.factors) names.push_back(to_string(factor));
  return fmt::format("{}", fmt::join(names, " x "));
}

}  // namespace isoflop::laws
