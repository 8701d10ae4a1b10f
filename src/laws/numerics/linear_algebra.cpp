#include "laws/numerics/linear_algebra.hpp"

#include <algorithm>
#include <cmath>

namespace isoflop::laws {

bool factor_cholesky(Matrix& matrix, std::size_t n) {
  constexpr double kRelativePivot = 1e-15;
  for (std::size_t column = 0; column < n; ++column) {
    const double diagonal = at(matrix, column, column);
    double pivot = diagonal;
    for (std::size_t k = 0; k < column; ++k) pivot -= at(matrix, column, k) * at(matrix, column, k);
    if (!(pivot > kRelativePivot * diagonal) || !(pivot > 0)) return false;
    const double root = std::sqrt(pivot);
    at(matrix, column, column) = root;
    for (std::size_t row = column + 1; row < n; ++row) {
      double sum = at(matrix, row, column);
      for (std::size_t k = 0; k < column; ++k) sum -= at(matrix, row, k) * at(matrix, column, k);
      at(matrix, row, column) = sum / root;
    }
  }
  return true;
}

void solve_cholesky(const Matrix& factor, std::size_t n, Vector& x) {
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t k = 0; k < row; ++k) x[row] -= at(factor, row, k) * x[k];
    x[row] /= at(factor, row, row);
  }
  for (std::size_t row = n; row-- > 0;) {
    for (std::size_t k = row + 1; k < n; ++k) x[row] -= at(factor, k, row) * x[k];
    x[row] /= at(factor, row, row);
  }
}

Vector symmetric_eigenvalues(Matrix matrix, std::size_t n) {
  constexpr int kSweeps = 60;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double largest = 0;
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        const double off = at(matrix, p, q);
        largest = std::fmax(largest, std::fabs(off));
        if (off == 0) continue;
        const double ratio = (at(matrix, q, q) - at(matrix, p, p)) / (2 * off);
        const double tangent = std::copysign(1 / (std::fabs(ratio) + std::hypot(1, ratio)), ratio);
        const double cosine = 1 / std::hypot(1, tangent);
        const double sine = tangent * cosine;
        for (std::size_t k = 0; k < n; ++k) {
          const double left = at(matrix, k, p);
          const double right = at(matrix, k, q);
          at(matrix, k, p) = cosine * left - sine * right;
          at(matrix, k, q) = sine * left + cosine * right;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double upper = at(matrix, p, k);
          const double lower = at(matrix, q, k);
          at(matrix, p, k) = cosine * upper - sine * lower;
          at(matrix, q, k) = sine * upper + cosine * lower;
        }
      }
    if (largest == 0) break;
  }
  Vector eigenvalues{};
  for (std::size_t i = 0; i < n; ++i) eigenvalues[i] = at(matrix, i, i);
  std::sort(eigenvalues.begin(), eigenvalues.begin() + static_cast<long>(n));
  return eigenvalues;
}

Polynomial fit_polynomial(std::span<const double> x, std::span<const double> y,
                          std::span<const double> weight, std::size_t degree) {
  Polynomial result;
  double weight_sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    result.centre += weight[i] * x[i];
    weight_sum += weight[i];
  }
  if (!(weight_sum > 0)) return result;
  result.centre /= weight_sum;
  double spread = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (weight[i] > 0) spread = std::fmax(spread, std::fabs(x[i] - result.centre));
  if (!(spread > 0)) return result;

  Matrix normal{};
  Vector right{};
  const std::size_t n = degree + 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = (x[i] - result.centre) / spread;  // in [-1, 1]: a well-conditioned basis
    const std::array<double, 3> basis = {1, u, u * u};
    for (std::size_t row = 0; row < n; ++row) {
      right[row] += weight[i] * basis[row] * y[i];
      for (std::size_t k = 0; k <= row; ++k)
        at(normal, row, k) += weight[i] * basis[row] * basis[k];
    }
  }
  if (!factor_cholesky(normal, n)) return result;
  // Noise-free parabolas lose digits in the normal equations: one step of refinement gives them
  // back.
  Vector solution = right;
  solve_cholesky(normal, n, solution);
  Vector correction{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = (x[i] - result.centre) / spread;
    const double miss = y[i] - (solution[0] + u * (solution[1] + u * solution[2]));
    const std::array<double, 3> basis = {1, u, u * u};
    for (std::size_t row = 0; row < n; ++row) correction[row] += weight[i] * basis[row] * miss;
  }
  solve_cholesky(normal, n, correction);
  double scale = 1;
  for (std::size_t row = 0; row < n; ++row) {
    result.coefficient[row] = (solution[row] + correction[row]) / scale;
    scale *= spread;
  }
  result.ok = true;
  return result;
}

}  // namespace isoflop::laws
