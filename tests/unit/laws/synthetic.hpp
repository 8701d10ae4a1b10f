// Noise-free points on the surface of a law, and fits made by hand.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "core/random.hpp"
#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws::synthetic {

inline const std::vector<double> kHoffmann = {std::exp(0.5267228), std::exp(6.0073404),
                                              std::exp(6.0179186), 0.33917084, 0.2849083};
inline const std::vector<double> kEpoch = {1.8172, 482.01, 2085.43, 0.3478, 0.3658};

inline Vector to_vector(const std::vector<double>& values) {
  Vector vector{};
  for (std::size_t i = 0; i < values.size(); ++i) vector[i] = values[i];
  return vector;
}

inline double loss(const Law& law, const std::vector<double>& values, std::vector<double> x) {
  for (double& value : x) value = std::log(value);
  const Vector theta = law.coordinates(to_vector(values));
  return std::exp(law.evaluate(x.data(), theta.data(), nullptr, nullptr));
}

/// Budgets 6e18..3e21, nine sizes from 1/8 to 8 times the optimum: the grid of Hoffmann et al.
inline Points isoflop_grid(const std::vector<double>& values) {
  const Law& law = find_law("chinchilla");
  Points points;
  for (int budget = 0; budget < 9; ++budget) {
    const double flops = 6e18 * std::pow(500.0, budget / 8.0);
    const double best = law.optimum(to_vector(values), flops)->params;
    for (int k = 0; k < 9; ++k) {
      const double params = best * std::pow(8.0, (k - 4) / 4.0);
      points.params.push_back(params);
      points.tokens.push_back(flops / (6 * params));
      points.flops.push_back(flops);
      points.loss.push_back(loss(law, values, {params, points.tokens.back()}));
    }
  }
  return points;
}

/// The grid with log-normal noise of `sigma`.
inline Points noisy_grid(const std::vector<double>& values, double sigma, std::uint64_t seed) {
  Points points = isoflop_grid(values);
  RandomStream stream(seed, Purpose::test);
  for (double& value : points.loss) {
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    value *= std::exp(sigma * radius * std::cos(6.283185307179586 * stream.next_uniform()));
  }
  return points;
}

/// The same points, the last first.
inline Points reversed(const Points& points) {
  std::vector<std::size_t> rows(points.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = rows.size() - 1 - i;
  return select(points, rows);
}

/// Every point twice, with half the weight.
inline Points halves(const Points& points) {
  std::vector<std::size_t> rows(2 * points.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i / 2;
  Points copies = select(points, rows);
  copies.weight.assign(copies.size(), 0.5);
  return copies;
}

/// ln y = A, which has no value above 10.
class Cliff final : public Law {
 public:
  Cliff() {
    name = "cliff";
    variables = {Variable::params};
    parameters = {{"A", "height", "A", 1, -50, 50}};
  }
  double evaluate(const double*, const double* theta, double* gradient,
                  double* hessian) const override {
    if (gradient != nullptr) gradient[0] = 1;
    if (hessian != nullptr) hessian[0] = 0;
    return theta[0] > 10 ? std::numeric_limits<double>::quiet_NaN() : theta[0];
  }
  std::vector<Vector> starts(const Samples&) const override { return {Vector{1}}; }
  Vector values(const Vector& theta) const override { return theta; }
  Vector coordinates(const Vector& values) const override { return values; }
};

/// Losses of 3 and nearly 3 at ten sizes.
inline Points level_points() {
  Points points;
  for (int i = 0; i < 10; ++i) {
    points.params.push_back(1e6 * (i + 1));
    points.loss.push_back(3 * std::exp(1e-4 * (i % 2 == 0 ? i : -i - 1)));
  }
  return points;
}

/// A fit as if read from a file, without draws.
inline Fit fit_of(std::string law, const std::vector<double>& values) {
  Fit fit;
  fit.law = law;
  fit.method = law == "chinchilla" ? "approach3" : "huber";
  const std::vector<ParameterInfo>& parameters = find_law(law).parameters;
  for (std::size_t i = 0; i < values.size(); ++i)
    fit.parameters.push_back({std::string(parameters[i].name), values[i], 0, 0, 0});
  Member member;
  member.law = law;
  member.values = values;
  for (std::size_t row = 0; row < values.size(); ++row)  // the unit matrix
    for (std::size_t k = 0; k <= row; ++k) member.information.push_back(row == k ? 1 : 0);
  fit.members = {member};
  fit.params = {1e6, 1e9};
  fit.tokens = {1e8, 1e11};
  fit.flops = {1e15, 1e21};
  return fit;
}

}  // namespace isoflop::laws::synthetic
