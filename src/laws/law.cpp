#include "laws/law.hpp"

#include <cmath>

#include "core/error.hpp"
#include "core/nearest.hpp"

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

}  // namespace

std::vector<NamedValue> Law::derived(const Vector&) const { return {}; }

std::optional<Allocation> Law::optimum(const Vector& values, double flops) const {
  if (variables != std::vector<Variable>{Variable::params, Variable::tokens}) return std::nullopt;
  const Vector theta = coordinates(values);
  const double log_product = std::log(flops / 6);
  const auto loss_at = [&](double log_params) {
    const double x[2] = {log_params, log_product - log_params};
    return log_loss(x, theta.data(), nullptr, nullptr);
  };
  const double log_params = golden_section(loss_at, 0.0, log_product);
  return Allocation{std::exp(log_params), std::exp(log_product - log_params)};
}

const Law& find_law(std::string_view name) {
  std::vector<std::string> known;
  for (const Law* law : all_laws()) {
    if (law->name == name) return *law;
    known.emplace_back(law->name);
  }
  throw InputError(fmt::format("law: '{}' is unknown, did you mean '{}'? Known: {}", name,
                               nearest(name, known), fmt::join(known, ", ")));
}

Samples make_samples(const Points& prepared, std::span<const Variable> variables) {
  Samples samples;
  samples.width = variables.size();
  samples.weight = prepared.weight;
  for (std::size_t row = 0; row < prepared.size(); ++row) {
    for (const Variable variable : variables)
      samples.x.push_back(std::log(column(prepared, variable)[row]));
    samples.y.push_back(std::log(prepared.loss[row]));
  }
  return samples;
}

}  // namespace isoflop::laws
