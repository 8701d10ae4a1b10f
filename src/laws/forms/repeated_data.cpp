// Muennighoff et al. 2023 (arXiv 2305.16264), section 3: Chinchilla for data seen several times.
#include <algorithm>
#include <cmath>

#include "laws/formula_law.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kE, kA, kB, kAlpha, kBeta, kRepeatD, kRepeatN, kCount };

/// ln of U + U R* (1 - exp(-R/R*)) for R = x/U - 1 >= 0: what x repeats of U are worth.
template <class T, class Log>
T effective(const Log& log_x, const Log& log_unique, const T& log_repeat) {
  using std::exp, std::expm1, std::log1p;
  const T repeats = expm1(log_x - log_unique) * exp(-log_repeat);
  return log_unique + log1p(exp(log_repeat) * -expm1(-repeats));
}

class RepeatedData final : public FormulaLaw<RepeatedData, kCount> {
 public:
  RepeatedData() {
    name = "repeated-data";
    formula =
        "L(N,D,U) = E + A/N'^alpha + B/D'^beta, D' = U + U RD (1 - exp(-(D/U - 1)/RD)), N' alike "
        "with RN and U_N = min(N, N*(U))";
    source = "Muennighoff et al. 2023, section 3";
    variables = {Variable::params, Variable::tokens, Variable::unique_tokens};
    domain = {{1e7, 1e10}, {1e9, 1e12}, {2e8, 2e11}};
    parameters = {
        {"E", "irreducible loss, nats/token", "ln E", 1.87, -14, 5},
        {"A", "nats/token at N' = 1", "ln A", 521, -20, 100},
        {"B", "nats/token at D' = 1", "ln B", 1488, -20, 100},
        {"alpha", "exponent of N'", "alpha", 0.353, 1e-3, 5},
        {"beta", "exponent of D'", "beta", 0.353, 1e-3, 5},
        {"RD", "repeats after which data is worth little more", "ln RD", 15.387756, -7, 9},
        {"RN", "the same for parameters beyond N*(U)", "ln RN", 5.309743, -7, 9}};
  }

  template <class T>
  static T compute(const double* x, const T* theta) {
    using std::log;
    const double log_unique = std::min(x[1], x[2]);
    const T data = effective<T>(x[1], log_unique, theta[kRepeatD]);
    // N*(U): the size that Chinchilla's optimum gives U tokens
    const T log_g = (log(theta[kAlpha]) + theta[kA] - log(theta[kBeta]) - theta[kB]) /
                    (theta[kAlpha] + theta[kBeta]);
    const T best = log_g + (log_g + log_unique) * (theta[kBeta] / theta[kAlpha]);
    const T params = value_of(best) < x[0] ? effective<T>(T(x[0]), best, theta[kRepeatN]) : T(x[0]);
    const T of_params = theta[kA] - theta[kAlpha] * params;
    const T of_data = theta[kB] - theta[kBeta] * data;
    return log_sum_exp<T>(theta[kE], log_sum_exp<T>(of_params, of_data));
  }

  /// No run reads more different tokens than tokens.
  Points example() const override {
    Points points = Law::example();
    for (std::size_t i = 0; i < points.size(); ++i)
      points.unique_tokens[i] = std::min(points.unique_tokens[i], points.tokens[i]);
    return points;
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    const auto n = static_cast<double>(samples.size());
    double mean[4] = {};
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double* x = samples.row(i);
      mean[0] += x[0] / n;
      mean[1] += std::min(x[1], x[2] + 1.5) / n;  // some five epochs' worth at most
      mean[2] += samples.y[i] / n;
    }
    std::vector<Vector> nodes;
    for (const double alpha : {0.25, 0.5})
      for (const double beta : {0.25, 0.5})
        for (const double floor : {0.4, 0.8})        // share of E in the mean
          for (const double repeats : {1.0, 3.0}) {  // ln of RD and RN
            const double rest = mean[2] + std::log(0.5 * (1 - floor));
            nodes.push_back({mean[2] + std::log(floor), rest + alpha * mean[0],
                             rest + beta * mean[1], alpha, beta, repeats, repeats});
          }
    return nodes;
  }
  Vector values(const Vector& t) const override {
    return {std::exp(t[kE]), std::exp(t[kA]),       std::exp(t[kB]),      t[kAlpha],
            t[kBeta],        std::exp(t[kRepeatD]), std::exp(t[kRepeatN])};
  }
  Vector coordinates(const Vector& v) const override {
    return {std::log(v[kE]), std::log(v[kA]),       std::log(v[kB]),      v[kAlpha],
            v[kBeta],        std::log(v[kRepeatD]), std::log(v[kRepeatN])};
  }
};

}  // namespace

Laws repeated_data() {
  static const RepeatedData law;
  return {&law};
}

}  // namespace isoflop::laws::forms
