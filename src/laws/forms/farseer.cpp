// Li et al. 2025 (Farseer, arXiv 2506.10972): Chinchilla whose floor, coefficient and
// exponent of D depend on N.
#include <cmath>

#include "laws/formula_law.hpp"

namespace isoflop::laws::forms {
namespace {

// Each of the three functions f(N) = s N^g + t is fitted by its value and its slope in ln N at
// kReference, and by g: s and t alone trade off without a limit.
constexpr double kReference = 1e8;
enum { kFloor = 0, kCoefficient = 3, kExponent = 6, kCount = 9 };  // of D^-exp(f)
enum { kValue, kSlope, kPower };

/// (exp(z) - 1)/z and its first two derivatives; a series near 0.
struct Growth {
  double value, first, second;
  explicit Growth(double z) {
    if (std::fabs(z) < 0.5) {
      value = first = second = 0;
      double term = 1;  // z^k / (k + 1)! and its derivatives, from the highest power down
      constexpr int kTerms = 18;
      double factorial[kTerms + 2] = {1};
      for (int k = 1; k < kTerms + 2; ++k) factorial[k] = factorial[k - 1] * k;
      for (int k = 0; k < kTerms; ++k, term *= z) {
        value += term / factorial[k + 1];
        if (k + 1 < kTerms) first += (k + 1) * term / factorial[k + 2];
      }
      term = 1;
      for (int k = 0; k + 2 < kTerms; ++k, term *= z)
        second += (k + 2) * (k + 1) * term / factorial[k + 3];
      return;
    }
    const double e = std::exp(z);
    value = std::expm1(z) / z;
    first = (e - value) / z;
    second = (e - 2 * first) / z;
  }
};

double growth(double z) { return Growth(z).value; }
template <std::size_t N, bool Second>
Jet<N, Second> growth(const Jet<N, Second>& z) {
  const Growth g(z.value);
  return z.chain(g.value, g.first, g.second);
}

class Farseer final : public FormulaLaw<Farseer, kCount> {
 public:
  Farseer() {
    name = "farseer";
    formula = "L(N,D) = exp(a3 N^g + b3) + exp(a2 N^b + b2) D^(-exp(a1 N^a + b1))";
    source = "Li et al. 2025 (Farseer, arXiv 2506.10972)";
    variables = {Variable::params, Variable::tokens};
    domain = {{1e7, 1e10}, {1e9, 1e12}};
    distinct_values = 4;
    counts_embeddings = false;
    parameters = {{"a3", "of the floor", "floor at N = 1e8", -0.021, -20, 20},
                  {"b3", "of the floor", "slope of the floor in ln N", 0.091, -20, 20},
                  {"g", "of the floor", "g", 0.169, -3, 3},
                  {"a2", "of the coefficient of D", "coefficient at N = 1e8", 88.01, -50, 100},
                  {"b2", "of the coefficient of D", "its slope in ln N", -6.287, -20, 20},
                  {"b", "of the coefficient of D", "b", -0.1, -3, 3},
                  {"a1", "of the exponent of D", "exponent at N = 1e8", -0.124, -10, 3},
                  {"b1", "of the exponent of D", "its slope in ln N", 0.424, -5, 5},
                  {"a", "of the exponent of D", "a", 0.123, -3, 3}};
  }

  template <class T>
  static T compute(const double* x, const T* theta) {
    using std::exp;
    const double u = x[0] - std::log(kReference);
    const auto at = [&](int first) -> T {
      return theta[first + kValue] + theta[first + kSlope] * u * growth(theta[first + kPower] * u);
    };
    return log_sum_exp<T>(at(kFloor), at(kCoefficient) - exp(at(kExponent)) * x[1]);
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
