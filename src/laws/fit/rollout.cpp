#include "laws/fit/rollout.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "laws/fit/robust_fit.hpp"
#include "laws/numerics/robust_deviation.hpp"
#include "laws/search/objective.hpp"
#include "laws/search/search.hpp"

namespace isoflop::laws {
namespace {

constexpr double kGap = 1.05;       // closer sizes belong to one budget
constexpr double kBudgetWidth = 2;  // sizes without a gap over more than that are no budget
constexpr double kSpacing = 1.3;
constexpr std::size_t kMostCuts = 12;
constexpr double kCertain = 1e100;  // a fixed parameter leaves nothing open

std::vector<std::size_t> rows_up_to(const Cuts& cuts, double cut) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < cuts.extents.size(); ++i)
    if (cuts.size(i) <= cut) rows.push_back(i);
  return rows;
}

/// A vanishing direction (a term that the data do not show) must not make the factor fail. NaN
/// where no row has a gradient.
void factor_information(Matrix& information, std::size_t n) {
  constexpr double kRidge = 1e-9;
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, at(information, i, i));
  for (double ridge = kRidge * largest;; ridge *= 10) {
    Matrix factor = information;
    for (std::size_t i = 0; i < n; ++i) at(factor, i, i) += ridge;
    if (factor_cholesky(factor, n)) {
      information = factor;
      return;
    }
    if (!(ridge > 0 && std::isfinite(ridge))) {
      information.fill(std::numeric_limits<double>::quiet_NaN());
      return;
    }
  }
}

/// Of the rows of one step, or of all.
double rms_of(const Law& law, const Samples& samples, const Vector& theta,
              std::optional<std::size_t> step) {
  double weight = 0;
  double squares = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (step && samples.step[i] != *step) continue;
    const double residual =
        law.evaluate(samples.row(i), theta.data(), nullptr, nullptr) - samples.y[i];
    weight += samples.weight[i];
    squares += samples.weight[i] * residual * residual;
  }
  return std::sqrt(squares / weight);
}

/// Root mean square of the residuals, in which one of a run gone wrong counts as one robust
/// deviation: larger runs do not scatter so. Where more than a quarter lie so far off the law is
/// wrong, and uneven weights say by themselves what a run counts for: then every residual counts.
double scatter_of(const Law& law, const Samples& samples, const Vector& theta) {
  // Counted in docs/laws/intervals.md; nobody is told to look at a run but further out
  // (outliers.cpp).
  constexpr double kGross = 8;  // robust deviations
  constexpr std::size_t kShareOfAll = 4;
  std::vector<double> sizes;
  for (std::size_t i = 0; i < samples.size(); ++i)
    sizes.push_back(
        std::fabs(law.evaluate(samples.row(i), theta.data(), nullptr, nullptr) - samples.y[i]));
  const double deviation = robust_deviation(sizes, law.free_parameters());
  const auto is_gross = [&](double size) { return size > kGross * deviation; };
  const auto gross = static_cast<std::size_t>(std::ranges::count_if(sizes, is_gross));
  if (gross == 0 || gross > sizes.size() / kShareOfAll || !samples.weighs_evenly())
    return rms_of(law, samples, theta, {});
  double squares = 0;
  for (const double size : sizes) squares += is_gross(size) ? deviation * deviation : size * size;
  return std::sqrt(squares / static_cast<double>(sizes.size()));
}

/// (noise of the response / noise of the step)^2; empty for a law of one step.
std::vector<double> precision_of_steps(const Law& law, const Samples& fitted,
                                       const Samples& responses, const Vector& theta) {
  constexpr double kExact = 1e-9;  // noise-free steps weigh the same
  std::vector<double> precision;
  if (fitted.step.empty()) return precision;
  const double noise = rms_of(law, responses, theta, {}) + kExact;
  for (std::size_t step = 0; step <= std::ranges::max(fitted.step); ++step) {
    const double ratio = noise / (rms_of(law, fitted, theta, step) + kExact);
    precision.push_back(ratio * ratio);
  }
  return precision;
}

/// The optimum for `samples` as somebody finds it who has nothing else.
Vector find_afresh(const Law& law, const Samples& samples, double huber_delta) {
  return search_quickly(Objective(law, samples, huber_delta));
}

}  // namespace

Stage make_stage(const Law& law, const Samples& fitted, const Samples& responses,
                 const Vector& theta) {
  Stage stage{theta, rms_of(law, responses, theta, {}), scatter_of(law, responses, theta), {}};
  const std::size_t n = law.size();
  const double spent =
      static_cast<double>(law.free_parameters()) / static_cast<double>(fitted.size());
  const double left = std::max(1 / static_cast<double>(responses.size()), 1 - spent);
  stage.residual_rms /= std::sqrt(left);
  stage.noise /= std::sqrt(left);
  const std::vector<double> precision = precision_of_steps(law, fitted, responses, theta);
  Vector gradient{};
  double weight = 0;
  for (std::size_t i = 0; i < fitted.size(); ++i) {
    weight += fitted.weight[i];
    law.evaluate(fitted.row(i), theta.data(), gradient.data(), nullptr);
    const double w = fitted.weight[i] * (fitted.step.empty() ? 1 : precision[fitted.step[i]]);
    for (std::size_t row = 0; row < n; ++row)
      for (std::size_t k = 0; k <= row; ++k)
        at(stage.information, row, k) += w * gradient[row] * gradient[k];
  }
  for (double& entry : stage.information) entry *= static_cast<double>(fitted.size()) / weight;
  factor_information(stage.information, n);
  for (std::size_t i = 0; i < n; ++i)
    if (law.parameters[i].is_fixed()) at(stage.information, i, i) = kCertain;
  return stage;
}

Forecast forecast(const Law& law, const double* x, const Stage& stage) {
  Vector gradient{};
  const double value = law.evaluate(x, stage.theta.data(), gradient.data(), nullptr);
  Vector solved = gradient;
  solve_cholesky(stage.information, law.size(), solved);
  double leverage = 0;
  for (std::size_t i = 0; i < law.size(); ++i) leverage += solved[i] * gradient[i];
  return {value, stage.noise * stage.noise * leverage};
}

double capped_miss(double miss, double largest) {
  return std::isnan(miss) ? largest : std::clamp(miss, -largest, largest);
}

double largest_miss(const Law& law) {
  const bool is_setting =
      law.response == Variable::learning_rate || law.response == Variable::batch;
  return is_setting ? std::log(10.0) : kLargestMiss;
}

Cuts cut_points(const Points& prepared, const Growth& growth, std::size_t fewest_below) {
  Cuts result{growth};
  std::vector<double> sizes;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    result.extents.push_back(extent_of(growth, prepared, i));
    sizes.push_back(result.size(i));
  }
  std::sort(sizes.begin(), sizes.end());
  const std::size_t step = std::max<std::size_t>(1, sizes.size() / kMostCuts);
  std::vector<double>& cuts = result.sizes;
  std::size_t below_last = 0;
  double first = sizes.front();  // behind the last gap
  for (std::size_t below = 1; below < sizes.size(); ++below) {
    const double cut = sizes[below - 1];
    const bool is_gap = sizes[below] > kGap * cut;
    const bool is_continuum = sizes[below] > cut && cut > kBudgetWidth * first;
    if (is_gap) first = sizes[below];
    if (!(is_gap || is_continuum) || below < fewest_below || below - below_last < step) continue;
    if (!cuts.empty() && cut <= kSpacing * cuts.back()) continue;
    cuts.push_back(cut);
    below_last = below;
    first = sizes[below];
  }
  return result;
}

LawRollout roll_out(const Contender& contender, const Points& prepared, const Cuts& cuts,
                    double huber_delta, const Vector& theta) {
  const Law& law = *contender.law;
  LawRollout rollout{contender, make_samples(law, prepared, contender.variables), {}};
  rollout.stages.resize(cuts.sizes.size() + 1);
  const auto stage_of = [&](const Points& points, const Samples& fitted, const Vector& at) {
    const bool has_steps = !fitted.step.empty();
    return make_stage(law, fitted,
                      has_steps ? make_samples(law, points, contender.variables) : fitted, at);
  };
  rollout.stages.back() = stage_of(prepared, law.rows(prepared, contender.variables), theta);
  for (std::size_t k = cuts.sizes.size(); k-- > 0;) {
    const Points small = select(prepared, rows_up_to(cuts, cuts.sizes[k]));
    if (!is_enough(small, law, contender.variables)) break;
    const Samples samples = law.rows(small, contender.variables);
    rollout.stages[k] = stage_of(small, samples, find_afresh(law, samples, huber_delta));
  }
  return rollout;
}

}  // namespace isoflop::laws
