// Caballero et al. 2022 (arXiv 2210.14891), equation 1: a power law whose exponent changes at k
// breaks (BNSL).
#include <algorithm>
#include <cmath>

#include "laws/formula_law.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kA, kB, kC0, kBreaks };  // then, for each break:
enum { kC, kD, kF, kPerBreak };
constexpr std::size_t kMostBreaks = 3;  // what kMaxParameters has room for

struct BreakNames {
  std::string_view c, d, f;
};
constexpr BreakNames kNames[kMostBreaks] = {
    {"c1", "d1", "f1"}, {"c2", "d2", "f2"}, {"c3", "d3", "f3"}};

constexpr std::string_view kLawNames[kMostBreaks] = {"broken-power-1", "broken-power-2",
                                                     "broken-power-3"};

/// Theta holds the distance of each break from the one before, so that breaks stay in order.
template <std::size_t K>
class BrokenPower final : public FormulaLaw<BrokenPower<K>, kBreaks + K * kPerBreak> {
 public:
  BrokenPower() {
    this->name = kLawNames[K - 1];
    this->formula = "L(X) = a + b X^-c0 prod_i (1 + (X/d_i)^(1/f_i))^(-c_i f_i)";
    this->source = "Caballero et al. 2022, equation 1";
    this->variables = {Variable::flops};
    this->domain = {{1e14, 1e14 * std::pow(1e5, K + 1)}};
    this->any_variable = true;
    this->distinct_values = kBreaks + K * kPerBreak;
    this->parameters = {{"a", "limit of the loss, nats/token", "ln a", 1.2, -14, 5},
                        {"b", "nats/token at X = 1, before the breaks", "ln b", 20, -50, 100},
                        {"c0", "exponent before the first break", "c0", 0.06, -2, 5}};
    constexpr double kChange[] = {0.08, -0.06, 0.09};
    constexpr double kBreak[] = {1e19, 1e24, 1e29};
    constexpr double kWidth[] = {0.6, 0.9, 0.7};
    for (std::size_t i = 0; i < K; ++i) {
      const auto& [c, d, f] = kNames[i];
      this->parameters.push_back({c, "change of the exponent at this break", c, kChange[i], -5, 5});
      this->parameters.push_back({d, "X at this break", i == 0 ? "ln d" : "ln of d / d before",
                                  kBreak[i], i == 0 ? -50.0 : 0.0, 150});
      this->parameters.push_back({f, "width of this break in ln X", "ln f", kWidth[i], -4, 4});
    }
  }

  template <class T>
  static T compute(const double* x, const T* theta) {
    using std::exp;
    T power = theta[kB] - theta[kC0] * x[0];
    T place = 0.0;
    for (std::size_t i = 0; i < K; ++i) {
      const T* of_break = theta + kBreaks + i * kPerBreak;
      place = place + of_break[kD];
      const T width = exp(of_break[kF]);
      power = power - of_break[kC] * width * log_sum_exp<T>(0.0, (x[0] - place) / width);
    }
    return log_sum_exp<T>(theta[kA], power);
  }

  /// For breaks at every choice of K of a few places: the exponents that join the points there.
  std::vector<Vector> starts(const Samples& samples) const override {
    constexpr std::size_t kPlaces = 5;
    std::vector<std::pair<double, double>> points;
    for (std::size_t i = 0; i < samples.size(); ++i)
      points.emplace_back(samples.row(i)[0], samples.y[i]);
    std::sort(points.begin(), points.end());
    const double lowest = *std::min_element(samples.y.begin(), samples.y.end());
    std::vector<Vector> nodes;
    for (std::size_t choice = 0; choice < 1u << kPlaces; ++choice) {
      std::vector<std::size_t> at = {0};
      for (std::size_t place = 0; place < kPlaces; ++place)
        if (choice >> place & 1) at.push_back((place + 1) * points.size() / (kPlaces + 1));
      if (at.size() != K + 1) continue;
      at.push_back(points.size() - 1);
      for (const double floor : {0.2, 0.8})  // share of a in the lowest loss
        nodes.push_back(through(points, at, lowest + std::log(floor), 0.7));
    }
    return nodes;
  }

  Vector values(const Vector& t) const override {
    Vector v{std::exp(t[kA]), std::exp(t[kB]), t[kC0]};
    double place = 0;
    for (std::size_t i = kBreaks; i < kBreaks + K * kPerBreak; i += kPerBreak) {
      place += t[i + kD];
      v[i + kC] = t[i + kC];
      v[i + kD] = std::exp(place);
      v[i + kF] = std::exp(t[i + kF]);
    }
    return v;
  }
  Vector coordinates(const Vector& v) const override {
    Vector t{std::log(v[kA]), std::log(v[kB]), v[kC0]};
    double place = 0;
    for (std::size_t i = kBreaks; i < kBreaks + K * kPerBreak; i += kPerBreak) {
      t[i + kC] = v[i + kC];
      t[i + kD] = std::log(v[i + kD]) - place;
      t[i + kF] = std::log(v[i + kF]);
      place = std::log(v[i + kD]);
    }
    return t;
  }

 private:
  /// Straight lines in (ln X, ln(L - a)) between the points at positions `at`.
  static Vector through(const std::vector<std::pair<double, double>>& points,
                        const std::vector<std::size_t>& at, double log_a, double width) {
    const auto height = [&](std::size_t k) {
      return std::log(std::exp(points[at[k]].second) - std::exp(log_a));
    };
    const auto exponent = [&](std::size_t k) {
      const double run = points[at[k + 1]].first - points[at[k]].first;
      return run > 0 ? (height(k) - height(k + 1)) / run : 0.0;
    };
    Vector node{log_a, height(0) + exponent(0) * points[at[0]].first, exponent(0)};
    double place = 0;
    for (std::size_t k = 1; k + 1 < at.size(); ++k) {
      const std::size_t i = kBreaks + (k - 1) * kPerBreak;
      node[i + kC] = exponent(k) - exponent(k - 1);
      node[i + kD] = points[at[k]].first - place;
      node[i + kF] = std::log(width);
      place = points[at[k]].first;
    }
    return node;
  }
};

}  // namespace

Laws broken_power() {
  static const BrokenPower<1> one;
  static const BrokenPower<2> two;
  static const BrokenPower<3> three;
  return {&one, &two, &three};
}

}  // namespace isoflop::laws::forms
