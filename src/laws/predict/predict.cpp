#include "laws/predict/predict.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/fit/allocation.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/fit/mixture.hpp"
#include "laws/fit/theta.hpp"
#include "laws/fit/warnings.hpp"
#include "laws/law/law.hpp"
#include "laws/numerics/rounding.hpp"

namespace isoflop::laws {
namespace {

void require_size(const std::optional<double>& size, std::string_view name) {
  require(!size || (std::isfinite(*size) && *size > 0), "{}: saw {}, needed a number above 0", name,
          size.value_or(0));
}

void require_level(double level) {
  require(level > 0 && level < 1, "level: saw {}, needed a number between 0 and 1", level);
}

MixtureTerm term_of(const Member& member, const RunSize& run) {
  const Law& law = find_law(member.law);
  require(!law.reads_curves, "law {} predicts whole curves: give --schedule", member.law);
  const std::vector<Variable> variables = variables_of(law, member.variable);
  std::vector<double> x;
  for (const Variable variable : variables) {
    const std::optional<double>& size = quantity(run, variable);
    require(size.has_value(), "law {} reads {}: give it", member.law, to_string(variable));
    x.push_back(std::log(*size));
  }
  x.resize(variables.size() + law.extra_columns, 0.0);
  return {member.weight, member.noise, forecast(law, x.data(), stage_of(member))};
}

/// How far beyond the points of the fit; 0 inside.
double distance_of(const Fit& fit, const RunSize& run) {
  const Rollout& rollout = fit.rollout;
  return std::max(0.0, distance_beyond(rollout.reach, extent_of(rollout.growth, run)));
}

/// Why how far it is beyond the points has no part in an interval; empty: it has.
std::string why_not_calibrated(const Fit& fit, const RunSize& run) {
  const Growth& growth = fit.rollout.growth;
  if (fit.rollout.cuts.empty() || !std::isnan(extent_of(growth, run).front()))
    return why_not_calibrated(fit);
  return fmt::format("the run's {} is not known, nor then how far it is beyond the points",
                     describe(growth));
}

/// Whether C = 6 N D in the points of the fit, so that one of the three follows from two.
bool counts_6nd(const Fit& fit) {
  return fit.conventions.flops.empty() || fit.conventions.flops == "6nd";
}

void require_agreement(const Fit& fit, const RunSize& run) {
  if (!run.params || !run.tokens || !run.flops || fit.conventions.flops != "6nd") return;
  constexpr double kRounding = 0.01;
  const double product = 6 * *run.params * *run.tokens;
  require(std::fabs(*run.flops / product - 1) <= kRounding,
          "predict: saw {:g} flops, but 6 params tokens are {:g}, and the fit counts flops so: "
          "give two of the three",
          *run.flops, product);
}

/// What only flops say of a law in N and D.
void split_flops(const Fit& fit, RunSize& run) {
  const SplitPlanner planner(fit, {0, run.unique_tokens, std::nullopt});
  if (!planner.has_trade_off()) return;
  require(counts_6nd(fit),
          "predict: the fit counts flops as '{}', from which the best params and tokens do not "
          "follow: give params and tokens",
          fit.conventions.flops);
  const Split best = require_inside(planner.best(state_of(fit), *run.flops), *run.flops);
  run.params = best.params;
  run.tokens = best.tokens;
}

/// Of params, tokens and flops = 6 params tokens.
void fill_third(RunSize& run) {
  if (!run.flops && run.params && run.tokens) run.flops = 6 * *run.params * *run.tokens;
  if (!run.params && run.flops && run.tokens) run.params = *run.flops / (6 * *run.tokens);
  if (!run.tokens && run.flops && run.params) run.tokens = *run.flops / (6 * *run.params);
}

RunSize complete(const Fit& fit, RunSize run) {
  bool is_empty = true;
  for (const VariableInfo& variable : all_variables()) {
    const std::optional<double>& size = quantity(run, variable.variable);
    require_size(size, variable.name);
    is_empty &= !size.has_value();
  }
  require(!is_empty, "predict: needs flops, or params and tokens, or what else the law reads");
  require_agreement(fit, run);
  if (run.flops && !run.params && !run.tokens && !fit.is_frontier()) split_flops(fit, run);
  if (counts_6nd(fit)) fill_third(run);
  return run;
}

std::optional<double> exceeds(const std::optional<double>& size, const Range& fitted) {
  if (!size || !std::isfinite(fitted.high)) return std::nullopt;
  return *size / fitted.high;
}

Extrapolation extrapolation_of(const Fit& fit, const RunSize& run) {
  Extrapolation beyond = {exceeds(run.params, fit.params), exceeds(run.tokens, fit.tokens),
                          exceeds(run.flops, fit.flops)};
  for (const auto& [variable, fitted] : fit.others) {
    const std::optional<double>& size = quantity(run, variable);
    beyond.others[variable] = size && falls_with_size(variable) ? std::optional(fitted.low / *size)
                                                                : exceeds(size, fitted);
  }
  return beyond;
}

std::string describe_cover(const Fit& fit) {
  std::string covers = fit.method == "approach2"
                           ? "scatter of the runs and of the minima, parameters"
                       : fit.is_frontier() ? "scatter of the envelope, parameters"
                                           : "scatter of the points, parameters";
  if (fit.is_ensemble) covers += fmt::format(", disagreement of {} laws", fit.members.size());
  if (fit.rollout.cuts.empty()) return covers;
  return covers + fmt::format(", model error (from {} forecasts of {} held-out {}, {} cuts)",
                              fit.rollout.forecasts(), fit.rollout.describe_held_out(),
                              fit.budgets.empty() ? "points" : "budgets", fit.rollout.cuts.size());
}

/// The part of an interval's variance that is no doubt of the law: a run scatters around it.
double noise_of(const Fit& fit, const Mixture& mixture) {
  const double of_runs = fit.is_frontier() ? fit.residual_rms * fit.residual_rms : 0;
  return noise_variance(fit.rollout, mixture) + of_runs;
}

Interval interval_of(const Fit& fit, const Mixture& mixture, const RunSize& run, double level) {
  double variance = interval_variance(fit.rollout, mixture, distance_of(fit, run));
  if (fit.is_frontier()) variance += fit.residual_rms * fit.residual_rms;
  const double width = normal_half_width(level) * std::sqrt(variance);
  const std::string not_calibrated = why_not_calibrated(fit, run);
  const double coverage = measured_coverage(fit.rollout, level);
  const bool is_counted = not_calibrated.empty() && std::isfinite(coverage);
  const Law& law = find_law(fit.law);
  Interval interval = {level,
                       law.from_scale(mixture.value - width),
                       law.from_scale(mixture.value + width),
                       describe_cover(fit),
                       not_calibrated,
                       is_counted ? std::optional(coverage) : std::nullopt};
  if (info(law.response).values == Values::fraction) {
    interval.low = std::clamp(interval.low, 0.0, 1.0);
    interval.high = std::clamp(interval.high, 0.0, 1.0);
  }
  return interval;
}

std::string describe_size(const RunSize& run) {
  std::vector<std::string> sizes;
  for (const VariableInfo& variable : all_variables())
    if (const auto& size = quantity(run, variable.variable))
      sizes.push_back(fmt::format("{} {:.3g}", variable.name, *size));
  return fmt::format("{}", fmt::join(sizes, ", "));
}

/// Loss and interval on the compute-optimal frontier. The noise of its law is that of the minima;
/// runs scatter besides (Fit::residual_rms).
void predict_frontier(const Fit& fit, double level, Prediction& prediction) {
  RunSize& run = prediction.run;
  require(run.flops.has_value() && !run.params && !run.tokens,
          "{} fits the compute-optimal frontier only: needs flops, and neither params nor "
          "tokens; fit with --method approach3 to predict any run",
          fit.method);
  const double flops = *run.flops;
  prediction.value = frontier_loss(fit.values(), flops);
  const MixtureTerm term = term_of(fit.members.front(), RunSize{.flops = flops});
  const Mixture mixture = mix({&term, 1});
  if (std::isfinite(mixture.variance()))
    prediction.interval = interval_of(fit, mixture, run, level);
  prediction.noise_variance = noise_of(fit, mixture);
  run.params = frontier_params(fit.values(), flops);
  run.tokens = frontier_tokens(fit.values(), flops);
}

void predict_members(const Fit& fit, double level, Prediction& prediction) {
  std::vector<MixtureTerm> terms;
  for (const Member& member : fit.members) terms.push_back(term_of(member, prediction.run));
  const Mixture mixture = mix(terms);
  require(std::isfinite(mixture.value),
          "predict: {} has no finite forecast at this size: it is too far from the fitted runs",
          terms.size() == 1 ? fit.law : fmt::format("none of {} laws", terms.size()));
  if (mixture.dropped > 0)
    prediction.warnings.push_back(
        fmt::format("{} of {} laws of the ensemble have no finite forecast at {}: left out",
                    mixture.dropped, terms.size(), describe_size(prediction.run)));
  const Law& law = find_law(fit.law);
  prediction.response = law.response;
  prediction.value = law.from_scale(mixture.value);
  if (std::isfinite(mixture.variance()))
    prediction.interval = interval_of(fit, mixture, prediction.run, level);
  prediction.noise_variance = noise_of(fit, mixture);
  if (info(law.response).values == Values::fraction && !holds(Values::fraction, prediction.value))
    prediction.warnings.push_back(
        fmt::format("{} = {:.4g} is no share from 0 to 1: the law is used beyond where it holds",
                    to_string(law.response), prediction.value));
}

/// Of the points of the fit; NaN where it does not say.
Range range_of(const Fit& fit, Variable variable) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (variable == Variable::params) return fit.params;
  if (variable == Variable::tokens) return fit.tokens;
  if (variable == Variable::flops) return fit.flops;
  const auto found = fit.others.find(variable);
  return found == fit.others.end() ? Range{kNone, kNone} : found->second;
}

/// What the fit knows against its law, wherever that is asked.
void warn_about_fit(const Fit& fit, Prediction& prediction) {
  if (!fit.search.best.empty() && !fit.search.best.front().at_bound.empty())
    prediction.warnings.push_back(
        fmt::format("of the fit: {} at a bound: the points do not determine the law",
                    fmt::join(fit.search.best.front().at_bound, ", ")));
  if (!fit.search.converged)
    prediction.warnings.emplace_back(
        "of the fit: its optimum is not sharp: parameters trade off without a limit");
  const Law& law = find_law(fit.law);
  const auto add = [&](const std::string& text) {
    if (!text.empty()) prediction.warnings.push_back("of the fit: " + text);
  };
  const std::vector<Variable> variables = variables_of(law, fit.members.front().variable);
  for (const Variable variable : variables)
    add(describe_narrow(law, variable, range_of(fit, variable)));
  add(describe_one_budget(variables, fit.flops));
}

/// Every parameter moves by half a unit of its last digit in the worst direction.
void warn_about_rounding(const Fit& fit, Prediction& prediction) {
  // an ensemble is not copied from print, and of a frontier the members hold the loss alone
  if (fit.members.size() != 1 || fit.is_frontier()) return;
  const Law& law = find_law(fit.law);
  const double centre = law.to_scale(prediction.value);
  double moved = 0;
  for (std::size_t i = 0; i < law.size(); ++i) {
    Member one = fit.members.front();
    const auto half = half_last_digit(one.values[i]);
    if (!half) return;
    one.values[i] += *half;
    one.coordinates.clear();  // follow from the values
    moved += std::fabs(term_of(one, prediction.run).forecast.value - centre);
  }
  prediction.warnings.push_back(fmt::format(
      "every parameter of this fit has at most 4 digits, as if copied from print: rounding alone "
      "leaves the {} anywhere from {:.4g} to {:.4g}; use the values in full",
      to_string(law.response), law.from_scale(centre - moved), law.from_scale(centre + moved)));
}

}  // namespace

Prediction predict(const Fit& fit, const RunSize& asked, double level) {
  require_level(level);
  Prediction prediction;
  prediction.run = complete(fit, asked);
  if (fit.is_frontier())
    predict_frontier(fit, level, prediction);
  else
    predict_members(fit, level, prediction);
  warn_about_fit(fit, prediction);
  warn_about_rounding(fit, prediction);
  prediction.extrapolation = extrapolation_of(fit, prediction.run);
  return prediction;
}

Prediction predict(const Fit& fit, double params, double tokens, double level) {
  return predict(fit, RunSize{.params = params, .tokens = tokens}, level);
}

}  // namespace isoflop::laws
