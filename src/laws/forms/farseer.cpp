// Li et al. 2025 (Farseer, arXiv 2506.10972): Chinchilla whose floor, coefficient and
// exponent of D depend on N.
#include <algorithm>
#include <array>
#include <cmath>

#include "laws/law/law.hpp"

namespace isoflop::laws::forms {
namespace {

// Each of the three functions f(N) = s N^g + t is fitted by its value and its slope in ln N at
// kReference, and by g: s and t alone trade off without a limit.
constexpr double kReference = 1e8;
enum { kFloor = 0, kCoefficient = 3, kExponent = 6, kCount = 9 };  // of D^-exp(f)
enum { kValue, kSlope, kPower };

/// Coefficients of the series of (exp(z) - 1)/z and of its first two derivatives.
struct Series {
  static constexpr std::size_t kTerms = 16;  // enough for |z| <= 0.5
  std::array<double, kTerms> value{}, first{}, second{};
  constexpr Series() {
    double factorial = 1;  // of k + 1
    for (std::size_t k = 0; k < kTerms; ++k) {
      const auto n = static_cast<double>(k);
      factorial *= n + 1;
      value[k] = 1 / factorial;
      first[k] = (n + 1) / (factorial * (n + 2));
      second[k] = (n + 1) * (n + 2) / (factorial * (n + 2) * (n + 3));
    }
  }
};
constexpr Series kSeries;

double horner(const std::array<double, Series::kTerms>& coefficients, double z) {
  double sum = 0;
  for (std::size_t k = coefficients.size(); k-- > 0;) sum = sum * z + coefficients[k];
  return sum;
}

/// (exp(z) - 1)/z and its first two derivatives; a series near 0.
struct Growth {
  double value, first, second;
  explicit Growth(double z) {
    if (std::fabs(z) < 0.5) {
      value = horner(kSeries.value, z);
      first = horner(kSeries.first, z);
      second = horner(kSeries.second, z);
      return;
    }
    const double e = std::exp(z);
    value = std::expm1(z) / z;
    first = (e - value) / z;
    second = (e - 2 * first) / z;
  }
};

/// One of the three functions at u = ln(N / kReference): its value, the derivatives by its three
/// coordinates, and the second derivatives that do not vanish.
struct Part {
  double value;
  double gradient[3];
  double slope_power, power_power;

  Part(const double* t, double u) {
    const Growth growth(t[kPower] * u);
    value = t[kValue] + t[kSlope] * u * growth.value;
    gradient[kValue] = 1;
    gradient[kSlope] = u * growth.value;
    slope_power = u * u * growth.first;
    gradient[kPower] = t[kSlope] * slope_power;
    power_power = t[kSlope] * u * u * u * growth.second;
  }

  /// Adds `factor` times the second derivatives to the block at `first`.
  void add_curvature(int first, double factor, double* hessian) const {
    const auto at = [&](int row, int column) -> double& {
      return hessian[static_cast<std::size_t>(first + row) * kMaxParameters +
                     static_cast<std::size_t>(first + column)];
    };
    at(kPower, kSlope) += factor * slope_power;
    at(kPower, kPower) += factor * power_power;
  }
};

class Farseer final : public Law {
 public:
  Farseer() {
    name = "farseer";
    formula = "L(N,D) = exp(a3 N^g + b3) + exp(a2 N^b + b2) D^(-exp(a1 N^a + b1))";
    source = "Li et al. 2025 (Farseer, arXiv 2506.10972)";
    variables = {Variable::params, Variable::tokens};
    domain = {{1e7, 1e10}, {1e9, 1e12}};
    distinct_values = 4;
    counts_embeddings = false;
    parameters = {
        {"a3", "of the floor", "floor at N = 1e8", -0.021, -20, 20, "parameters^-g"},
        {"b3", "of the floor", "slope of the floor in ln N", 0.091, -20, 20, "ln(nats/token)"},
        {"g", "of the floor", "g", 0.169, -3, 3, "-"},
        {"a2", "of the coefficient of D", "coefficient at N = 1e8", 88.01, -50, 100,
         "parameters^-b"},
        {"b2", "of the coefficient of D", "its slope in ln N", -6.287, -20, 20, "ln(nats/token)"},
        {"b", "of the coefficient of D", "b", -0.1, -3, 3, "-"},
        {"a1", "of the exponent of D", "exponent at N = 1e8", -0.124, -10, 3, "parameters^-a"},
        {"b1", "of the exponent of D", "its slope in ln N", 0.424, -5, 5, "-"},
        {"a", "of the exponent of D", "a", 0.123, -3, 3, "-"}};
  }

  /// ln(e^A + e^B), A = f_floor, B = f_coefficient - e^f_exponent ln D.
  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    const double u = x[0] - std::log(kReference);
    const Part floor(theta + kFloor, u);
    const Part coefficient(theta + kCoefficient, u);
    const Part exponent(theta + kExponent, u);
    const double fall = std::exp(exponent.value) * x[1];
    const double difference = coefficient.value - fall - floor.value;  // B - A
    const double small = std::exp(-std::fabs(difference));
    const double value = std::max(floor.value, coefficient.value - fall) + std::log1p(small);
    if (gradient == nullptr) return value;

    const double share = (difference > 0 ? 1.0 : small) / (1 + small);  // of e^B
    double direction[kCount];                                           // gradient of B - A
    for (int i = 0; i < 3; ++i) {
      direction[kFloor + i] = -floor.gradient[i];
      direction[kCoefficient + i] = coefficient.gradient[i];
      direction[kExponent + i] = -fall * exponent.gradient[i];
      gradient[kFloor + i] = (1 - share) * floor.gradient[i];
    }
    for (int i = kCoefficient; i < kCount; ++i) gradient[i] = share * direction[i];
    if (hessian == nullptr) return value;

    const double both = share * (1 - share);
    for (std::size_t row = 0; row < kCount; ++row)
      for (std::size_t column = 0; column <= row; ++column)
        hessian[row * kMaxParameters + column] = both * direction[row] * direction[column];
    floor.add_curvature(kFloor, 1 - share, hessian);
    coefficient.add_curvature(kCoefficient, share, hessian);
    exponent.add_curvature(kExponent, -share * fall, hessian);
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t column = 0; column <= row; ++column)
        hessian[(kExponent + row) * kMaxParameters + kExponent + column] -=
            share * fall * exponent.gradient[row] * exponent.gradient[column];
    return value;
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    const auto n = static_cast<double>(samples.size());
    double log_tokens = 0;
    double y = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      log_tokens += samples.row(i)[1] / n;
      y += samples.y[i] / n;
    }
    std::vector<Vector> nodes;
    for (const double floor : {0.4, 0.8})  // share in the mean
      for (const double exponent : {0.2, 0.35, 0.6})
        for (const double exponent_slope : {-0.2, 0.0})
          for (const double bend : {-0.2, 0.2}) {
            const double log_coefficient = y + std::log(1 - floor) + exponent * log_tokens;
            // the second term keeps its size over N
            const double slope = exponent_slope * exponent * log_tokens;
            nodes.push_back({y + std::log(floor), -0.05, bend, log_coefficient, slope, bend,
                             std::log(exponent), exponent_slope, bend});
          }
    return nodes;
  }

  Vector values(const Vector& t) const override {
    Vector v{};
    for (const int first : {kFloor, kCoefficient, kExponent}) {
      const auto i = static_cast<std::size_t>(first);
      const double scaled = t[i + kSlope] / t[i + kPower];  // s kReference^g
      v[i] = scaled * std::pow(kReference, -t[i + kPower]);
      v[i + 1] = t[i + kValue] - scaled;
      v[i + 2] = t[i + kPower];
    }
    return v;
  }
  Vector coordinates(const Vector& v) const override {
    Vector t{};
    for (const int first : {kFloor, kCoefficient, kExponent}) {
      const auto i = static_cast<std::size_t>(first);
      const double scaled = v[i] * std::pow(kReference, v[i + 2]);
      t[i + kValue] = scaled + v[i + 1];
      t[i + kSlope] = scaled * v[i + 2];
      t[i + kPower] = v[i + 2];
    }
    return t;
  }
};

}  // namespace

Laws farseer() {
  static const Farseer law;
  return {&law};
}

}  // namespace isoflop::laws::forms
