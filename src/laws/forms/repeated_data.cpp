// Muennighoff et al. 2023 (arXiv 2305.16264), section 3: Chinchilla for data seen several times.
#include <algorithm>
#include <array>
#include <cmath>

#include "laws/law/law.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kE, kA, kB, kAlpha, kBeta, kRepeatD, kRepeatN, kCount };

/// ln of U + U R* (1 - exp(-R/R*)) for R = x/U - 1 >= 0: what x repeats of U are worth; and its
/// derivatives by u = ln U and r = ln R*.
struct Worth {
  double value = 0;
  double by_u = 0, by_r = 0;
  double u_u = 0, u_r = 0, r_r = 0;

  Worth(double log_x, double u, double r) {
    constexpr double kMany = 1e3;  // R/R*, from where on exp(-R/R*) is 0
    const double scale = std::exp(r);
    const double q = std::min(std::expm1(log_x - u) / scale, kMany);
    const double rest = scale * std::exp(-q);
    const double z = -scale * std::expm1(-q);
    const double q_u = -(q + 1 / scale);
    value = u + std::log1p(z);
    const double z_u = rest * q_u / (1 + z);
    const double z_r = (z - rest * q) / (1 + z);
    by_u = 1 + z_u;
    by_r = z_r;
    u_u = -z_u * (1 + q_u) - z_u * z_u;
    u_r = z_u * q - z_u * z_r;
    r_r = z_r - rest * q * q / (1 + z) - z_r * z_r;
  }
  /// What is not repeated.
  explicit Worth(double log_x) : value(log_x) {}
};

/// A term of the loss, its logarithm with derivatives by every parameter.
struct LogTerm {
  double value = 0;
  std::array<double, kCount> gradient{};
  std::array<std::array<double, kCount>, kCount> hessian{};  // column <= row
};

/// ln(B / D'^beta)
LogTerm term_of_data(const double* x, const double* theta, double log_unique) {
  const Worth data(x[1], log_unique, theta[kRepeatD]);
  LogTerm term{theta[kB] - theta[kBeta] * data.value};
  term.gradient[kB] = 1;
  term.gradient[kBeta] = -data.value;
  term.gradient[kRepeatD] = -theta[kBeta] * data.by_r;
  term.hessian[kRepeatD][kBeta] = -data.by_r;
  term.hessian[kRepeatD][kRepeatD] = -theta[kBeta] * data.r_r;
  return term;
}

/// ln(A / N'^alpha)
LogTerm term_of_params(const double* x, const double* theta, double log_unique) {
  constexpr std::array kOfBest = {kA, kB, kAlpha, kBeta};
  const double alpha = theta[kAlpha];
  const double beta = theta[kBeta];
  // ln N*(U): the size that Chinchilla's optimum gives U tokens
  const double best = (std::log(alpha / beta) + theta[kA] - theta[kB] + beta * log_unique) / alpha;
  const Worth params = best < x[0] ? Worth(x[0], best, theta[kRepeatN]) : Worth(x[0]);
  LogTerm term{theta[kA] - alpha * params.value};
  std::array<double, kCount> slope{};  // of best
  slope[kA] = 1 / alpha;
  slope[kB] = -1 / alpha;
  slope[kAlpha] = (1 / alpha - best) / alpha;
  slope[kBeta] = (log_unique - 1 / beta) / alpha;
  for (const std::size_t i : kOfBest) {
    term.gradient[i] = -alpha * params.by_u * slope[i];
    term.hessian[kRepeatN][i] = -alpha * params.u_r * slope[i];
    for (const std::size_t k : kOfBest)
      if (k <= i) term.hessian[i][k] = -alpha * params.u_u * slope[i] * slope[k];
  }
  term.gradient[kA] += 1;
  term.gradient[kAlpha] -= params.value;
  term.gradient[kRepeatN] = -alpha * params.by_r;
  // of the product alpha N*, which is linear but for ln alpha and ln beta
  term.hessian[kAlpha][kAlpha] += params.by_u / (alpha * alpha);
  term.hessian[kBeta][kBeta] -= params.by_u / (beta * beta);
  term.hessian[kRepeatN][kAlpha] -= params.by_r;
  term.hessian[kRepeatN][kRepeatN] = -alpha * params.r_r;
  return term;
}

class RepeatedData final : public Law {
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
        {"E", "irreducible loss, nats/token", "ln E", 1.87, -14, 5, "nats/token"},
        {"A", "nats/token at N' = 1", "ln A", 521, -20, 100, "nats/token"},
        {"B", "nats/token at D' = 1", "ln B", 1488, -20, 100, "nats/token"},
        {"alpha", "exponent of N'", "alpha", 0.353, 1e-3, 5, "-"},
        {"beta", "exponent of D'", "beta", 0.353, 1e-3, 5, "-"},
        {"RD", "repeats after which data is worth little more", "ln RD", 15.387756, -7, 9, "-"},
        {"RN", "the same for parameters beyond N*(U)", "ln RN", 5.309743, -7, 9, "-"}};
  }

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    const double log_unique = std::min(x[1], x[2]);
    const LogTerm data = term_of_data(x, theta, log_unique);
    const LogTerm params = term_of_params(x, theta, log_unique);
    const double largest = std::max({theta[kE], data.value, params.value});
    double floor = std::exp(theta[kE] - largest);
    double of_data = std::exp(data.value - largest);
    double of_params = std::exp(params.value - largest);
    const double sum = floor + of_data + of_params;
    const double value = largest + std::log(sum);
    if (gradient == nullptr) return value;
    of_data /= sum;  // shares of the loss
    of_params /= sum;
    floor /= sum;
    for (std::size_t i = 0; i < kCount; ++i)
      gradient[i] = of_data * data.gradient[i] + of_params * params.gradient[i];
    gradient[kE] = floor;
    if (hessian == nullptr) return value;
    for (std::size_t i = 0; i < kCount; ++i)
      for (std::size_t k = 0; k <= i; ++k)
        hessian[i * kMaxParameters + k] =
            of_data * (data.hessian[i][k] + data.gradient[i] * data.gradient[k]) +
            of_params * (params.hessian[i][k] + params.gradient[i] * params.gradient[k]) -
            gradient[i] * gradient[k];
    hessian[kE * kMaxParameters + kE] += floor;
    return value;
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
