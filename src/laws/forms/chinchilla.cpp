// Hoffmann et al. 2022 (arXiv 2203.15556), equation 2, with the starting grid of approach 3.
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kE, kA, kB, kAlpha, kBeta };

class Chinchilla final : public PowerSumLaw {
 public:
  Chinchilla() {
    name = "chinchilla";
    formula = "L(N,D) = E + A/N^alpha + B/D^beta";
    source = "Hoffmann et al. 2022, equation 2";
    variables = {Variable::params, Variable::tokens};
    domain = {{1e7, 1e10}, {1e9, 1e12}};
    parameters = {{"E", "irreducible loss, nats/token", "ln E", 1.8172, -14, 5, "nats/token"},
                  {"A", "nats/token at N = 1", "ln A", 482.01, -20, 200, "nats/token"},
                  {"B", "nats/token at D = 1", "ln B", 2085.43, -20, 200, "nats/token"},
                  {"alpha", "exponent of N", "alpha", 0.3478, 0, 10, "-"},
                  {"beta", "exponent of D", "beta", 0.3658, 0, 10, "-"}};
    set_terms({{kE}, {kA, kAlpha, 0}, {kB, kBeta, 1}});
  }

  /// The 4,500 starts of approach 3.
  std::vector<Vector> starts(const Samples&) const override {
    const std::vector<double> exponents = {0, 0.5, 1, 1.5, 2};
    const std::vector<double> coefficients = {0, 5, 10, 15, 20, 25};
    return grid(std::vector<std::vector<double>>{
        {-1, -0.5, 0, 0.5, 1}, coefficients, coefficients, exponents, exponents});
  }

  Vector values(const Vector& theta) const override {
    return {std::exp(theta[kE]), std::exp(theta[kA]), std::exp(theta[kB]), theta[kAlpha],
            theta[kBeta]};
  }
  Vector coordinates(const Vector& v) const override {
    return {std::log(v[kE]), std::log(v[kA]), std::log(v[kB]), v[kAlpha], v[kBeta]};
  }

  /// N* = G (C/6)^a, D* = (C/6)^b / G.
  std::vector<NamedValue> derived(const Vector& v) const override {
    const double sum = v[kAlpha] + v[kBeta];
    const double ratio = (v[kAlpha] * v[kA]) / (v[kBeta] * v[kB]);
    return {{"a", v[kBeta] / sum}, {"b", v[kAlpha] / sum}, {"G", std::pow(ratio, 1 / sum)}};
  }
  std::optional<Allocation> optimum(const Vector& v, double flops) const override {
    const std::vector<NamedValue> d = derived(v);
    const double product = flops / 6;
    return Allocation{d[2].value * std::pow(product, d[0].value),
                      std::pow(product, d[1].value) / d[2].value};
  }
};

}  // namespace

Laws chinchilla() {
  static const Chinchilla law;
  return {&law};
}

}  // namespace isoflop::laws::forms
