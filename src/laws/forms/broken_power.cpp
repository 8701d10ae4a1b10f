// Caballero et al. 2022 (arXiv 2210.14891), equation 1: a power law whose exponent changes at k
// breaks (BNSL).
#include <algorithm>
#include <array>
#include <cmath>

#include "laws/law/law.hpp"

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

/// What one break takes from ln(b X^-c0): T = c w ln(1 + e^z), z = (ln X - place)/w, w = e^f, and
/// its derivatives by c, place and f.
struct Fall {
  double value = 0;
  double by_c = 0, by_place = 0, by_f = 0;
  double c_place = 0, c_f = 0, place_place = 0, place_f = 0, f_f = 0;  // by c twice: 0

  Fall() = default;
  Fall(double c, double place, double f, double log_x) {
    const double w = std::exp(f);
    const double z = (log_x - place) / w;
    const double small = std::exp(-std::fabs(z));
    const double rise = std::max(z, 0.0) + std::log1p(small);  // ln(1 + e^z)
    const double s = (z > 0 ? 1.0 : small) / (1 + small);      // its slope
    const double bend = s * (1 - s);
    value = c * w * rise;
    by_c = w * rise;
    by_place = -c * s;
    c_f = w * (rise - s * z);
    by_f = c * c_f;
    c_place = -s;
    place_place = c * bend / w;
    place_f = c * bend * z;
    f_f = by_f + c * w * bend * z * z;
  }
};

/// Theta holds the distance of each break from the one before, so that breaks stay in order.
template <std::size_t K>
class BrokenPower final : public Law {
 public:
  BrokenPower() {
    name = kLawNames[K - 1];
    formula = "L(X) = a + b X^-c0 prod_i (1 + (X/d_i)^(1/f_i))^(-c_i f_i)";
    source = "Caballero et al. 2022, equation 1";
    variables = {Variable::flops};
    domain = {{1e14, 1e14 * std::pow(1e5, K + 1)}};
    any_variable = true;
    distinct_values = kBreaks + K * kPerBreak;
    parameters = {
        {"a", "limit of the loss, nats/token", "ln a", 1.2, -14, 5, "nats/token"},
        {"b", "nats/token at X = 1, before the breaks", "ln b", 20, -50, 100, "nats/token"},
        {"c0", "exponent before the first break", "c0", 0.06, -2, 5, "-"}};
    constexpr double kChange[] = {0.08, -0.06, 0.09};
    constexpr double kBreak[] = {1e19, 1e24, 1e29};
    constexpr double kWidth[] = {0.6, 0.9, 0.7};
    for (std::size_t i = 0; i < K; ++i) {
      const auto& [c, d, f] = kNames[i];
      parameters.push_back({c, "change of the exponent at this break", c, kChange[i], -5, 5, "-"});
      parameters.push_back({d, "X at this break", i == 0 ? "ln d" : "ln of d / d before", kBreak[i],
                            i == 0 ? -50.0 : 0.0, 150, "X"});
      parameters.push_back({f, "width of this break in ln X", "ln f", kWidth[i], -4, 4, "-"});
    }
  }

  /// ln(e^A + e^P), A = ln a, P = ln(b X^-c0) less the falls.
  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    std::array<Fall, K> falls;
    double place = 0;
    double power = theta[kB] - theta[kC0] * x[0];
    for (std::size_t i = 0; i < K; ++i) {
      const double* of_break = theta + first_of(i);
      place += of_break[kD];
      falls[i] = Fall(of_break[kC], place, of_break[kF], x[0]);
      power -= falls[i].value;
    }
    const double difference = power - theta[kA];
    const double small = std::exp(-std::fabs(difference));
    const double value = std::max(theta[kA], power) + std::log1p(small);
    if (gradient == nullptr) return value;

    const double share = (difference > 0 ? 1.0 : small) / (1 + small);  // of e^P
    const std::array<double, kSize> direction = slope_of(falls, x[0]);
    for (std::size_t i = 0; i < kSize; ++i) gradient[i] = share * direction[i];
    gradient[kA] = 1 - share;
    if (hessian == nullptr) return value;

    const double both = share * (1 - share);
    for (std::size_t row = 0; row < kSize; ++row)
      for (std::size_t column = 0; column <= row; ++column)
        hessian[row * kMaxParameters + column] = both * direction[row] * direction[column];
    for (std::size_t i = 0; i < K; ++i) add_curvature(i, falls[i], -share, hessian);
    return value;
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
  static constexpr std::size_t kSize = kBreaks + K * kPerBreak;
  static constexpr std::size_t first_of(std::size_t i) { return kBreaks + i * kPerBreak; }

  /// Gradient of P - A. A break moves with every distance up to its own.
  static std::array<double, kSize> slope_of(const std::array<Fall, K>& falls, double log_x) {
    std::array<double, kSize> slope{-1, 1, -log_x};
    double by_place = 0;
    for (std::size_t i = K; i-- > 0;) {
      by_place -= falls[i].by_place;
      slope[first_of(i) + kC] = -falls[i].by_c;
      slope[first_of(i) + kD] = by_place;
      slope[first_of(i) + kF] = -falls[i].by_f;
    }
    return slope;
  }

  /// Adds `factor` times the second derivatives of the fall at break `i`.
  static void add_curvature(std::size_t i, const Fall& fall, double factor, double* hessian) {
    const auto add = [&](std::size_t a, std::size_t b, double second) {
      hessian[std::max(a, b) * kMaxParameters + std::min(a, b)] += factor * second;
    };
    const std::size_t own = first_of(i);
    add(own + kF, own + kC, fall.c_f);
    add(own + kF, own + kF, fall.f_f);
    for (std::size_t j = 0; j <= i; ++j) {
      const std::size_t distance = first_of(j) + kD;
      add(own + kC, distance, fall.c_place);
      add(own + kF, distance, fall.place_f);
      for (std::size_t k = 0; k <= j; ++k) add(distance, first_of(k) + kD, fall.place_place);
    }
  }

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
