#include "laws/fit/parabolas.hpp"

#include <algorithm>
#include <cmath>

#include "laws/fit/budgets.hpp"
#include "laws/fit/mixture.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kFewestBudgets = 5;  // for a variance of Student's

bool reads_both(const Law& law) {
  return law.response == Variable::loss && !law.reads_curves &&
         reads(law.variables, Variable::params) && reads(law.variables, Variable::tokens);
}

/// What the mixture of all laws gives at the points of a profile.
Profile by_fit(Profile profile, std::span<const LawRollout> rollouts,
               const std::vector<double>& weights) {
  for (std::size_t i = 0; i < profile.rows.size(); ++i) {
    std::vector<WeightedValue> values;
    for (std::size_t m = 0; m < rollouts.size(); ++m) {
      const LawRollout& rollout = rollouts[m];
      values.push_back({weights[m], rollout.contender.law->evaluate(
                                        rollout.samples.row(profile.rows[i]),
                                        rollout.stages.back()->theta.data(), nullptr, nullptr)});
    }
    profile.loss[i] = std::exp(mix_values(values));
  }
  return profile;
}

/// A straight line through `shifts` by ln(C / C of the last).
ParabolaShift line_through(const std::vector<double>& log_flops,
                           const std::vector<double>& shifts) {
  const auto count = static_cast<double>(shifts.size());
  double mean_h = 0;
  double mean = 0;
  for (std::size_t k = 0; k < shifts.size(); ++k) {
    mean_h += (log_flops[k] - log_flops.back()) / count;
    mean += shifts[k] / count;
  }
  double squares = 0;
  double product = 0;
  for (std::size_t k = 0; k < shifts.size(); ++k) {
    const double h = log_flops[k] - log_flops.back() - mean_h;
    squares += h * h;
    product += h * shifts[k];
  }
  ParabolaShift line{.budgets = shifts.size(), .flops = std::exp(log_flops.back())};
  line.slope = product / squares;
  line.level = mean - line.slope * mean_h;
  double scatter = 0;
  for (std::size_t k = 0; k < shifts.size(); ++k) {
    const double h = log_flops[k] - log_flops.back();
    scatter += std::pow(shifts[k] - line.level - line.slope * h, 2);
  }
  const double variance = scatter / (count - 4);  // (n - 2) / (n - 4) times that of the scatter
  line.slope_variance = variance / squares;
  line.covariance = -mean_h * line.slope_variance;
  line.level_variance = variance / count + mean_h * mean_h * line.slope_variance;
  return line;
}

/// ln(6 N D), whatever the points count as FLOP: mean over the profile.
double log_training_flops(const Profile& profile) {
  double sum = 0;
  for (std::size_t i = 0; i < profile.rows.size(); ++i)
    sum += profile.log_params[i] + profile.log_tokens[i];
  return std::log(6.0) + sum / static_cast<double>(profile.rows.size());
}

/// ln N*. The parabola of a fit that is off may have it beyond the sizes, and one without curvature
/// anywhere at all: no further than this counts.
double log_params_of(const ProfileMinimum& fitted, const Profile& profile) {
  const double furthest = std::log(100.0);
  const auto [low, high] = std::ranges::minmax(profile.log_params);
  return std::clamp(std::log(fitted.budget.params), low - furthest, high + furthest);
}

}  // namespace

double ParabolaShift::at(double budget) const { return level + slope * std::log(budget / flops); }

double ParabolaShift::variance_at(double budget) const {
  const double h = std::log(budget / flops);
  return std::max(0.0, level_variance + h * (2 * covariance + h * slope_variance));
}

std::optional<ParabolaShift> parabolas_against(const Points& prepared,
                                               std::span<const LawRollout> rollouts,
                                               const std::vector<double>& weights) {
  const bool is_known = !prepared.params.empty() && !prepared.tokens.empty();
  if (!is_known || !std::ranges::all_of(rollouts, [](const LawRollout& rollout) {
        return reads_both(*rollout.contender.law);
      }))
    return std::nullopt;
  const auto [profiles, without_gap] = split_by_budget(prepared);
  if (without_gap) return std::nullopt;
  std::vector<double> log_flops, shifts;
  for (const Profile& profile : profiles) {
    const ProfileMinimum measured = find_minimum(profile, profile.weight, kCurvatureErrors);
    if (!measured.budget.rejected.empty()) continue;
    const ProfileMinimum fitted =
        find_minimum(by_fit(profile, rollouts, weights), profile.weight, 0);
    const bool beyond_sizes = fitted.edge != Edge::none;
    if (!fitted.budget.rejected.empty() && !beyond_sizes) continue;
    log_flops.push_back(log_training_flops(profile));
    shifts.push_back(std::log(measured.budget.params) - log_params_of(fitted, profile));
  }
  if (shifts.size() < kFewestBudgets) return std::nullopt;
  return line_through(log_flops, shifts);
}

}  // namespace isoflop::laws
