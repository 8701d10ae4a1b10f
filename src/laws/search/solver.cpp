#include "laws/search/solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace isoflop::laws {
namespace {

constexpr double kWideDelta = 1.0;  // least squares for any residual below a factor e
constexpr double kMiddleDelta = 0.03;
constexpr double kDeltaRatio = 0.1;  // below the middle one, one stage a decade
constexpr int kRounds = 4;
constexpr int kRoundsOfMany = 1;            // where there are many rows
constexpr int kFewestEvaluations = 30;      // of many rows
constexpr double kSquaredRounding = 1e-28;  // residuals below 1e-14 are rounding
constexpr double kUndamped = 1e-6;          // relative to the diagonal: steps are Newton's own

/// Finite down to the last derivative: a NaN in any of them makes the next step meaningless.
bool is_finite(const Derivatives& d, std::size_t size) {
  double sum = d.value;
  for (std::size_t i = 0; i < size; ++i) {
    sum += d.gradient[i] * 0;
    for (std::size_t k = 0; k <= i; ++k) sum += at(d.hessian, i, k) * 0;
  }
  return std::isfinite(sum);
}

/// What a descent may cost: beyond kManyRows its evaluations shrink as the rows grow.
int most_evaluations(const Objective& objective, int asked) {
  if (!objective.has_many_rows()) return asked;
  const double share =
      static_cast<double>(kManyRows) / static_cast<double>(objective.samples().size());
  return std::max(std::min(asked, kFewestEvaluations), static_cast<int>(share * asked));
}

/// What rounding leaves of a vanishing gradient, for each unit of weight: residuals are good to
/// about 1e-15 and are multiplied by the variables.
double rounding(const Samples& samples) {
  double largest = 1;
  for (const double x : samples.x) largest = std::max(largest, std::fabs(x));
  return 1e-16 * largest;
}

/// The state of one descent.
class Descent {
 public:
  Descent(const Objective& objective, const Vector& start, const SolverOptions& options)
      : objective_(objective), options_(options), box_(objective.law()) {
    if (options.enough > 0) damping_ = kUndamped;  // the start is near
    for (std::size_t i = 0; i < box_.size; ++i) theta_[i] = box_.clip(start[i], i);
    here_ = evaluate(theta_);
    tolerance_ = tolerance_of(objective, options.gradient_tolerance);
    most_evaluations_ = most_evaluations(objective, options.max_evaluations);
    find_free();
  }

  Minimum run() {
    const bool has_slope = is_finite(here_, box_.size);
    while (has_slope && evaluations_ < most_evaluations_ && advance()) {
    }
    Minimum minimum{theta_, here_.value, norm(here_), converged_, 0, evaluations_};
    if (std::isnan(minimum.objective)) minimum.objective = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < box_.size; ++i)
      if (box_.holds(theta_[i], i)) minimum.at_bound |= 1u << i;
    return minimum;
  }

 private:
  Derivatives evaluate(const Vector& theta) {
    ++evaluations_;
    return objective_.derivatives(theta, options_.curvature);
  }

  void find_free() {
    free_count_ = 0;
    for (std::size_t i = 0; i < box_.size; ++i)
      if (box_.is_free(theta_[i], here_.gradient[i], i)) free_[free_count_++] = i;
  }

  double norm(const Derivatives& d) const {
    double largest = 0;
    for (std::size_t k = 0; k < free_count_; ++k) {
      const double size = std::fabs(d.gradient[free_[k]]);
      if (!std::isnan(largest) && !(size <= largest)) largest = size;  // a NaN stays
    }
    return largest;
  }

  /// Solves the damped system for the coordinates `moving`; those that already sit in `step_` by a
  /// bound enter the right-hand side. False: not positive definite.
  bool solve_for(std::span<const std::size_t> moving, double smallest_diagonal) {
    Matrix matrix;
    Vector solution;
    for (std::size_t r = 0; r < moving.size(); ++r) {
      const std::size_t i = moving[r];
      solution[r] = -here_.gradient[i];
      for (std::size_t j = 0; j < box_.size; ++j)
        solution[r] -= step_[j] * at(here_.hessian, std::max(i, j), std::min(i, j));
      for (std::size_t c = 0; c <= r; ++c) at(matrix, r, c) = at(here_.hessian, i, moving[c]);
      at(matrix, r, r) += damping_ * std::max(std::fabs(at(matrix, r, r)), smallest_diagonal);
    }
    if (!factor_cholesky(matrix, moving.size())) return false;
    solve_cholesky(matrix, moving.size(), solution);
    for (std::size_t r = 0; r < moving.size(); ++r) step_[moving[r]] = solution[r];
    return true;
  }

  /// A step that would cross a bound stops there, and the other coordinates are solved for again.
  bool solve_inside_box(double smallest_diagonal) {
    step_ = {};
    std::vector<std::size_t>& moving = moving_;
    moving.assign(free_.begin(), free_.begin() + static_cast<long>(free_count_));
    while (!moving.empty()) {
      for (const std::size_t i : moving) step_[i] = 0;
      if (!solve_for(moving, smallest_diagonal)) return false;
      const auto crosses = [&](std::size_t i) {
        const double target = theta_[i] + step_[i];
        if (target >= box_.lower[i] && target <= box_.upper[i]) return false;
        step_[i] = box_.clip(target, i) - theta_[i];
        return true;
      };
      const auto stopped = std::stable_partition(moving.begin(), moving.end(),
                                                 [&](std::size_t i) { return !crosses(i); });
      if (stopped == moving.end()) return true;
      moving.erase(stopped, moving.end());
    }
    return true;
  }

  /// The damped Newton step; raises the damping until the matrix is positive.
  bool compute_step() {
    double largest_diagonal = 0;
    for (std::size_t k = 0; k < free_count_; ++k)
      largest_diagonal =
          std::max(largest_diagonal, std::fabs(at(here_.hessian, free_[k], free_[k])));
    if (!(largest_diagonal > 0) || !std::isfinite(largest_diagonal)) return false;
    for (; damping_ < 1e15; damping_ = std::max(4 * damping_, 1e-6))
      if (solve_inside_box(1e-8 * largest_diagonal)) return true;
    return false;
  }

  bool step_is_small() const {
    for (std::size_t i = 0; i < box_.size; ++i)
      if (std::fabs(step_[i]) > options_.step_tolerance * (1 + std::fabs(theta_[i]))) return false;
    return true;
  }

  double predicted_decrease() const {
    double decrease = 0;
    for (std::size_t r = 0; r < box_.size; ++r) {
      decrease -= here_.gradient[r] * step_[r];
      for (std::size_t c = 0; c < r; ++c) decrease -= at(here_.hessian, r, c) * step_[r] * step_[c];
      decrease -= 0.5 * at(here_.hessian, r, r) * step_[r] * step_[r];
    }
    return decrease;
  }

  /// One trial step; false when the descent is over.
  bool advance() {
    if (free_count_ == 0) return finish(true);
    if (!compute_step()) return finish(norm(here_) == 0);
    if (has_arrived()) return finish(true);
    if (damping_ > 1e12 && step_is_small()) return finish(false);  // stuck
    return try_step();
  }

  bool finish(bool converged) {
    converged_ = converged;
    return false;
  }

  /// No slope and no step is left, or no more to gain than was asked for.
  bool has_arrived() const {
    if (damping_ < 1e-3 && norm(here_) <= tolerance_ && step_is_small()) return true;
    return options_.enough > 0 && damping_ <= kUndamped && predicted_decrease() <= options_.enough;
  }

  /// Goes there when it is better, else raises the damping; false when nothing is better.
  bool try_step() {
    Vector trial = theta_;
    for (std::size_t i = 0; i < box_.size; ++i) trial[i] += step_[i];
    const Derivatives there = evaluate(trial);
    const double predicted = predicted_decrease();
    const double actual = here_.value - there.value;
    // Below rounding the objective says nothing any more: the gradient decides.
    const bool at_rounding =
        predicted <= 1e-13 * here_.value + kSquaredRounding * objective_.weight();
    const bool better = is_finite(there, box_.size) &&
                        (at_rounding ? norm(there) < norm(here_) : actual > 1e-4 * predicted);
    if (better) {
      accept(trial, there, at_rounding ? 1.0 : actual / predicted);
      return true;
    }
    if (at_rounding && norm(here_) <= tolerance_) return finish(true);
    damping_ = std::max(growth_ * damping_, 1e-6);
    growth_ *= 2;
    return true;
  }

  /// `ratio`: of the decrease to what the model promised. Nielsen 1999, "Damping parameter in
  /// Marquardt's method", with a faster fall when the model is right.
  void accept(const Vector& trial, const Derivatives& there, double ratio) {
    const double cube = (2 * ratio - 1) * (2 * ratio - 1) * (2 * ratio - 1);
    damping_ *= ratio > 0.95 && ratio < 1.05 ? 0.05 : std::clamp(1 - cube, 1.0 / 3, 2.0);
    if (damping_ < 1e-10) damping_ = 0;
    growth_ = 2;
    theta_ = trial;
    here_ = there;
    find_free();
  }

  const Objective& objective_;
  const SolverOptions& options_;
  Box box_;
  Vector theta_{};
  Derivatives here_;
  Vector step_{};
  std::array<std::size_t, kMaxParameters> free_{};
  std::size_t free_count_ = 0;
  std::vector<std::size_t> moving_;
  double damping_ = 1e-2;
  double growth_ = 2;
  double tolerance_ = 0;
  int most_evaluations_ = 0;
  bool converged_ = false;
  int evaluations_ = 0;
};

/// Newton steps; where they get stuck - a narrow Huber loss is all kinks - a few reweighted ones
/// between.
Minimum minimise_alternating(const Objective& objective, const Vector& start,
                             const SolverOptions& options) {
  Minimum minimum = minimise(objective, start, options);
  SolverOptions reweighted = options;
  reweighted.curvature = Curvature::reweighted;
  reweighted.max_evaluations = 40;
  const int rounds = objective.has_many_rows() ? kRoundsOfMany : kRounds;
  for (int round = 0; round < rounds && !minimum.converged; ++round) {
    const Minimum between = minimise(objective, minimum.theta, reweighted);
    const int evaluations = minimum.evaluations + between.evaluations;
    minimum = minimise(objective, between.theta, options);
    minimum.evaluations += evaluations;
  }
  return minimum;
}

/// From the minimum of the wide loss to the objective's own delta.
Minimum narrow(const Objective& objective, Minimum minimum) {
  int evaluations = minimum.evaluations;
  SolverOptions loose;
  loose.gradient_tolerance = 1e-3;
  loose.step_tolerance = 1e-3;
  for (double delta = kMiddleDelta; delta > objective.delta(); delta *= kDeltaRatio) {
    minimum = minimise_alternating(objective.with_delta(delta), minimum.theta, loose);
    evaluations += minimum.evaluations;
  }
  minimum = minimise_alternating(objective, minimum.theta, {});
  minimum.evaluations += evaluations;
  return minimum;
}

}  // namespace

double tolerance_of(const Objective& objective, double relative) {
  return objective.weight() *
         (relative * std::min(objective.delta(), 1.0) + rounding(objective.samples()));
}

Box::Box(const Law& law) : size(law.size()) {
  for (std::size_t i = 0; i < size; ++i) {
    lower[i] = law.parameters[i].lower;
    upper[i] = law.parameters[i].upper;
  }
}

Minimum minimise(const Objective& objective, Vector start, const SolverOptions& options) {
  return Descent(objective, start, options).run();
}

Minimum minimise_smoothed(const Objective& objective, const Vector& start) {
  SolverOptions options;
  options.curvature = Curvature::reweighted;
  options.max_evaluations = 60;
  options.gradient_tolerance = 1e-3;
  options.step_tolerance = 1e-3;
  const Objective wide = objective.with_delta(std::max(kWideDelta, objective.delta()));
  const Minimum rough = minimise(wide, start, options);
  Minimum exact = minimise(wide, rough.theta);
  exact.evaluations += rough.evaluations;
  return exact;
}

Minimum minimise_gradually(const Objective& objective, const Vector& start) {
  if (!objective.has_many_rows()) return narrow(objective, minimise_smoothed(objective, start));
  const Samples few = thin_rows(objective.samples());
  const Objective selection(objective.law(), few, objective.delta());
  return polish(objective, minimise_gradually(selection, start).theta);
}

Minimum polish(const Objective& objective, const Vector& start) {
  return minimise_alternating(objective, start, {});
}

}  // namespace isoflop::laws
