#include <algorithm>
#include <cmath>

#include "laws/plan/design.hpp"

namespace isoflop::laws {
namespace {

/// The prior of each coordinate: normal around the fit with this deviation. Wide enough not to
/// count where points determine the coordinate; it keeps directions finite that they leave open.
constexpr double kPriorDeviation = 10;
const double kKnotSpacing = 0.5 * std::log(10.0);

std::vector<double> knots_between(double low, double high) {
  std::vector<double> knots;
  for (double knot = low; knot < high; knot += kKnotSpacing) knots.push_back(knot);
  return knots;
}

/// Inverse of a positive definite matrix (n, n) by its Cholesky factor, after scaling to a unit
/// diagonal.
std::vector<double> inverse(std::vector<double> matrix, std::size_t n) {
  std::vector<double> scale(n);
  for (std::size_t i = 0; i < n; ++i) scale[i] = 1 / std::sqrt(matrix[i * n + i]);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k) matrix[i * n + k] *= scale[i] * scale[k];
  for (std::size_t column = 0; column < n; ++column) {
    for (std::size_t row = column; row < n; ++row) {
      double sum = matrix[row * n + column];
      for (std::size_t k = 0; k < column; ++k) sum -= matrix[row * n + k] * matrix[column * n + k];
      if (row == column)
        matrix[row * n + row] = std::sqrt(std::max(sum, 1e-14));
      else
        matrix[row * n + column] = sum / matrix[column * n + column];
    }
  }
  std::vector<double> result(n * n);
  std::vector<double> x(n);
  for (std::size_t unit = 0; unit < n; ++unit) {
    for (std::size_t row = 0; row < n; ++row) {
      x[row] = row == unit ? 1 : 0;
      for (std::size_t k = 0; k < row; ++k) x[row] -= matrix[row * n + k] * x[k];
      x[row] /= matrix[row * n + row];
    }
    for (std::size_t row = n; row-- > 0;) {
      for (std::size_t k = row + 1; k < n; ++k) x[row] -= matrix[k * n + row] * x[k];
      x[row] /= matrix[row * n + row];
    }
    for (std::size_t row = 0; row < n; ++row)
      result[row * n + unit] = x[row] * scale[row] * scale[unit];
  }
  return result;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TargetVariance::TargetVariance(const Law& law, std::span<const Variable> variables,
                               const Vector& theta, const Points& prepared, const Candidate& target,
                               double noise, double bend)
    : law_(&law),
      variables_(variables.begin(), variables.end()),
      theta_(theta),
      noise_(noise),
      root_bend_(std::sqrt(bend)) {
  const double lowest = *std::ranges::min_element(prepared.flops);
  if (bend > 0) knots_ = knots_between(std::log(lowest), std::log(target.flops()));
  size_ = law.size() + knots_.size();
  std::vector<double> information(size_ * size_, 0.0);
  for (std::size_t i = 0; i < size_; ++i)
    information[i * size_ + i] = i < law.size() ? 1 / (kPriorDeviation * kPriorDeviation) : 1.0;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    const std::vector<double> h = row({prepared.params[i], prepared.tokens[i]});
    const double weight = prepared.weight[i] / noise;
    for (std::size_t a = 0; a < size_; ++a)
      for (std::size_t b = 0; b < size_; ++b) information[a * size_ + b] += weight * h[a] * h[b];
  }
  covariance_ = inverse(std::move(information), size_);
  target_row_ = row(target);
  sensitivity_ = times_covariance(target_row_);
  variance_ = dot(target_row_, sensitivity_);
}

std::vector<double> TargetVariance::row(const Candidate& run) const {
  double x[8] = {};
  for (std::size_t i = 0; i < variables_.size(); ++i)
    x[i] = std::log(variables_[i] == Variable::params   ? run.params
                    : variables_[i] == Variable::tokens ? run.tokens
                                                        : run.flops());
  Vector gradient{};
  law_->evaluate(x, theta_.data(), gradient.data(), nullptr);
  std::vector<double> h(gradient.begin(), gradient.begin() + static_cast<long>(law_->size()));
  const double log_flops = std::log(run.flops());
  for (const double knot : knots_) h.push_back(root_bend_ * std::max(0.0, log_flops - knot));
  return h;
}

std::vector<double> TargetVariance::times_covariance(const std::vector<double>& row) const {
  std::vector<double> product(size_, 0.0);
  for (std::size_t i = 0; i < size_; ++i)
    for (std::size_t k = 0; k < size_; ++k) product[i] += covariance_[i * size_ + k] * row[k];
  return product;
}

double TargetVariance::gain(const Candidate& run) const {
  const std::vector<double> h = row(run);
  const double shared = dot(h, sensitivity_);
  return shared * shared / (noise_ + dot(h, times_covariance(h)));
}

void TargetVariance::add(const Candidate& run) {
  const std::vector<double> h = row(run);
  const std::vector<double> product = times_covariance(h);
  const double spread = noise_ + dot(h, product);
  for (std::size_t i = 0; i < size_; ++i)
    for (std::size_t k = 0; k < size_; ++k)
      covariance_[i * size_ + k] -= product[i] * product[k] / spread;
  sensitivity_ = times_covariance(target_row_);
  variance_ = dot(target_row_, sensitivity_);
}

}  // namespace isoflop::laws
