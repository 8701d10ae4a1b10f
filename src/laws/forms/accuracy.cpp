// Bhagia et al. 2024 (OLMo ladder, arXiv 2412.04403): the share of right answers as a sigmoid of
// the loss (step 2), and both steps: from N and D over the task's loss to it.
#include <algorithm>
#include <cmath>

#include "laws/law/formula_law.hpp"

namespace isoflop::laws::forms {
namespace {

/// Both laws fit floor = a + b (accuracy at high loss) and ceiling = b, in place of a and b.
enum { kFloor, kRate, kMiddle, kCeiling, kSigmoidCount };

template <class T, class Loss>
T sigmoid(const Loss& loss, const T* theta) {
  using std::exp;
  const T position = exp(theta[kRate]) * (loss - theta[kMiddle]);
  return theta[kCeiling] + (theta[kFloor] - theta[kCeiling]) * logistic<T>(position);
}

std::vector<ParameterInfo> sigmoid_parameters() {
  return {{"a", "accuracy lost from low to high loss, below 0", "a + b: at high loss", -0.7, 0, 1,
           "fraction"},
          {"k", "steepness, per unit of the loss", "ln k", 6, -7, 7, "byte/bit"},
          {"L0", "loss at the middle", "L0", 0.9, -50, 50, "bits/byte"},
          {"b", "accuracy at low loss", "b", 0.95, 0, 1, "fraction"}};
}

Vector sigmoid_values(const Vector& t, std::size_t first) {
  return {t[first + kFloor] - t[first + kCeiling], std::exp(t[first + kRate]), t[first + kMiddle],
          t[first + kCeiling]};
}

Vector sigmoid_coordinates(const Vector& v, std::size_t first) {
  return {v[first] + v[first + 3], std::log(v[first + 1]), v[first + 2], v[first + 3]};
}

Range range_of(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

/// From accuracies `y` at `losses`.
std::vector<Vector> sigmoid_starts(const std::vector<double>& losses,
                                   const std::vector<double>& y) {
  const auto [low, high] = range_of(losses);
  const auto [worst, best] = range_of(y);
  std::vector<Vector> nodes;
  for (const double middle : {0.0, 0.35, 0.7})  // in the range of the losses
    for (const double steps : {3.0, 12.0})      // of 1/k over the range
      nodes.push_back({worst, std::log(steps / (high - low + 1e-9)), low + middle * (high - low),
                       std::fmin(1.0, best + 0.02)});
  return nodes;
}

class AccuracySigmoid final : public FormulaLaw<AccuracySigmoid, kSigmoidCount> {
 public:
  AccuracySigmoid() {
    name = "accuracy-sigmoid";
    formula = "accuracy(L) = a / (1 + exp(-k (L - L0))) + b";
    source = "Bhagia et al. 2024 (OLMo ladder), step 2";
    variables = {Variable::task_loss};
    domain = {{0.2, 2.5}};
    any_variable = true;
    response = Variable::accuracy;
    scale = Scale::linear;
    has_exponents = false;
    parameters = sigmoid_parameters();
  }

  template <class T>
  static T compute(const double* x, const T* theta) {
    return sigmoid<T>(std::exp(x[0]), theta);
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<double> losses;
    for (std::size_t i = 0; i < samples.size(); ++i) losses.push_back(std::exp(samples.row(i)[0]));
    return sigmoid_starts(losses, samples.y);
  }
  Vector values(const Vector& theta) const override { return sigmoid_values(theta, 0); }
  Vector coordinates(const Vector& v) const override { return sigmoid_coordinates(v, 0); }
};

enum { kE, kA, kB, kAlpha, kBeta, kSigmoid, kLadderCount = kSigmoid + kSigmoidCount };

/// Rows carry the step in their last column: both steps are fitted to what was measured, the task's
/// loss between them included, and a prediction goes through both.
class TaskLadder final : public FormulaLaw<TaskLadder, kLadderCount> {
 public:
  TaskLadder() {
    name = "task-ladder";
    formula = "accuracy(N,D) = a / (1 + exp(-k (L - L0))) + b, L = E + A/N^alpha + B/D^beta";
    source = "Bhagia et al. 2024 (OLMo ladder), steps 1 and 2";
    variables = {Variable::params, Variable::tokens};
    domain = {{1e8, 1e10}, {1e9, 1e12}};
    response = Variable::accuracy;
    scale = Scale::linear;
    extra_columns = 1;
    parameters = {{"E", "irreducible task loss, bits/byte", "ln E", 0.4, -14, 5, "bits/byte"},
                  {"A", "bits/byte at N = 1", "ln A", 500, -20, 100, "bits/byte"},
                  {"B", "bits/byte at D = 1", "ln B", 2000, -20, 100, "bits/byte"},
                  {"alpha", "exponent of N", "alpha", 0.38, 0, 5, "-"},
                  {"beta", "exponent of D", "beta", 0.4, 0, 5, "-"}};
    for (const ParameterInfo& parameter : sigmoid_parameters()) parameters.push_back(parameter);
  }

  template <class T>
  static T compute(const double* x, const T* theta) {
    using std::exp;
    const double step = x[2];
    if (step == kFromLoss) return sigmoid<T>(std::exp(x[0]), theta + kSigmoid);
    const T powers =
        log_sum_exp<T>(theta[kA] - theta[kAlpha] * x[0], theta[kB] - theta[kBeta] * x[1]);
    const T log_loss = log_sum_exp<T>(theta[kE], powers);
    if (step == kToLoss) return log_loss;
    return sigmoid<T, T>(exp(log_loss), theta + kSigmoid);
  }

  std::vector<Variable> columns() const override {
    return {Variable::params, Variable::tokens, Variable::task_loss, Variable::accuracy};
  }

  /// Two rows a point: (ln N, ln D) -> ln task loss, and ln task loss -> accuracy.
  Samples rows(const Points& prepared, std::span<const Variable>) const override {
    Samples samples;
    samples.width = 3;
    const auto add = [&](std::size_t point, std::initializer_list<double> x, double y) {
      samples.x.insert(samples.x.end(), x);
      samples.y.push_back(y);
      samples.weight.push_back(prepared.weight[point]);
      samples.point.push_back(point);
      samples.step.push_back(x.begin()[2] == kToLoss ? 0 : 1);
    };
    for (std::size_t i = 0; i < prepared.size(); ++i) {
      const double log_loss = std::log(prepared.task_loss[i]);
      add(i, {std::log(prepared.params[i]), std::log(prepared.tokens[i]), kToLoss}, log_loss);
      add(i, {log_loss, 0, kFromLoss}, prepared.accuracy[i]);
    }
    return samples;
  }

  Points example() const override {
    Points points = Law::example();
    const Vector theta = coordinates(example_values(*this));
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double x[] = {std::log(points.params[i]), std::log(points.tokens[i]), kToLoss};
      points.task_loss.push_back(std::exp(compute<double>(x, theta.data())));
    }
    return points;
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    double mean[3] = {};
    std::vector<double> losses;
    std::vector<double> accuracies;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double* x = samples.row(i);
      if (x[2] == kFromLoss) {
        losses.push_back(std::exp(x[0]));
        accuracies.push_back(samples.y[i]);
        continue;
      }
      const double share = 2.0 / static_cast<double>(samples.size());
      mean[0] += share * x[0];
      mean[1] += share * x[1];
      mean[2] += share * samples.y[i];
    }
    std::vector<Vector> nodes;
    for (const Vector& second : sigmoid_starts(losses, accuracies))
      for (const double exponent : {0.2, 0.5})
        for (const double floor : {0.3, 0.8}) {  // share of E in the mean
          const double rest = mean[2] + std::log(0.5 * (1 - floor));
          nodes.push_back({mean[2] + std::log(floor), rest + exponent * mean[0],
                           rest + exponent * mean[1], exponent, exponent, second[0], second[1],
                           second[2], second[3]});
        }
    return nodes;
  }
  Vector values(const Vector& t) const override {
    const Vector second = sigmoid_values(t, kSigmoid);
    return {std::exp(t[kE]), std::exp(t[kA]), std::exp(t[kB]), t[kAlpha], t[kBeta],
            second[0],       second[1],       second[2],       second[3]};
  }
  Vector coordinates(const Vector& v) const override {
    const Vector second = sigmoid_coordinates(v, kSigmoid);
    return {std::log(v[kE]), std::log(v[kA]), std::log(v[kB]), v[kAlpha], v[kBeta],
            second[0],       second[1],       second[2],       second[3]};
  }

 private:
  static constexpr double kToLoss = 1;
  static constexpr double kFromLoss = 2;
};

}  // namespace

Laws accuracy() {
  static const AccuracySigmoid sigmoid_law;
  static const TaskLadder ladder;
  return {&sigmoid_law, &ladder};
}

}  // namespace isoflop::laws::forms
