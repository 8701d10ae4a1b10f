#include "laws/plan/optimal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/text.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/theta.hpp"
#include "laws/numerics/rounding.hpp"
#include "laws/plan/optimal_draws.hpp"

namespace isoflop::laws {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void require_positive(double value, const char* name) {
  require(std::isfinite(value) && value > 0, "{}: saw {}, needed a number above 0", name, value);
}

void require_goal(const Fit& fit, const Goal& goal, const SplitPlanner& planner, double level) {
  require(level > 0 && level < 1, "level: saw {}, needed a number between 0 and 1", level);
  require(goal.flops.has_value() != goal.loss.has_value(),
          "optimal: needs either flops or a loss to reach");
  require_positive(goal.flops.value_or(1), "flops");
  require(goal.flops.value_or(1) <= SplitPlanner::kMostFlops,
          "flops: saw {:g}, needed at most {:g}", goal.flops.value_or(1), SplitPlanner::kMostFlops);
  require_positive(goal.loss.value_or(1), "loss");
  require(planner.has_trade_off(),
          "optimal: law {} has no trade-off of params and tokens; fit chinchilla or kaplan-nd",
          fit.law);
  require(!goal.demand.unique_tokens || reads(fit, Variable::unique_tokens),
          "optimal: --unique-tokens: the fit of law {} does not read it; fit repeated-data",
          fit.law);
}

Solution require_solution(const Fit& fit, const Goal& goal, const SplitPlanner& planner) {
  constexpr double kRoot = 1e-6;
  const auto solution = solve(fit, planner, goal, state_of(fit));
  require(!solution || !goal.loss || solution->split.log_loss > std::log(*goal.loss) - kRoot,
          "loss: saw {:g}, but by this fit the smallest run that it can plan ({:.3g} FLOP) reaches "
          "{:.6g}: needed a lower loss",
          goal.loss.value_or(0), solution ? solution->flops : 0,
          solution ? std::exp(solution->split.log_loss) : 0);
  if (goal.loss && !solution) {
    const Split most = require_inside(planner.best(state_of(fit), SplitPlanner::kMostFlops),
                                      SplitPlanner::kMostFlops);
    const auto& bound = goal.demand.most_params;
    throw InputError(fmt::format(
        "loss: saw {}, but by this fit even {:.0e} FLOP{} reach only {:.6g}: needed a higher loss",
        *goal.loss, SplitPlanner::kMostFlops,
        bound ? fmt::format(" in {} params at most", short_count(*bound)) : "",
        std::exp(most.log_loss)));
  }
  const double flops = solution ? solution->flops : *goal.flops;
  return {require_inside(solution ? std::optional(solution->split) : std::nullopt, flops), flops};
}

/// Empty where there is none.
std::optional<Unbounded> unbounded_of(const Fit& fit, const Goal& bounded) {
  const Goal goal = without_bound(bounded);
  const SplitPlanner planner(fit, goal.demand);
  const auto solution = solve(fit, planner, goal, state_of(fit));
  if (!solution) return std::nullopt;
  const Split& split = solution->split;
  return Unbounded{split.params, split.tokens, solution->flops, std::exp(split.log_loss)};
}

std::string describe_cover(const Fit& fit, std::size_t laws) {
  std::string covers = "parameters (bootstrap)";
  if (fit.is_ensemble) covers += fmt::format(", disagreement of {} laws", laws);
  if (const auto& parabolas = fit.rollout.parabolas)
    covers += fmt::format(", the N* of the parabolas of {} budgets", parabolas->budgets);
  if (fit.rollout.cuts.empty()) return covers;
  return covers + fmt::format(
                      ", how far N* of fits on less compute strayed ({:.2g}% for each "
                      "factor e beyond them)",
                      100 * std::sqrt(fit.rollout.stray));
}

/// A fit may be sure of a wrong N*, which a few parabolas show without any law. Theirs is that of
/// training alone, without a bound. `deviation` of the fit's own, which it knows by its draws only.
void warn_about_parabolas(const Fit& fit, const Demand& demand, double deviation, double level,
                          Optimum& optimum) {
  constexpr double kClear = 2;  // standard deviations of both
  const auto& parabolas = fit.rollout.parabolas;
  if (!parabolas || optimum.draws.empty()) return;
  const double shift = parabolas->at(optimum.flops);
  const double error = std::sqrt(parabolas->variance_at(optimum.flops));
  if (std::fabs(shift) < kClear * std::hypot(error, deviation)) return;
  const SplitPlanner planner(fit, {0, demand.unique_tokens, std::nullopt});
  const auto trained = planner.best(state_of(fit), optimum.flops);
  if (!trained) return;
  const auto params = [&](double off) { return trained->params * std::exp(off); };
  const double most = demand.most_params.value_or(kInfinity);
  if (std::min(params(0), params(shift)) >= most) return;  // both say the bound
  const double half = normal_half_width(level) * error;
  const auto& interval = optimum.params_interval;
  const bool is_held = demand.inference_tokens == 0 && interval && interval->low <= params(shift) &&
                       params(shift) <= interval->high;
  optimum.warnings.push_back(fmt::format(
      "the parabolas of {} of your budgets put the best N{}{} at {} ({} to {}), this fit at {}: "
      "further apart than either allows{}. Compare the laws, or fit the ensemble",
      parabolas->budgets, demand.inference_tokens > 0 ? " for training alone" : "",
      optimum.is_at_bound ? " without the bound" : "", short_count(params(shift)),
      short_count(params(shift - half)), short_count(params(shift + half)), short_count(params(0)),
      is_held ? "; the interval reaches for both" : ""));
}

/// Draws that say less than a split.
void warn_about_draws(const std::vector<Solution>& solutions, Optimum& optimum) {
  const auto say = [&](const char* what, auto&& is_one) {
    const auto count = std::ranges::count_if(solutions, is_one);
    if (count > 0)
      optimum.warnings.push_back(fmt::format("{} of {} draws {}", count, solutions.size(), what));
  };
  say("have no such run at any cost", [](const Solution& one) { return std::isinf(one.flops); });
  say("have no best split: their loss falls on to one token or one parameter, and nothing bounds "
      "params or tokens",
      [](const auto& one) {
        const auto& [split, flops] = one;
        return std::isfinite(flops) && (std::isinf(split.params) || std::isinf(split.tokens));
      });
}

void fill_intervals(const Goal& goal, const Fit& fit, double level, Optimum& optimum) {
  std::vector<double> params, tokens, flops;
  const auto [solutions, laws, deviation] = draw_solutions(fit, goal, optimum);
  const std::size_t asked = fit.draws.asked;
  const std::size_t lost = asked - std::min(asked, solutions.size());
  if (are_too_many_lost(lost, asked, level)) {
    optimum.warnings.push_back(
        fmt::format("{} of {} bootstrap draws of the fit leave this open: no intervals, for the "
                    "other draws are no fair sample",
                    lost, asked));
    optimum.is_spread_unknown = true;
    return;
  }
  const std::string covers = describe_cover(fit, laws);
  for (const Solution& drawn : solutions) {
    optimum.draws.push_back(drawn.split);
    params.push_back(drawn.split.params);
    tokens.push_back(drawn.split.tokens);
    flops.push_back(drawn.flops);
  }
  const auto interval = [&](std::vector<double> drawn) {
    auto result = interval_over_draws(std::move(drawn), level, covers);
    if (result) result->not_calibrated = why_not_calibrated(fit);
    return result;
  };
  optimum.params_interval = interval(std::move(params));
  optimum.tokens_interval = interval(std::move(tokens));
  optimum.flops_interval = interval(std::move(flops));
  warn_about_parabolas(fit, goal.demand, deviation, level, optimum);
  warn_about_draws(solutions, optimum);
}

void warn_about_rounding(const Fit& fit, const Demand& demand, Optimum& optimum) {
  const auto range = rounding_range(fit, demand, optimum.total_flops());
  if (!range) return;
  optimum.warnings.push_back(fmt::format(
      "every parameter of this fit has at most 4 digits, as if copied from print: rounding alone "
      "leaves params anywhere from {} to {} and tokens from {} to {}; use the values in full",
      short_count(range->params.low), short_count(range->params.high),
      short_count(range->tokens.low), short_count(range->tokens.high)));
}

std::vector<double> state_from(const Fit& fit, const std::vector<double>& values) {
  if (fit.is_frontier()) return values;
  const Law& law = find_law(fit.law);
  return to_row(law.coordinates(to_vector(values)), law.size());
}

}  // namespace

double flops_within(const Machine& machine, double hours) {
  require_positive(machine.gpus, "gpus");
  require_positive(machine.peak_flops, "peak-flops");
  require_positive(machine.mfu, "mfu");
  require_positive(hours, "hours");
  require(machine.mfu <= 1, "mfu: saw {}, needed a share of the peak, at most 1", machine.mfu);
  return hours * 3600 * machine.gpus * machine.peak_flops * machine.mfu;
}

double hours_for(const Machine& machine, double flops) {
  return flops / flops_within(machine, 1.0);
}

std::optional<RoundingRange> rounding_range(const Fit& fit, const Demand& demand,
                                            double total_flops) {
  const SplitPlanner planner(fit, demand);
  const std::vector<double> values = fit.values();
  const auto centre = planner.best(state_of(fit), total_flops);
  if (!centre) return std::nullopt;
  double params = 0;  // in ln
  double tokens = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto half = half_last_digit(values[i]);
    if (!half) return std::nullopt;
    std::vector<double> moved = values;
    moved[i] += *half;
    const auto split = planner.best(state_from(fit, moved), total_flops);
    if (!split) return std::nullopt;
    params += std::fabs(std::log(split->params / centre->params));
    tokens += std::fabs(std::log(split->tokens / centre->tokens));
  }
  return RoundingRange{{centre->params * std::exp(-params), centre->params * std::exp(params)},
                       {centre->tokens * std::exp(-tokens), centre->tokens * std::exp(tokens)}};
}

Optimum optimal(const Fit& fit, const Goal& goal, double level) {
  const SplitPlanner planner(fit, goal.demand);
  require_goal(fit, goal, planner, level);
  const Solution solution = require_solution(fit, goal, planner);
  const Split& split = solution.split;
  Optimum optimum;
  optimum.params = split.params;
  optimum.tokens = split.tokens;
  optimum.flops = solution.flops;
  optimum.inference_flops = 2 * split.params * goal.demand.inference_tokens;
  RunSize run;
  if (fit.is_frontier()) {
    run.flops = optimum.flops;
  } else {
    run.params = split.params;
    run.tokens = split.tokens;
    run.unique_tokens = goal.demand.unique_tokens;
  }
  optimum.prediction = predict(fit, run, level);
  optimum.warnings = optimum.prediction.warnings;
  optimum.is_at_bound = is_at_bound(split, goal.demand);
  if (optimum.is_at_bound) optimum.unbounded = unbounded_of(fit, goal);
  fill_intervals(goal, fit, level, optimum);
  warn_about_rounding(fit, goal.demand, optimum);
  return optimum;
}

Optimum optimal(const Fit& fit, double flops, double level) {
  return optimal(fit, Goal{.flops = flops, .loss = std::nullopt, .demand = {}}, level);
}

}  // namespace isoflop::laws
