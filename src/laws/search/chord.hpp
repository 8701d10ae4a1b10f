// Descents of many sets of rows that differ a little, by the curvature at the optimum of one.
#pragma once

#include <vector>

#include "laws/search/solver.hpp"

namespace isoflop::laws {

/// The curvature of an objective at its optimum, for descents of much the same rows with other
/// weights or responses: their steps are as long, to within a share of 1/sqrt(rows), and each costs
/// a gradient alone. Where such steps do not shrink the gradient, minimise() goes on. `enough`: of
/// SolverOptions.
class Chord {
 public:
  Chord(const Objective& objective, const Vector& optimum, double enough = 0);
  Minimum minimise(const Objective& objective, const Vector& start) const;

 private:
  double norm_of(const Derivatives& here) const;
  bool stays_held(const Vector& theta, const Derivatives& here) const;
  Vector step_from(const Derivatives& here) const;     // of the free ones
  bool move(const Vector& step, Vector& theta) const;  // false: across a bound
  double promise(const Derivatives& here, const Vector& step) const;

  Box box_;
  std::vector<std::size_t> free_;  // coordinates that no bound held at the optimum
  std::uint32_t held_ = 0;         // bits of the others, which stay where they are
  Matrix factor_{};                // Cholesky, of the free ones
  bool usable_ = false;
  double enough_ = 0;  // 0 where the factor is not that of the curvature itself
};

}  // namespace isoflop::laws
