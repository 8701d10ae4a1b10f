#include "laws/optimal_draws.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/random.hpp"
#include "laws/bootstrap.hpp"
#include "laws/theta.hpp"

namespace isoflop::laws {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Solution kNone = {{kInfinity, kInfinity, kInfinity}, kInfinity};

using Logs = std::array<double, 3>;  // ln N, ln D, ln C

Logs logs_of(const Solution& solution) {
  return {std::log(solution.split.params), std::log(solution.split.tokens),
          std::log(solution.flops)};
}

/// Enough of a fit to plan with one of its laws.
Fit alone(const Fit& fit, const Member& member) {
  Fit one;
  one.law = member.law;
  one.method = fit.method;
  one.members = {member};
  return one;
}

/// The optimum of one law as its parameters vary: linear around it.
struct Tangent {
  double weight;
  Solution centre;
  std::vector<Logs> slopes;  // by each coordinate
  Stage stage;
};

/// Empty when the law has no optimum, here or close by, or leaves its parameters open.
std::optional<Tangent> tangent_of(const Fit& fit, const Member& member, const Goal& goal) {
  constexpr double kStep = 1e-4;
  const Fit one = alone(fit, member);
  const SplitPlanner planner(one, goal.demand);
  const std::vector<double> state = to_row(theta_of(member), find_law(member.law).size());
  const auto centre = solve(one, planner, goal, state);
  if (!centre) return std::nullopt;
  Tangent tangent{member.weight, *centre, {}, stage_of(member)};
  for (const double entry : tangent.stage.information)
    if (!std::isfinite(entry)) return std::nullopt;
  for (std::size_t i = 0; i < state.size(); ++i) {
    std::vector<double> lower = state;
    std::vector<double> upper = state;
    lower[i] -= kStep;
    upper[i] += kStep;
    const auto below = solve(one, planner, goal, lower);
    const auto above = solve(one, planner, goal, upper);
    if (!below || !above) return std::nullopt;
    const Logs a = logs_of(*below);
    const Logs b = logs_of(*above);
    tangent.slopes.push_back({});
    for (std::size_t k = 0; k < a.size(); ++k)
      tangent.slopes.back()[k] = (b[k] - a[k]) / (2 * kStep);
  }
  return tangent;
}

/// L^T y = x: normal x of unit covariance become those of covariance (L L^T)^-1.
void solve_transposed(const Matrix& factor, std::size_t n, Vector& x) {
  for (std::size_t row = n; row-- > 0;) {
    for (std::size_t k = row + 1; k < n; ++k) x[row] -= at(factor, k, row) * x[k];
    x[row] /= at(factor, row, row);
  }
}

Solution draw_from(const Tangent& tangent, std::uint64_t seed, std::uint32_t draw) {
  constexpr double kTwoPi = 6.283185307179586;
  RandomStream stream(seed, Purpose::bootstrap, draw);
  Vector moved{};
  for (std::size_t i = 0; i < tangent.slopes.size(); ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    moved[i] = tangent.stage.residual_rms * radius * std::cos(kTwoPi * stream.next_uniform());
  }
  solve_transposed(tangent.stage.information, tangent.slopes.size(), moved);
  Logs logs = logs_of(tangent.centre);
  for (std::size_t i = 0; i < tangent.slopes.size(); ++i)
    for (std::size_t k = 0; k < logs.size(); ++k) logs[k] += tangent.slopes[i][k] * moved[i];
  return {{std::exp(logs[0]), std::exp(logs[1]), tangent.centre.split.log_loss}, std::exp(logs[2])};
}

/// Half the range of the central 68.3%; 0 for fewer than two.
double deviation_of(const std::vector<Solution>& draws, std::size_t which) {
  constexpr double kOneBelow = 0.15865525393145705;
  std::vector<double> logs;
  for (const Solution& draw : draws)
    if (std::isfinite(draw.flops)) logs.push_back(logs_of(draw)[which]);
  if (logs.size() < 2) return 0;
  std::ranges::sort(logs);
  return 0.5 * (quantile(logs, 1 - kOneBelow) - quantile(logs, kOneBelow));
}

/// Deviation of ln C that the interval of the loss to reach allows, by the slope of the best loss.
double deviation_of_cost(const Fit& fit, const SplitPlanner& planner, const Optimum& optimum) {
  constexpr double kStep = 0.05;  // of ln C
  const auto& interval = optimum.prediction.interval;
  if (!interval) return 0;
  const double half = 0.5 * std::log(interval->high / interval->low);
  const double deviation = half / normal_half_width(interval->level);
  const double noise = fit.residual_rms;
  const auto below = planner.best(state_of(fit), optimum.total_flops() * std::exp(-kStep));
  const auto above = planner.best(state_of(fit), optimum.total_flops() * std::exp(kStep));
  if (!below || !above) return 0;
  const double slope = (below->log_loss - above->log_loss) / (2 * kStep);
  return std::sqrt(std::max(0.0, deviation * deviation - noise * noise)) / slope;
}

/// Of every law as many as it has of the weight.
std::vector<Solution> draw_laws(const Fit& fit, const SplitPlanner& planner, const Goal& goal) {
  const std::vector<std::vector<double>> states = drawn_states(fit);
  const double first = fit.is_ensemble ? fit.members.front().weight : 1;
  double weight = first;
  std::vector<Tangent> others;
  for (std::size_t m = 1; fit.is_ensemble && m < fit.members.size(); ++m)
    if (const auto tangent = tangent_of(fit, fit.members[m], goal)) {
      others.push_back(*tangent);
      weight += tangent->weight;
    }
  const Fit heaviest = fit.is_ensemble ? alone(fit, fit.members.front()) : Fit{};
  const SplitPlanner own = fit.is_ensemble ? SplitPlanner(heaviest, goal.demand) : planner;
  std::vector<Solution> draws;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(states.size());
    double place = share * weight - first;
    if (place < 0 || others.empty()) {
      draws.push_back(solve(fit, own, goal, states[i]).value_or(kNone));
      continue;
    }
    std::size_t m = 0;
    while (m + 1 < others.size() && place >= others[m].weight) place -= others[m++].weight;
    draws.push_back(draw_from(others[m], fit.seed, static_cast<std::uint32_t>(i)));
  }
  return draws;
}

void stretch(const Optimum& optimum, double factor, std::vector<Solution>& draws) {
  const auto stretched = [&](double value, double centre) {
    return centre * std::pow(value / centre, factor);  // a budget stays what it is
  };
  for (Solution& draw : draws) {
    if (!std::isfinite(draw.flops)) continue;
    draw.split.params = stretched(draw.split.params, optimum.params);
    draw.split.tokens = stretched(draw.split.tokens, optimum.tokens);
    draw.flops = stretched(draw.flops, optimum.flops);
  }
}

}  // namespace

std::optional<Solution> solve(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                              const std::vector<double>& state) {
  const auto total = goal.flops ? goal.flops : planner.cheapest(state, *goal.loss);
  if (!total) return std::nullopt;
  const auto split = planner.best(state, *total);
  if (!split) return std::nullopt;
  // The N* and D* of a frontier are two lines of their own: 6 N D is only about the budget.
  return Solution{*split, fit.is_frontier() ? *total : 6 * split->params * split->tokens};
}

std::vector<Solution> draw_solutions(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                                     const Optimum& optimum) {
  constexpr double kMostStretch = 1e6;
  std::vector<Solution> draws = draw_laws(fit, planner, goal);
  const Rollout& rollout = fit.rollout;
  const double distance =
      distance_beyond(rollout.reach, extent_of(rollout.growth, RunSize{.flops = optimum.flops}));
  const double strayed = std::sqrt(rollout.stray) * std::max(0.0, distance);
  double factor = strayed / deviation_of(draws, 0);
  if (goal.loss)
    factor = std::fmax(factor, deviation_of_cost(fit, planner, optimum) / deviation_of(draws, 2));
  if (factor > 1) stretch(optimum, std::min(factor, kMostStretch), draws);
  return draws;
}

}  // namespace isoflop::laws
