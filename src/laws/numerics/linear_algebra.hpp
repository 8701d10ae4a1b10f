// The little dense algebra that a fit of a dozen parameters needs; no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace isoflop::laws {

inline constexpr std::size_t kMaxParameters = 12;
using Vector = std::array<double, kMaxParameters>;
/// Row-major with leading dimension kMaxParameters; symmetric matrices keep their lower triangle.
using Matrix = std::array<double, kMaxParameters * kMaxParameters>;

inline double& at(Matrix& matrix, std::size_t row, std::size_t column) {
  return matrix[row * kMaxParameters + column];
}
inline double at(const Matrix& matrix, std::size_t row, std::size_t column) {
  return matrix[row * kMaxParameters + column];
}

/// Overwrites the lower triangle of the leading n x n block with its Cholesky factor. False: the
/// block is not positive definite (to working precision) and holds nothing useful.
bool factor_cholesky(Matrix& matrix, std::size_t n);

/// Overwrites `x` (n) with the solution of (L L^T) y = x.
void solve_cholesky(const Matrix& factor, std::size_t n, Vector& x);

/// Eigenvalues, ascending, of the symmetric leading n x n block (both triangles filled) by Jacobi
/// rotations.
Vector symmetric_eigenvalues(Matrix matrix, std::size_t n);

/// Coefficients c0 + c1 (x - centre) + ... + c_degree (x - centre)^degree of weighted least
/// squares; degree <= 2. `ok` is false when the x do not determine them.
struct Polynomial {
  std::array<double, 3> coefficient{};
  double centre = 0;
  bool ok = false;
};
Polynomial fit_polynomial(std::span<const double> x, std::span<const double> y,
                          std::span<const double> weight, std::size_t degree);

}  // namespace isoflop::laws
