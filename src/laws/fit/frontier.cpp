#include "laws/fit/frontier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "laws/fit/bootstrap.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/fit/stray.hpp"
#include "laws/law/law.hpp"
#include "laws/numerics/linear_algebra.hpp"
#include "laws/search/search.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kBudgetsForFloor = 4;

/// intercept at C = 6 and slope of ln y = ln G + a ln (C/6)
std::optional<std::pair<double, double>> fit_line(const std::vector<double>& flops,
                                                  const std::vector<double>& y) {
  std::vector<double> log_x;
  std::vector<double> log_y;
  for (std::size_t i = 0; i < flops.size(); ++i) {
    log_x.push_back(std::log(flops[i] / 6));
    log_y.push_back(std::log(y[i]));
  }
  const Polynomial line = fit_polynomial(log_x, log_y, std::vector<double>(flops.size(), 1.0), 1);
  if (!line.ok) return std::nullopt;
  return std::pair{line.coefficient[0] - line.coefficient[1] * line.centre, line.coefficient[1]};
}

Samples loss_samples(const Frontier& frontier) {
  Samples samples;
  samples.width = 1;
  for (std::size_t i = 0; i < frontier.flops.size(); ++i) {
    samples.x.push_back(std::log(frontier.flops[i]));
    samples.y.push_back(std::log(frontier.loss[i]));
    samples.weight.push_back(1);
    samples.point.push_back(i);
  }
  return samples;
}

/// {E, K, gamma}. With `start` the law is that of the start: draws of one fit are of one law. Empty
/// when such a law is not determined or its descent does not converge.
std::optional<std::array<double, 3>> fit_loss(const Frontier& frontier, double huber_delta,
                                              const std::vector<double>* start) {
  const bool enough = frontier.flops.size() >= kBudgetsForFloor;
  const bool floor = start != nullptr ? (*start)[kFloor] > 0 : enough;
  if (floor && !enough) return std::nullopt;
  const Law& law = find_law(floor ? "power-offset" : "power");
  const Samples samples = loss_samples(frontier);
  const Objective objective(law, samples, huber_delta);
  Minimum minimum;
  if (start != nullptr) {
    const Vector from = floor ? Vector{(*start)[kFloor], (*start)[kK], (*start)[kGamma]}
                              : Vector{(*start)[kK], (*start)[kGamma]};
    minimum = minimise(objective, law.coordinates(from));
    if (!minimum.converged) minimum = minimise_gradually(objective, law.coordinates(from));
    if (!minimum.converged) return std::nullopt;
  } else {
    minimum = search(objective, law.starts(samples)).best;
  }
  const Vector values = law.values(minimum.theta);
  if (floor) return std::array{values[0], values[1], values[2]};
  return std::array{0.0, values[0], values[1]};
}

std::size_t lost_draws(const Draws& draws, std::size_t parameter) {
  const auto open = std::ranges::count_if(
      draws.rows, [&](const auto& row) { return std::isnan(row[parameter]); });
  return draws.asked - draws.rows.size() + static_cast<std::size_t>(open);
}

void warn_about_lost_draws(std::size_t lost, const char* parameters, Fit& result) {
  if (lost == 0) return;
  const std::size_t asked = result.draws.asked;
  result.warnings.push_back(
      fmt::format("{} of {} bootstrap draws leave {} open: {}", lost, asked, parameters,
                  are_too_many_lost(lost, asked, result.level)
                      ? "no intervals of them, for the other draws are no fair sample"
                      : "their intervals are too narrow"));
}

/// A draw determines both lines or none, and the loss law or not.
void warn_about_lost_draws(const std::string& remedy, Fit& result) {
  const std::size_t lines = lost_draws(result.draws, kG);
  const std::size_t loss_law = lost_draws(result.draws, kFloor);
  if (lines == loss_law) {
    warn_about_lost_draws(lines, "all parameters", result);
  } else {
    warn_about_lost_draws(lines, "G, a, H and b", result);
    warn_about_lost_draws(loss_law, "E, K and gamma", result);
  }
  if (loss_law > 0) result.warnings.push_back(remedy);
}

}  // namespace

FrontierLines fit_lines(const Frontier& frontier) {
  const auto params = fit_line(frontier.flops, frontier.params);
  const auto tokens = fit_line(frontier.flops, frontier.tokens);
  if (!params || !tokens) return {};
  return {std::exp(params->first), params->second, std::exp(tokens->first), tokens->second, true};
}

std::optional<std::vector<double>> fit_frontier(const Frontier& frontier, double huber_delta,
                                                const std::vector<double>* start) {
  const FrontierLines lines = fit_lines(frontier);
  if (!lines.ok) return std::nullopt;
  constexpr double kOpen = std::numeric_limits<double>::quiet_NaN();
  const auto [floor, scale, gamma] =
      fit_loss(frontier, huber_delta, start).value_or(std::array{kOpen, kOpen, kOpen});
  return std::vector<double>{lines.params_scale,
                             lines.params_exponent,
                             lines.tokens_scale,
                             lines.tokens_exponent,
                             floor,
                             scale,
                             gamma};
}

double frontier_params(const std::vector<double>& parameters, double flops) {
  return parameters[kG] * std::pow(flops / 6, parameters[kExponentN]);
}

double frontier_tokens(const std::vector<double>& parameters, double flops) {
  return parameters[kH] * std::pow(flops / 6, parameters[kExponentD]);
}

double frontier_loss(const std::vector<double>& parameters, double flops) {
  return parameters[kFloor] + parameters[kK] * std::pow(flops, -parameters[kGamma]);
}

void calibrate_frontier(const Frontier& frontier, const std::vector<double>& parameters,
                        double huber_delta, std::size_t fewest_for_nested, Fit& result) {
  const auto [e, k, gamma] = std::array{parameters[kFloor], parameters[kK], parameters[kGamma]};
  const bool floor = e > 0;
  const Law& law = find_law(floor ? "power-offset" : "power");
  const Vector theta = law.coordinates(floor ? Vector{e, k, gamma} : Vector{k, gamma});
  const Contender contender{&law, {Variable::flops}};
  Points minima;
  minima.flops = frontier.flops;
  minima.loss = frontier.loss;
  minima = prepare(minima);
  const Cuts cuts =
      cut_points(minima, growth_of(minima, contender.variables), law.minimum_points());
  const LawRollout rollout = roll_out(contender, minima, cuts, huber_delta, theta);
  const Calibration calibration = calibrate(minima, cuts, {&rollout, 1}, fewest_for_nested);
  result.rollout = calibration.rollout;
  result.rollout.stray = stray_of(frontier, result.rollout.cuts);
  result.members = {member_of(rollout, 1, calibration.errors.front())};
}

void summarise_frontier(const std::vector<double>& parameters, const std::string& remedy,
                        Fit& result) {
  static constexpr const char* kNames[kFrontierParameters] = {"G", "a", "H",    "b",
                                                              "E", "K", "gamma"};
  const Draws& draws = result.draws;
  for (std::size_t i = 0; i < kFrontierParameters; ++i) {
    std::vector<double> drawn;
    if (!are_too_many_lost(lost_draws(draws, i), draws.asked, result.level))
      for (const auto& row : draws.rows) drawn.push_back(row[i]);
    result.parameters.push_back(summarise(kNames[i], parameters[i], drawn, result.level));
  }
  warn_about_lost_draws(remedy, result);
  result.derived = {result.parameters[kExponentN], result.parameters[kExponentD],
                    result.parameters[kG]};
}

}  // namespace isoflop::laws
