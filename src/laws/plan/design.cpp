#include "laws/plan/design.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/theta.hpp"
#include "laws/numerics/robust_deviation.hpp"
#include "laws/search/objective.hpp"

namespace isoflop::laws {
namespace {

const double kGridStep = std::pow(10.0, 0.25);
constexpr double kStretch = 2;        // of the range of tokens a parameter
constexpr double kLeastShare = 1e-3;  // a run that gains less of the variance is not worth it
constexpr double kBudgetShares[] = {0.999999, 0.5, 0.333333, 0.2, 0.1};  // one run each
constexpr double kClearlyLower = 0.95;  // else the plan of fewer, larger runs stands
constexpr double kMostBend = 1;         // a change of the exponent by 1

/// The variance of ln loss that a normal law of it would need to make the Huber estimate as noisy
/// as it is: E[psi^2] / E[psi']^2 for residuals N(0, s^2) clipped at delta (Huber 1964).
double huber_noise(double deviation, double delta) {
  const double cut = delta / deviation;
  const double inside = std::erf(cut / std::sqrt(2.0));
  if (inside < 1e-6) return deviation * deviation * 1.5707963267948966;  // the median's
  const double density = std::exp(-0.5 * cut * cut) * 0.3989422804014327;
  const double squares = inside - 2 * cut * density + cut * cut * (1 - inside);
  return deviation * deviation * squares / (inside * inside);
}

/// Standard deviation of ln loss of a run: outliers, which the Huber loss ignores, must not count.
double robust_noise(const Law& law, const Samples& samples, const Vector& theta,
                    double residual_rms) {
  std::vector<double> sizes;
  for (const double residual : Objective(law, samples, 1).residuals(theta))
    sizes.push_back(std::fabs(residual));
  return std::max(1e-6, std::min(residual_rms, robust_deviation(std::move(sizes), law.size())));
}

void require_options(const DesignOptions& options) {
  const auto require_positive = [](double value, const char* name) {
    require(std::isfinite(value) && value > 0, "{}: saw {}, needed a number above 0", name, value);
  };
  require_positive(options.target.params, "target-params");
  require_positive(options.target.tokens, "target-tokens");
  require_positive(options.budget, "budget");
  require(options.most_runs > 0, "runs: saw 0, needed at least 1");
  for (const double size : options.sizes) require_positive(size, "sizes");
}

std::vector<Variable> planned_variables(const Law& law, const Fit& fit) {
  require(law.response == Variable::loss && law.scale == Scale::log,
          "suggest: law {} predicts the {}, but runs are planned for a loss: choose a law of the "
          "loss",
          law.name, to_string(law.response));
  const std::vector<Variable> variables = variables_of(law, fit.variable);
  for (const Variable variable : variables)
    require(
        variable == Variable::params || variable == Variable::tokens || variable == Variable::flops,
        "suggest: law {} reads {}, but runs are planned by params and tokens: choose another "
        "law",
        law.name, to_string(variable));
  require(!fit.is_frontier(), "suggest: {} has no law of single runs; use --method approach3",
          fit.method);
  return variables;
}

/// What predict() says of the variance of the target's ln loss, its own noise taken off.
double variance_of(const Prediction& prediction) {
  if (!prediction.interval) return 0;
  const double half = 0.5 * std::log(prediction.interval->high / prediction.interval->low);
  const double deviation = half / normal_half_width(prediction.interval->level);
  return std::max(0.0, deviation * deviation - prediction.noise_variance);
}

/// q at which the variance before new runs is `wanted`; 0 when the law alone has as much.
template <class Make>
double calibrate_bend(Make&& make, double wanted) {
  if (make(0.0).variance() >= wanted) return 0;
  double low = 1e-12;
  double high = kMostBend;
  if (make(high).variance() <= wanted) return high;
  for (int step = 0; step < 40; ++step) {
    const double middle = std::sqrt(low * high);
    (make(middle).variance() < wanted ? low : high) = middle;
  }
  return std::sqrt(low * high);
}

/// Greedy choice by gain / FLOP^power within the budget.
std::vector<Candidate> choose(TargetVariance state, std::vector<Candidate> candidates,
                              double budget, std::size_t most, double power) {
  std::vector<Candidate> chosen;
  const double start = state.variance();
  while (chosen.size() < most) {
    std::erase_if(candidates, [&](const Candidate& run) { return run.flops() > budget; });
    const Candidate* best = nullptr;
    double best_score = 0;
    for (const Candidate& run : candidates) {
      const double gain = state.gain(run);
      const double score = gain / std::pow(run.flops(), power);
      if (gain > kLeastShare * start && score > best_score) {
        best_score = score;
        best = &run;
      }
    }
    if (!best) break;
    const Candidate run = *best;
    state.add(run);
    chosen.push_back(run);
    budget -= run.flops();
    std::erase_if(candidates, [&](const Candidate& other) {
      return other.params == run.params && other.tokens == run.tokens;
    });
  }
  return chosen;
}

double variance_after(TargetVariance state, const std::vector<Candidate>& runs) {
  for (const Candidate& run : runs) state.add(run);
  return state.variance();
}

std::vector<Candidate> best_choice(const TargetVariance& now,
                                   const std::vector<Candidate>& candidates,
                                   const DesignOptions& options) {
  std::vector<Candidate> best;
  double lowest = now.variance();
  for (const double power : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const auto chosen = choose(now, candidates, options.budget, options.most_runs, power);
    const double variance = variance_after(now, chosen);
    if (variance < kClearlyLower * lowest || (best.empty() && variance < lowest)) {
      lowest = variance;
      best = chosen;
    }
  }
  // In the order of their worth, for whoever stops early.
  return choose(now, best, options.budget * (1 + 1e-9), best.size(), 1.0);
}

}  // namespace

std::vector<Candidate> candidate_runs(const Points& prepared, const Candidate& target,
                                      double budget, const std::vector<double>& sizes) {
  const double low_params = std::ranges::min(prepared.params);
  const double high_params = std::ranges::max(prepared.params);
  const double low_tokens = std::ranges::min(prepared.tokens);
  double low_ratio = target.tokens / target.params;
  double high_ratio = low_ratio;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    low_ratio = std::min(low_ratio, prepared.tokens[i] / prepared.params[i]);
    high_ratio = std::max(high_ratio, prepared.tokens[i] / prepared.params[i]);
  }
  std::vector<Candidate> runs;
  const auto add = [&](double params, double tokens) {
    const Candidate run{params, tokens};
    const double ratio = tokens / params;
    if (params <= std::max(target.params, high_params) && tokens >= low_tokens &&
        tokens <= target.tokens * kStretch && ratio >= low_ratio / kStretch &&
        ratio <= high_ratio * kStretch && run.flops() <= budget && run.flops() < target.flops())
      runs.push_back(run);
  };
  std::vector<double> params = sizes;
  if (params.empty())
    for (double size = low_params; size <= target.params; size *= kGridStep) params.push_back(size);
  for (const double size : params) {
    for (double tokens = low_tokens; tokens <= target.tokens; tokens *= kGridStep)
      add(size, tokens);
    for (const double share : kBudgetShares) add(size, budget * share / (6 * size));
  }
  return runs;
}

Interval interval_after(const Design& design, double level, double deviation) {
  const double variance = deviation * deviation + design.now.noise_variance;
  const double half = normal_half_width(level) * std::sqrt(variance);
  return {level, design.now.value * std::exp(-half), design.now.value * std::exp(half),
          "parameters, bends of the law and the noise of the target's run, linearised"};
}

Design suggest(const Points& points, const DesignOptions& options) {
  require_options(options);
  Points prepared = merge_repeats(prepare(points));
  if (options.fit.drop_worst > 0) prepared = drop_worst(prepared, options.fit.drop_worst);
  return plan_runs(fit(points, options.fit), prepared, options);
}

Design plan_runs(const Fit& fit, const Points& prepared, const DesignOptions& options) {
  require_options(options);
  for (const Variable size : {Variable::params, Variable::tokens})  // whatever the law reads
    require(!column(prepared, size).empty(),
            "suggest: the points have no {}, by which runs are planned: add a column '{}'",
            to_string(size), to_string(size));
  Design design;
  design.fit = fit;
  const Law& law = find_law(design.fit.law);
  const std::vector<Variable> variables = planned_variables(law, design.fit);
  design.now = predict(design.fit, options.target.params, options.target.tokens, options.level);
  const Vector theta = theta_of(design.fit);
  design.noise =
      robust_noise(law, make_samples(law, prepared, variables), theta, design.fit.residual_rms);
  design.effective_noise = huber_noise(design.noise, options.fit.huber_delta);
  const auto make = [&](double bend) {
    return TargetVariance(law, variables, theta, prepared, options.target, design.effective_noise,
                          bend);
  };
  design.bend = options.bend.value_or(-1);
  if (!options.bend) design.bend = calibrate_bend(make, variance_of(design.now));
  TargetVariance state = make(design.bend);
  design.deviation = std::sqrt(state.variance());

  const auto candidates = candidate_runs(prepared, options.target, options.budget, options.sizes);
  require(!candidates.empty(),
          "budget: {:.3g} FLOP pay for no run between the smallest one fitted and the target: "
          "needed at least {:.3g}",
          options.budget,
          6 * std::ranges::min(prepared.params) * std::ranges::min(prepared.tokens));
  double spent = 0;
  for (const Candidate& run : best_choice(state, candidates, options)) {
    state.add(run);
    spent += run.flops();
    const double deviation = std::sqrt(state.variance());
    design.runs.push_back(
        {run, spent, deviation, interval_after(design, options.level, deviation)});
  }
  return design;
}

}  // namespace isoflop::laws
