#include "laws/fit/precision.hpp"

#include <cmath>
#include <limits>

namespace isoflop::laws {
namespace {

/// L L^T of the factor, full.
Matrix multiply_out(const Matrix& factor, std::size_t n) {
  Matrix product{};
  for (std::size_t row = 0; row < n; ++row)
    for (std::size_t column = 0; column <= row; ++column) {
      double sum = 0;
      for (std::size_t k = 0; k <= column; ++k) sum += at(factor, row, k) * at(factor, column, k);
      at(product, row, column) = at(product, column, row) = sum;
    }
  return product;
}

/// d values[i] / d theta[k] by central differences.
Matrix jacobian_of(const Law& law, const Vector& theta) {
  Matrix jacobian{};
  for (std::size_t k = 0; k < law.size(); ++k) {
    const double step = 1e-6 * (1 + std::fabs(theta[k]));
    Vector above = theta;
    Vector below = theta;
    above[k] += step;
    below[k] -= step;
    const Vector high = law.values(above);
    const Vector low = law.values(below);
    for (std::size_t i = 0; i < law.size(); ++i)
      at(jacobian, i, k) = (high[i] - low[i]) / (2 * step);
  }
  return jacobian;
}

}  // namespace

Precision precision_of(const Law& law, const Stage& stage) {
  const std::size_t n = law.size();
  Matrix information = multiply_out(stage.information, n);
  Vector length{};
  for (std::size_t i = 0; i < n; ++i) length[i] = std::sqrt(at(information, i, i));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k) at(information, i, k) /= length[i] * length[k];
  const Vector eigenvalues = symmetric_eigenvalues(information, n);

  const Matrix jacobian = jacobian_of(law, stage.theta);
  Matrix covariance{};  // J (sum g g^T)^-1 J^T
  for (std::size_t column = 0; column < n; ++column) {
    Vector solved{};
    for (std::size_t k = 0; k < n; ++k) solved[k] = at(jacobian, column, k);
    solve_cholesky(stage.information, n, solved);
    for (std::size_t row = 0; row < n; ++row)
      for (std::size_t k = 0; k < n; ++k)
        at(covariance, row, column) += at(jacobian, row, k) * solved[k];
  }
  Precision result{eigenvalues[n - 1] / eigenvalues[0], {}};
  for (std::size_t row = 0; row < n; ++row) {
    result.correlation.emplace_back(n, 1.0);
    for (std::size_t k = 0; k < n; ++k) {
      const double scale = std::sqrt(at(covariance, row, row) * at(covariance, k, k));
      if (row != k)
        result.correlation[row][k] =
            scale > 0 ? at(covariance, std::max(row, k), std::min(row, k)) / scale
                      : std::numeric_limits<double>::quiet_NaN();
    }
  }
  return result;
}

}  // namespace isoflop::laws
