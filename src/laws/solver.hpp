// Minimisation of an Objective: damped Newton in the law's coordinates, inside the law's bounds.
//
// A minimum counts as converged when the gradient (of the coordinates that no bound stops) and
// the next Newton step are both negligible; tolerances are relative to the objective's size.
#pragma once

#include <cstdint>

#include "laws/objective.hpp"

namespace isoflop::laws {

struct Minimum {
  Vector theta{};
  double objective = 0;
  double gradient_norm = 0;  // largest component that no bound stops
  bool converged = false;
  std::uint32_t at_bound = 0;  // bit i: coordinate i sits at one of its bounds
  int evaluations = 0;
};

struct SolverOptions {
  Curvature curvature = Curvature::exact;
  double gradient_tolerance = 1e-10;  // times delta times the sum of the weights, plus rounding
  double step_tolerance = 1e-9;       // times (1 + |theta|)
  int max_evaluations = 500;
};

Minimum minimise(const Objective& objective, Vector start, const SolverOptions& options = {});

/// The minimum of the same objective with a wide Huber loss (delta 1), which is nearly convex.
Minimum minimise_smoothed(const Objective& objective, const Vector& start);

/// Down through a wide Huber loss to the objective's own: the robust way from one far start.
Minimum minimise_gradually(const Objective& objective, const Vector& start);

}  // namespace isoflop::laws
