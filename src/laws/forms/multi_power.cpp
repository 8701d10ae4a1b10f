// Luo et al. 2025 (arXiv 2503.12811), the multi-power law: the loss along a run under any learning
// rate schedule, warm-up over (schedule_rows.hpp has the symbols).
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/law/law.hpp"
#include "laws/law/schedule_rows.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kL0, kA, kAlpha, kB, kC, kBeta, kGamma, kCount };

/// The loss drop D = sum_k size_k G(C eta_k^-gamma S_k), G(z) = 1 - (1 + z)^-beta, with its
/// derivatives by ln C, beta and gamma.
struct LossDrop {
  double value = 0;
  double c = 0, beta = 0, gamma = 0;
  double cc = 0, c_beta = 0, beta_beta = 0, c_gamma = 0, beta_gamma = 0, gamma_gamma = 0;

  LossDrop(const double* x, const double* theta, bool derivatives) {
    const double exponent = theta[kBeta];
    const auto drops = static_cast<std::size_t>(x[kDrops]);
    for (std::size_t k = 0; k < drops; ++k) {
      const double* drop = x + kFirstDrop + k * kPerDrop;
      const double rate = drop[kLogRate];
      const double u = theta[kC] - theta[kGamma] * rate + drop[kLogSince];  // ln z
      const double log_base = u > 30 ? u : std::log1p(std::exp(u));         // ln(1 + z)
      const double p = drop[kSize] * std::exp(-exponent * log_base);
      value += drop[kSize] - p;
      if (!derivatives) continue;
      const double s = 1 / (1 + std::exp(-u));  // z / (1 + z)
      const double by_u = exponent * p * s;
      const double by_u_u = by_u * (1 - s - exponent * s);
      const double by_u_beta = p * s * (1 - exponent * log_base);
      c += by_u;
      gamma -= by_u * rate;
      beta += p * log_base;
      cc += by_u_u;
      c_gamma -= by_u_u * rate;
      gamma_gamma += by_u_u * rate * rate;
      c_beta += by_u_beta;
      beta_gamma -= by_u_beta * rate;
      beta_beta -= p * log_base * log_base;
    }
  }
};

class MultiPower final : public Law {
 public:
  MultiPower() {
    name = "multi-power";
    formula =
        "L(t) = L0 + A S(t)^-alpha - B sum_(k<=t) (eta_(k-1) - eta_k) (1 - (1 + C eta_k^-gamma "
        "S_k(t))^-beta)";
    source = "Luo et al. 2025, equations 1 and 2 (their 400M model)";
    variables = {Variable::steps};
    domain = {{1, 24000}};
    reads_curves = true;
    extra_columns = 1;  // kDrops: none in a row that is not of a curve
    parameters = {
        {"L0", "limit of the loss, nats/token", "ln L0", 2.375, -14, 5, "nats/token"},
        {"A", "nats/token at a sum of rates of 1", "ln A", 0.654, -30, 30, "nats/token"},
        {"alpha", "exponent of the sum of rates", "alpha", 0.429, 0, 5, "-"},
        {"B", "fall of the loss for each unit of rate", "ln B", 523.425, -20, 60, "nats/token"},
        {"C", "how soon a drop of the rate acts", "ln C", 2.025, -30, 40, "-"},
        {"beta", "exponent of that", "beta", 0.594, 1e-3, 10, "-"},
        {"gamma", "its dependence on the rate", "gamma", 0.635, -3, 5, "-"}};
  }

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    const LossDrop drop(x, theta, gradient != nullptr);
    const double floor = std::exp(theta[kL0]);
    const double power = std::exp(theta[kA] - theta[kAlpha] * x[kLogArea]);
    const double scale = std::exp(theta[kB]);
    const double loss = floor + power - scale * drop.value;
    if (gradient == nullptr) return std::log(loss);
    // of the loss itself, then of its logarithm
    const double first[kCount] = {floor,
                                  power,
                                  -power * x[kLogArea],
                                  -scale * drop.value,
                                  -scale * drop.c,
                                  -scale * drop.beta,
                                  -scale * drop.gamma};
    for (std::size_t i = 0; i < kCount; ++i) gradient[i] = first[i] / loss;
    if (hessian == nullptr) return std::log(loss);
    double second[kCount][kCount] = {};
    second[kL0][kL0] = floor;
    second[kA][kA] = power;
    second[kAlpha][kA] = -power * x[kLogArea];
    second[kAlpha][kAlpha] = power * x[kLogArea] * x[kLogArea];
    for (std::size_t j = kB; j < kCount; ++j) second[j][kB] = first[j];
    second[kC][kC] = -scale * drop.cc;
    second[kBeta][kC] = -scale * drop.c_beta;
    second[kBeta][kBeta] = -scale * drop.beta_beta;
    second[kGamma][kC] = -scale * drop.c_gamma;
    second[kGamma][kBeta] = -scale * drop.beta_gamma;
    second[kGamma][kGamma] = -scale * drop.gamma_gamma;
    for (std::size_t i = 0; i < kCount; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        hessian[i * kMaxParameters + j] = second[i][j] / loss - gradient[i] * gradient[j];
    return std::log(loss);
  }

  std::vector<Variable> columns() const override {
    return {Variable::steps, Variable::learning_rate, Variable::loss};
  }

  /// A row for each window of a curve behind its warm-up; the loss and the sum of rates are
  /// geometric means over the records around each, since a power is straight in their logarithms.
  Samples rows(const Points& prepared, std::span<const Variable>) const override {
    Samples samples;
    std::vector<std::vector<double>> rows;
    for (const Curve& curve : split_curves(prepared)) {
      const std::size_t peak = peak_of(prepared, curve);
      require(prepared.learning_rate[curve[peak]] > 0,
              "{}: the learning rate is 0 all along its curve: needed the rates of the run",
              name_of(prepared, curve[peak]));
      const std::vector<double> log_area = log_areas(prepared, curve);
      const std::vector<Window> windows = fitted_windows(log_area, peak + 1);
      add_rows(prepared, curve, windows, rows);
      const double whole = records_of_window(curve.size() - peak - 1);
      auto row = rows.end() - static_cast<long>(windows.size());
      for (const Window& window : windows) {
        double weight = 0;
        double loss = 0;
        double area = 0;
        for (std::size_t k = window.first; k <= window.last; ++k) {
          const double w = prepared.weight[curve[k]];
          weight += w;
          loss += w * std::log(prepared.loss[curve[k]]);
          area += w * log_area[k];
        }
        samples.y.push_back(loss / weight);
        (*row++)[kLogArea] = area / weight;
        samples.weight.push_back(weight / whole);
        samples.point.push_back(curve[window.at]);
      }
    }
    pack(rows, samples);
    return samples;
  }

  Samples along(const Points& schedule, std::size_t most) const override {
    Samples samples;
    std::vector<std::vector<double>> rows;
    for (const Curve& curve : split_curves(schedule)) {
      const std::size_t first = peak_of(schedule, curve);
      const std::size_t count = std::min(most, curve.size() - first);
      std::vector<Window> windows;
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t at = first + (k + 1) * (curve.size() - first) / count - 1;
        windows.push_back({at, at, at});
        samples.point.push_back(curve[at]);
      }
      add_rows(schedule, curve, windows, rows);
    }
    pack(rows, samples);
    samples.y.assign(rows.size(), 0.0);
    samples.weight.assign(rows.size(), 1.0);
    return samples;
  }

  /// A cosine, and a constant rate that decays at the end, as in the paper.
  Points example() const override {
    constexpr double kPeak = 3e-4;
    constexpr int kSteps = 24000;
    constexpr int kEvery = 125;
    constexpr int kWarmup = 2000;
    Points points;
    for (const bool cosine : {true, false})
      for (int step = kEvery; step <= kSteps; step += kEvery) {
        const double progress = static_cast<double>(step - kWarmup) / (kSteps - kWarmup);
        const double decay = std::max(0.0, (progress - 0.8) / 0.2);
        const double falling =
            cosine ? 0.55 + 0.45 * std::cos(3.141592653589793 * progress) : std::pow(0.1, decay);
        const double rate = kPeak * (step < kWarmup ? step / double{kWarmup} : falling);
        points.steps.push_back(step);
        points.learning_rate.push_back(rate);
        points.loss.push_back(1);
        points.group.push_back(cosine ? "cosine" : "constant");
      }
    const Vector theta = coordinates(example_values(*this));
    Points prepared = prepare(points);
    const Samples samples = along(prepared, prepared.size());
    for (std::size_t i = 0; i < samples.size(); ++i)
      prepared.loss[samples.point[i]] =
          std::exp(evaluate(samples.row(i), theta.data(), nullptr, nullptr));
    return prepared;
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::size_t early = 0;  // the row with the smallest sum of rates
    double lowest = samples.y[0];
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (samples.row(i)[kLogArea] < samples.row(early)[kLogArea]) early = i;
      lowest = std::min(lowest, samples.y[i]);
    }
    std::vector<Vector> nodes;
    for (const double share : {0.7, 0.9})  // of L0 in the lowest loss
      for (const double alpha : {0.3, 0.6})
        for (const double delay : {0.0, 3.0})
          for (const double gamma : {0.2, 0.7}) {
            const double floor = lowest + std::log(share);
            const double power = std::log(std::exp(samples.y[early]) - std::exp(floor)) +
                                 alpha * samples.row(early)[kLogArea];
            Vector node{floor, power, alpha, 0, delay, 0.5, gamma};
            node[kB] = fall_of(samples, node);
            nodes.push_back(node);
          }
    return nodes;
  }

  Vector values(const Vector& t) const override {
    return {std::exp(t[kL0]), std::exp(t[kA]), t[kAlpha], std::exp(t[kB]),
            std::exp(t[kC]),  t[kBeta],        t[kGamma]};
  }
  Vector coordinates(const Vector& v) const override {
    return {std::log(v[kL0]), std::log(v[kA]), v[kAlpha], std::log(v[kB]),
            std::log(v[kC]),  v[kBeta],        v[kGamma]};
  }

 private:
  /// ln B of least squares, the other coordinates given.
  static double fall_of(const Samples& samples, const Vector& node) {
    double product = 0;
    double square = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double* x = samples.row(i);
      const double drop = LossDrop(x, node.data(), false).value;
      const double missing = std::exp(node[kL0]) + std::exp(node[kA] - node[kAlpha] * x[kLogArea]) -
                             std::exp(samples.y[i]);
      product += drop * missing;
      square += drop * drop;
    }
    return product > 0 ? std::log(product / square) : 0.0;
  }
};

}  // namespace

Laws multi_power() {
  static const MultiPower law;
  return {&law};
}

}  // namespace isoflop::laws::forms
