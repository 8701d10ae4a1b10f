#include "laws/optimal.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/allocation.hpp"
#include "laws/bootstrap.hpp"

namespace isoflop::laws {
namespace {

std::optional<Interval> interval_over_draws(std::vector<double> drawn, double level) {
  std::erase_if(drawn, [](double value) { return !std::isfinite(value); });
  if (drawn.size() < 2) return std::nullopt;
  std::sort(drawn.begin(), drawn.end());
  return Interval{level, quantile(drawn, (1 - level) / 2), quantile(drawn, (1 + level) / 2),
                  "parameters (bootstrap)"};
}

}  // namespace

Optimum optimal(const Fit& fit, double flops, double level) {
  require(std::isfinite(flops) && flops > 0, "flops: saw {}, needed a number above 0", flops);
  const auto best = compute_optimal(fit, fit.values(), flops);
  require(best.has_value(),
          "optimal: law {} has no trade-off of params and tokens; fit chinchilla or kaplan-nd",
          fit.law);
  Optimum optimum{flops, best->params, best->tokens, {}, {}, {}};
  const RunSize run = fit.is_frontier() ? RunSize{std::nullopt, std::nullopt, flops, std::nullopt}
                                        : RunSize{best->params, best->tokens, flops, std::nullopt};
  optimum.prediction = predict(fit, run, level);
  std::vector<double> params;
  std::vector<double> tokens;
  for (const auto& row : fit.draws.rows) {
    const auto of_draw = compute_optimal(fit, row, flops);
    params.push_back(of_draw->params);
    tokens.push_back(of_draw->tokens);
  }
  optimum.params_interval = interval_over_draws(std::move(params), level);
  optimum.tokens_interval = interval_over_draws(std::move(tokens), level);
  return optimum;
}

}  // namespace isoflop::laws
