#include "laws/law/law.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "laws/numerics/root.hpp"

namespace isoflop::laws {
namespace {

/// Minimum of a unimodal function by golden section.
template <class F>
double golden_section(F&& f, double low, double high) {
  constexpr double kRatio = 0.6180339887498949;
  double inner_low = high - kRatio * (high - low);
  double inner_high = low + kRatio * (high - low);
  double f_low = f(inner_low);
  double f_high = f(inner_high);
  while (high - low > 1e-10) {
    if (f_low < f_high) {
      high = inner_high;
      inner_high = inner_low;
      f_high = f_low;
      inner_low = high - kRatio * (high - low);
      f_low = f(inner_low);
    } else {
      low = inner_low;
      inner_low = inner_high;
      f_low = f_high;
      inner_high = low + kRatio * (high - low);
      f_high = f(inner_high);
    }
  }
  return 0.5 * (low + high);
}

/// Null if there is none.
const Law* law_called(std::string_view name) {
  const auto found = std::ranges::find(all_laws(), name, [](const Law* law) { return law->name; });
  return found == all_laws().end() ? nullptr : *found;
}

std::vector<std::string> names_of_laws() {
  std::vector<std::string> names;
  for (const Law* law : all_laws()) names.emplace_back(law->name);
  return names;
}

/// `what` describes the last of the names.
[[noreturn]] void refuse_name(std::string_view name, const std::vector<std::string>& known,
                              std::string_view what) {
  throw InputError(fmt::format("law: '{}' is unknown, did you mean '{}'? Known: {}{}", name,
                               nearest(name, known), fmt::join(known, ", "), what));
}

/// `count` values from low to high, evenly in the logarithm.
std::vector<double> log_spaced(const Range& range, std::size_t count) {
  std::vector<double> values;
  for (std::size_t k = 0; k < count; ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(count - 1);
    values.push_back(range.low * std::pow(range.high / range.low, share));
  }
  return values;
}

}  // namespace

std::size_t Law::free_parameters() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(parameters, [](const auto& one) { return !one.is_fixed(); }));
}

double Law::to_scale(double response) const {
  return scale == Scale::log ? std::log(response) : response;
}

double Law::from_scale(double scaled) const {
  return scale == Scale::log ? std::exp(scaled) : scaled;
}

std::vector<Variable> Law::columns() const {
  if (any_variable) return {response};
  std::vector<Variable> columns = variables;
  columns.push_back(response);
  return columns;
}

std::vector<Vector> Law::projected_starts(const Samples&) const { return {}; }

Samples Law::rows(const Points& prepared, std::span<const Variable> read) const {
  return make_samples(*this, prepared, read);
}

Samples Law::along(const Points&, std::size_t) const { return {}; }

Points Law::example() const {
  constexpr std::size_t kNodes[] = {64, 9, 7};  // of each axis in 1, 2 or 3 variables
  std::vector<std::vector<double>> axes;
  for (const Range& range : domain) axes.push_back(log_spaced(range, kNodes[domain.size() - 1]));
  const Vector theta = coordinates(example_values(*this));
  Points points;
  for (const Vector& node : grid(axes)) {
    std::vector<double> x(variables.size() + extra_columns, 0.0);
    for (std::size_t k = 0; k < variables.size(); ++k) {
      quantity(points, variables[k]).push_back(node[k]);
      x[k] = std::log(node[k]);
    }
    quantity(points, response)
        .push_back(from_scale(evaluate(x.data(), theta.data(), nullptr, nullptr)));
  }
  return points;
}

std::vector<NamedValue> Law::derived(const Vector&) const { return {}; }

std::optional<Allocation> Law::optimum(const Vector& values, double flops) const {
  if (variables != std::vector<Variable>{Variable::params, Variable::tokens} ||
      response != Variable::loss)
    return std::nullopt;
  const Vector theta = coordinates(values);
  const double log_product = std::log(flops / 6);
  const auto loss_at = [&](double log_params) {
    const double x[2] = {log_params, log_product - log_params};
    return evaluate(x, theta.data(), nullptr, nullptr);
  };
  constexpr int kNodes = 64;
  const double step = log_product / kNodes;
  std::vector<double> losses;
  for (int k = 0; k <= kNodes; ++k) losses.push_back(loss_at(k * step));
  const int lowest =
      static_cast<int>(lowest_inside(losses, [&](std::size_t k) { return losses[k]; }, false));
  const double log_params =
      golden_section(loss_at, std::max(lowest - 1, 0) * step, std::min(lowest + 1, kNodes) * step);
  return Allocation{std::exp(log_params), std::exp(log_product - log_params)};
}

const Law& find_law(std::string_view name) {
  if (const Law* law = law_called(name)) return *law;
  refuse_name(name, names_of_laws(), "");
}

const Law* find_law_or_ensemble(std::string_view name) {
  if (name == kEnsemble) return nullptr;
  if (const Law* law = law_called(name)) return law;
  std::vector<std::string> known = names_of_laws();
  known.emplace_back(kEnsemble);
  refuse_name(name, known, " of all that suit the points");
}

Vector example_values(const Law& law) {
  Vector values{};
  for (std::size_t i = 0; i < law.size(); ++i) values[i] = law.parameters[i].example;
  return values;
}

Samples make_samples(const Law& law, const Points& prepared, std::span<const Variable> variables) {
  const std::vector<double>& response = column(prepared, law.response);
  Samples samples;
  samples.width = variables.size() + law.extra_columns;
  samples.weight = prepared.weight;
  for (std::size_t row = 0; row < prepared.size(); ++row) {
    const auto require_logarithm = [&](Variable variable, double value) {
      require(value > 0,
              "{}: saw a {} of 0, the law is fitted to its logarithm: correct or remove the point",
              prepared.name.empty() ? "points" : prepared.name[row], to_string(variable));
    };
    for (const Variable variable : variables) {
      require_logarithm(variable, column(prepared, variable)[row]);
      samples.x.push_back(std::log(column(prepared, variable)[row]));
    }
    samples.x.resize((row + 1) * samples.width, 0.0);
    if (law.scale == Scale::log) require_logarithm(law.response, response[row]);
    samples.y.push_back(law.to_scale(response[row]));
    samples.point.push_back(row);
  }
  return samples;
}

std::vector<Vector> grid(std::span<const std::vector<double>> axes) {
  std::vector<Vector> nodes(1, Vector{});
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    std::vector<Vector> extended;
    for (const Vector& node : nodes)
      for (const double value : axes[axis]) {
        extended.push_back(node);
        extended.back()[axis] = value;
      }
    nodes = std::move(extended);
  }
  return nodes;
}

}  // namespace isoflop::laws
