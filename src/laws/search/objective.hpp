// The objective of Hoffmann et al. 2022, approach 3 (equation 3), for any law:
//
//   F(theta) = sum_i w_i huber_delta(f(x_i; theta) - y_i),
//   huber_delta(r) = r^2 / 2 for |r| <= delta, delta (|r| - delta / 2) beyond.
//
// where f is the law's response on its scale: ln L and ln loss, or a fraction itself. A sum, never
// a mean: tolerances are tied to its size. A large delta gives least squares, a small one least
// absolute deviations.
#pragma once

#include "laws/law/law.hpp"

namespace isoflop::laws {

/// Of more rows than kManyRows a search looks at an even selection of kSelectedRows first, and a
/// descent on all of them has fewer steps the more there are: what it costs stays within bounds.
inline constexpr std::size_t kManyRows = 2048;
inline constexpr std::size_t kSelectedRows = 512;

/// All rows of at most `most` of the points, evenly spread over their order (the canonical one: by
/// N, then D).
Samples thin_out(const Samples& samples, std::size_t most);
/// The same for at most kSelectedRows rows.
Samples thin_rows(const Samples& samples);

/// Widths at which Huber's loss is least squares (every residual lies inside) and least absolute
/// deviations (none does).
inline constexpr double kSquaresDelta = 1e3;
inline constexpr double kAbsoluteDelta = 1e-8;
/// The width of a loss by name: squares, absolute.
double width_of(std::string_view loss);
/// "huber", "least squares", "least absolute deviations".
std::string name_of_loss(double delta);

struct Derivatives {
  double value = 0;
  Vector gradient{};
  Matrix hessian{};  // lower triangle
};

/// Which matrix stands for the second derivative.
enum class Curvature {
  exact,       // Newton: quadratic convergence near the optimum, may be indefinite elsewhere
  reweighted,  // sum w min(1, delta/|r|) g g^T: positive, right far from the optimum
  none         // the gradient alone
};

class Objective {
 public:
  /// References `law` and `samples`; both must outlive it.
  Objective(const Law& law, const Samples& samples, double delta)
      : law_(&law), samples_(&samples), delta_(delta) {}

  const Law& law() const { return *law_; }
  const Samples& samples() const { return *samples_; }
  double delta() const { return delta_; }
  Objective with_delta(double delta) const { return {*law_, *samples_, delta}; }
  bool has_many_rows() const { return samples_->size() > kManyRows; }
  /// Sum of the weights.
  double weight() const;

  double value(const Vector& theta) const;
  Derivatives derivatives(const Vector& theta, Curvature curvature) const;
  /// f(x_i; theta) - y_i for every row.
  std::vector<double> residuals(const Vector& theta) const;

 private:
  const Law* law_;
  const Samples* samples_;
  double delta_;
};

/// The objective, with infinity for NaN, which every comparison lets pass.
double value_or_infinity(const Objective& objective, const Vector& theta);

}  // namespace isoflop::laws
