// Minimisation of an Objective: damped Newton in the law's coordinates, inside the law's bounds.
//
// A minimum counts as converged when the gradient (of the coordinates that no bound stops) and
// the next Newton step are both negligible; tolerances are relative to the objective's size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "laws/search/objective.hpp"

namespace isoflop::laws {

struct Minimum {
  Vector theta{};
  double objective = 0;
  double gradient_norm = 0;  // largest component that no bound stops
  bool converged = false;
  std::uint32_t at_bound = 0;  // bit i: coordinate i sits at one of its bounds
  int evaluations = 0;
};

/// The bounds of a law's coordinates.
struct Box {
  Vector lower{};
  Vector upper{};
  std::size_t size = 0;

  explicit Box(const Law& law);
  double clip(double value, std::size_t i) const { return std::clamp(value, lower[i], upper[i]); }
  bool holds(double value, std::size_t i) const { return value <= lower[i] || value >= upper[i]; }
  /// A coordinate at a bound with the gradient pushing outwards stays there.
  bool is_free(double value, double gradient, std::size_t i) const {
    if (lower[i] == upper[i]) return false;
    return !(value <= lower[i] && gradient > 0) && !(value >= upper[i] && gradient < 0);
  }
};

struct SolverOptions {
  Curvature curvature = Curvature::exact;
  double gradient_tolerance = 1e-10;  // times delta times the sum of the weights, plus rounding
  double step_tolerance = 1e-9;       // times (1 + |theta|)
  int max_evaluations = 500;          // of kManyRows rows; of more fewer, but some 30
  /// Above 0: a descent converges, too, where an undamped step promises to lower the objective by
  /// no more than this.
  double enough = 0;
};

/// The gradient that counts as none.
double tolerance_of(const Objective& objective, double relative);

Minimum minimise(const Objective& objective, Vector start, const SolverOptions& options = {});

/// The minimum of the same objective with a wide Huber loss (delta 1), which is nearly convex.
Minimum minimise_smoothed(const Objective& objective, const Vector& start);

/// Down through a wide Huber loss to the objective's own: the robust way from one far start. Of
/// more than kManyRows rows an even selection goes that way, and all of them from its end.
Minimum minimise_gradually(const Objective& objective, const Vector& start);

/// From the minimum of a selection of the rows to that of all.
Minimum polish(const Objective& objective, const Vector& start);

}  // namespace isoflop::laws
