#include "laws/search/chord.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace isoflop::laws {

Chord::Chord(const Objective& objective, const Vector& optimum, double enough)
    : box_(objective.law()) {
  for (std::size_t i = 0; i < box_.size; ++i) {
    if (box_.holds(optimum[i], i))
      held_ |= 1u << i;
    else
      free_.push_back(i);
  }
  const Derivatives here = objective.derivatives(optimum, Curvature::exact);
  constexpr double kLeastRidge = 1e-12;  // of the largest diagonal: directions without a slope
  constexpr double kMostRidge = 1e-3;
  double largest = 0;
  for (const std::size_t i : free_) largest = std::max(largest, at(here.hessian, i, i));
  for (double ridge = kLeastRidge; ridge < kMostRidge && !usable_; ridge *= 10) {
    for (std::size_t r = 0; r < free_.size(); ++r) {
      for (std::size_t c = 0; c <= r; ++c) at(factor_, r, c) = at(here.hessian, free_[r], free_[c]);
      at(factor_, r, r) += ridge * largest;
    }
    usable_ = factor_cholesky(factor_, free_.size());
    if (usable_ && ridge == kLeastRidge) enough_ = enough;
  }
}

Minimum Chord::minimise(const Objective& objective, const Vector& start) const {
  constexpr int kMostSteps = 20;
  constexpr double kShrinks = 0.7;  // the gradient, at least
  const double tolerance = tolerance_of(objective, SolverOptions{}.gradient_tolerance);
  Vector best = start;
  Vector theta = start;
  double last = std::numeric_limits<double>::infinity();
  for (int k = 1; usable_ && k <= kMostSteps; ++k) {
    const Derivatives here = objective.derivatives(theta, Curvature::none);
    const double norm = norm_of(here);
    if (!stays_held(theta, here)) break;
    const Vector step = step_from(here);
    if (norm <= tolerance || promise(here, step) <= enough_)
      return {theta, here.value, norm, true, held_, k};
    if (!(norm < kShrinks * last)) break;
    last = norm;
    best = theta;
    if (!move(step, theta)) break;
  }
  SolverOptions options;
  options.enough = enough_;
  return laws::minimise(objective, best, options);
}

double Chord::norm_of(const Derivatives& here) const {
  double norm = 0;
  for (const std::size_t i : free_)
    if (!std::isnan(norm) && !(std::fabs(here.gradient[i]) <= norm))
      norm = std::fabs(here.gradient[i]);  // a NaN stays
  return norm;
}

bool Chord::stays_held(const Vector& theta, const Derivatives& here) const {
  for (std::size_t i = 0; i < box_.size; ++i)
    if ((held_ >> i & 1u) != 0 && box_.is_free(theta[i], here.gradient[i], i)) return false;
  return true;
}

Vector Chord::step_from(const Derivatives& here) const {
  Vector step{};
  for (std::size_t r = 0; r < free_.size(); ++r) step[r] = -here.gradient[free_[r]];
  solve_cholesky(factor_, free_.size(), step);
  return step;
}

/// By how much the objective falls along the step, if it is as curved as at the optimum.
double Chord::promise(const Derivatives& here, const Vector& step) const {
  double sum = 0;
  for (std::size_t r = 0; r < free_.size(); ++r) sum -= here.gradient[free_[r]] * step[r];
  return sum / 2;
}

bool Chord::move(const Vector& step, Vector& theta) const {
  for (std::size_t r = 0; r < free_.size(); ++r) {
    theta[free_[r]] += step[r];
    if (box_.holds(theta[free_[r]], free_[r])) return false;
  }
  return true;
}

}  // namespace isoflop::laws
