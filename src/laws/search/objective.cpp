#include "laws/search/objective.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

double huber(double residual, double delta) {
  const double size = std::fabs(residual);
  return size <= delta ? 0.5 * size * size : delta * (size - 0.5 * delta);
}

/// One of `choice` places, another for every k: of a grid of sizes and tokens the first of each
/// would all have the same tokens.
std::size_t place_among(std::size_t choice, std::size_t k) {
  constexpr double kGolden = 0.6180339887498949;
  const double turns = kGolden * static_cast<double>(k);
  return static_cast<std::size_t>((turns - std::floor(turns)) * static_cast<double>(choice));
}

}  // namespace

double width_of(std::string_view loss) {
  require(loss == "squares" || loss == "absolute",
          "loss: saw '{}', needed huber, squares or absolute", loss);
  return loss == "squares" ? kSquaresDelta : kAbsoluteDelta;
}

std::string name_of_loss(double delta) {
  if (delta >= kSquaresDelta) return "least squares";
  return delta <= kAbsoluteDelta ? "least absolute deviations" : "huber";
}

Samples thin_out(const Samples& samples, std::size_t most) {
  std::vector<std::size_t> points = samples.point;
  std::ranges::sort(points);
  points.erase(std::unique(points.begin(), points.end()), points.end());
  const std::size_t count = std::min(most, points.size());
  std::vector<std::size_t> chosen;
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t first = k * points.size() / count;
    const std::size_t choice = (k + 1) * points.size() / count - first;
    chosen.push_back(points[first + place_among(samples.size() > kManyRows ? choice : 1, k)]);
  }
  Samples coarse;
  coarse.width = samples.width;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!std::ranges::binary_search(chosen, samples.point[i])) continue;
    coarse.x.insert(coarse.x.end(), samples.row(i), samples.row(i) + samples.width);
    coarse.y.push_back(samples.y[i]);
    coarse.weight.push_back(samples.weight[i]);
    coarse.point.push_back(samples.point[i]);
  }
  return coarse;
}

Samples thin_rows(const Samples& samples) {
  Samples few = thin_out(samples, kSelectedRows);
  for (std::size_t most = kSelectedRows / 2; few.size() > kSelectedRows;
       most /= 2)  // several rows a point
    few = thin_out(samples, most);
  return few;
}

double Objective::weight() const {
  double sum = 0;
  for (const double weight : samples_->weight) sum += weight;
  return sum;
}

double Objective::value(const Vector& theta) const {
  double sum = 0;
  for (std::size_t i = 0; i < samples_->size(); ++i) {
    const double weight = samples_->weight[i];
    if (weight == 0) continue;
    const double predicted = law_->evaluate(samples_->row(i), theta.data(), nullptr, nullptr);
    sum += weight * huber(predicted - samples_->y[i], delta_);
  }
  return sum;
}

Derivatives Objective::derivatives(const Vector& theta, Curvature curvature) const {
  Derivatives sum;
  Vector gradient{};
  Matrix hessian;  // only the written triangle is read
  const std::size_t n = law_->size();
  const bool exact = curvature == Curvature::exact;
  for (std::size_t i = 0; i < samples_->size(); ++i) {
    const double weight = samples_->weight[i];
    if (weight == 0) continue;  // a bootstrap draw leaves out a third of the points
    const double residual = law_->evaluate(samples_->row(i), theta.data(), gradient.data(),
                                           exact ? hessian.data() : nullptr) -
                            samples_->y[i];
    sum.value += weight * huber(residual, delta_);
    const double slope = weight * std::clamp(residual, -delta_, delta_);
    if (curvature == Curvature::none) {
      for (std::size_t row = 0; row < n; ++row) sum.gradient[row] += slope * gradient[row];
      continue;
    }
    const bool inside = std::fabs(residual) <= delta_;
    const double outer = inside ? weight : (exact ? 0.0 : weight * delta_ / std::fabs(residual));
    for (std::size_t row = 0; row < n; ++row) {
      sum.gradient[row] += slope * gradient[row];
      const double scaled = outer * gradient[row];
      double* target = &at(sum.hessian, row, 0);
      for (std::size_t k = 0; k <= row; ++k) target[k] += scaled * gradient[k];
      if (!exact) continue;
      const double* second = &at(hessian, row, 0);
      for (std::size_t k = 0; k <= row; ++k) target[k] += slope * second[k];
    }
  }
  return sum;
}

std::vector<double> Objective::residuals(const Vector& theta) const {
  std::vector<double> residuals(samples_->size());
  for (std::size_t i = 0; i < residuals.size(); ++i)
    residuals[i] =
        law_->evaluate(samples_->row(i), theta.data(), nullptr, nullptr) - samples_->y[i];
  return residuals;
}

double value_or_infinity(const Objective& objective, const Vector& theta) {
  const double value = objective.value(theta);
  return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
}

}  // namespace isoflop::laws
