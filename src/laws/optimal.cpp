#include "laws/optimal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/bootstrap.hpp"
#include "laws/report.hpp"

namespace isoflop::laws {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void require_positive(double value, const char* name) {
  require(std::isfinite(value) && value > 0, "{}: saw {}, needed a number above 0", name, value);
}

/// Quantiles over draws, infinite ones included.
std::optional<Interval> interval_over(std::vector<double> drawn, double level) {
  if (drawn.size() < 2) return std::nullopt;
  std::sort(drawn.begin(), drawn.end());
  const auto at = [&](double probability) {
    const double value = quantile(drawn, probability);
    return std::isnan(value) ? kInfinity : value;  // between a number and infinity
  };
  return Interval{level, at((1 - level) / 2), at((1 + level) / 2), "parameters (bootstrap)"};
}

/// The best split for what the goal fixes; empty when no run reaches the loss.
std::optional<Split> solve(const Planner& planner, const Goal& goal,
                           const std::vector<double>& values) {
  if (goal.flops) return planner.best(values, *goal.flops);
  const auto total = planner.cheapest(values, *goal.loss);
  if (!total) return std::nullopt;
  return planner.best(values, *total);
}

void require_goal(const Fit& fit, const Goal& goal, const Planner& planner, double level) {
  require(level > 0 && level < 1, "level: saw {}, needed a number between 0 and 1", level);
  require(goal.flops.has_value() != goal.loss.has_value(),
          "optimal: needs either flops or a loss to reach");
  require_positive(goal.flops.value_or(1), "flops");
  require_positive(goal.loss.value_or(1), "loss");
  require(planner.has_trade_off(),
          "optimal: law {} has no trade-off of params and tokens; fit chinchilla or kaplan-nd",
          fit.law);
}

Split require_split(const Fit& fit, const Goal& goal, const Planner& planner) {
  const auto split = solve(planner, goal, fit.values());
  if (split) return *split;
  if (goal.loss) {
    const auto most = planner.best(fit.values(), Planner::kMostFlops);
    throw InputError(fmt::format(
        "loss: saw {}, but by this fit even {:.0e} FLOP reach only {:.6g}: needed a higher loss",
        *goal.loss, Planner::kMostFlops, most ? std::exp(most->log_loss) : kInfinity));
  }
  throw InputError(fmt::format(
      "flops: at {:g} FLOP the lowest loss of this fit lies at an end, one token or one "
      "parameter: needed a larger budget, or a fit whose exponents are both above 0",
      *goal.flops));
}

/// 6 N D. The N* and D* of a frontier are two lines of their own, whose product is only about the
/// budget: a budget that is given stands.
double training_flops(const Fit& fit, const Goal& goal, const Split& split) {
  return fit.is_frontier() && goal.flops ? *goal.flops : 6 * split.params * split.tokens;
}

void fill_intervals(const Planner& planner, const Goal& goal, const Fit& fit, double level,
                    Optimum& optimum) {
  std::vector<double> params, tokens, flops;
  for (const auto& row : fit.draws.rows) {
    const auto split = solve(planner, goal, row);
    if (split) optimum.draws.push_back(*split);
    params.push_back(split ? split->params : kInfinity);
    tokens.push_back(split ? split->tokens : kInfinity);
    flops.push_back(split ? training_flops(fit, goal, *split) : kInfinity);
  }
  const std::size_t without = fit.draws.rows.size() - optimum.draws.size();
  if (without > 0)
    optimum.warnings.push_back(fmt::format("{} of {} bootstrap draws have no such run at any cost",
                                           without, fit.draws.rows.size()));
  optimum.params_interval = interval_over(std::move(params), level);
  optimum.tokens_interval = interval_over(std::move(tokens), level);
  optimum.flops_interval = interval_over(std::move(flops), level);
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

/// Half a unit of the last of at most 4 digits; empty when the value has more.
std::optional<double> half_last_digit(double value) {
  constexpr int kMostDigits = 4;
  for (int digits = 1; digits <= kMostDigits; ++digits) {
    const std::string text = fmt::format("{:.{}e}", value, digits - 1);
    if (std::stod(text) != value) continue;
    const int exponent = std::stoi(text.substr(text.find('e') + 1));
    return 0.5 * std::pow(10.0, exponent - digits + 1);
  }
  return std::nullopt;
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
  const Planner planner(fit, demand);
  const std::vector<double> values = fit.values();
  const auto centre = planner.best(values, total_flops);
  if (!centre) return std::nullopt;
  double params = 0;  // in ln
  double tokens = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto half = half_last_digit(values[i]);
    if (!half) return std::nullopt;
    std::vector<double> moved = values;
    moved[i] += *half;
    const auto split = planner.best(moved, total_flops);
    if (!split) return std::nullopt;
    params += std::fabs(std::log(split->params / centre->params));
    tokens += std::fabs(std::log(split->tokens / centre->tokens));
  }
  return RoundingRange{{centre->params * std::exp(-params), centre->params * std::exp(params)},
                       {centre->tokens * std::exp(-tokens), centre->tokens * std::exp(tokens)}};
}

Optimum optimal(const Fit& fit, const Goal& goal, double level) {
  const Planner planner(fit, goal.demand);
  require_goal(fit, goal, planner, level);
  const Split split = require_split(fit, goal, planner);
  Optimum optimum;
  optimum.params = split.params;
  optimum.tokens = split.tokens;
  optimum.flops = training_flops(fit, goal, split);
  optimum.inference_flops = 2 * split.params * goal.demand.inference_tokens;
  RunSize run;
  run.flops = optimum.flops;
  if (!fit.is_frontier()) {
    run.params = split.params;
    run.tokens = split.tokens;
    run.unique_tokens = goal.demand.unique_tokens;
  }
  optimum.prediction = predict(fit, run, level);
  fill_intervals(planner, goal, fit, level, optimum);
  warn_about_rounding(fit, goal.demand, optimum);
  return optimum;
}

Optimum optimal(const Fit& fit, double flops, double level) {
  return optimal(fit, Goal{.flops = flops, .loss = std::nullopt, .demand = {}}, level);
}

}  // namespace isoflop::laws
