#include "laws/optimal_draws.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/random.hpp"
#include "laws/bootstrap.hpp"
#include "laws/theta.hpp"

namespace isoflop::laws {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Solution kNone = {{kInfinity, kInfinity, kInfinity}, kInfinity};
constexpr double kFurthest = 50;  // of a logarithm, so that every size stays a finite number

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
  Logs step{};
  for (std::size_t i = 0; i < tangent.slopes.size(); ++i)
    for (std::size_t k = 0; k < step.size(); ++k) step[k] += tangent.slopes[i][k] * moved[i];
  double furthest = kFurthest;
  for (const double one : step) furthest = std::max(furthest, std::fabs(one));
  const auto moved_from = [&](double centre, double one) {
    return centre * std::exp(one * (kFurthest / furthest));
  };
  const auto& [split, flops] = tangent.centre;
  return {{moved_from(split.params, step[0]), moved_from(split.tokens, step[1]), split.log_loss},
          moved_from(flops, step[2])};
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

/// How sure the cost of a loss is, by the slopes of the best loss and the best split.
struct CostOfLoss {
  double deviation = 0;     // of ln C, that the interval of the loss to reach allows
  double params_share = 0;  // d ln N* / d ln C
};

CostOfLoss cost_of_loss(const Fit& fit, const SplitPlanner& planner, const Optimum& optimum) {
  constexpr double kStep = 0.05;  // of ln C
  const auto& interval = optimum.prediction.interval;
  if (!interval) return {};
  const double half = 0.5 * std::log(interval->high / interval->low);
  const double deviation = half / normal_half_width(interval->level);
  const double noise = optimum.prediction.noise_variance;
  const auto below = planner.best(state_of(fit), optimum.total_flops() * std::exp(-kStep));
  const auto above = planner.best(state_of(fit), optimum.total_flops() * std::exp(kStep));
  if (!below || !above) return {};
  const double slope = (below->log_loss - above->log_loss) / (2 * kStep);
  return {std::sqrt(std::max(0.0, deviation * deviation - noise)) / slope,
          std::log(above->params / below->params) / (2 * kStep)};
}

/// Of every law as many as it has of the weight.
DrawnSolutions draw_laws(const Fit& fit, const SplitPlanner& planner, const Goal& goal) {
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
  return {std::move(draws), 1 + others.size()};
}

/// What `deviation` of the draws lacks to `needed`, if it is added to each by chance.
double missing_deviation(double needed, double deviation) {
  if (!(needed > deviation)) return 0;
  return std::min(kFurthest, std::sqrt(needed * needed - deviation * deviation));
}

/// The normal quantile that is draw i's. Multiples of an irrational number spread more evenly than
/// chance and go with no order of the draws.
double evenly_normal(std::size_t i, double irrational) {
  const double place = (static_cast<double>(i) + 0.5) * irrational;
  const double centred = 2 * (place - std::floor(place)) - 1;
  return std::copysign(normal_half_width(std::fabs(centred)), centred);
}

/// The bound of N, and how far beyond it, in ln N, the optimum without it lies.
struct Bound {
  double most_params = kInfinity;
  double beyond = 0;
};

Bound bound_of(const Fit& fit, Demand demand, const Optimum& optimum) {
  if (!demand.most_params) return {};
  const double most = *std::exchange(demand.most_params, std::nullopt);
  const auto split = SplitPlanner(fit, demand).best(state_of(fit), optimum.total_flops());
  return {most, split ? std::max(0.0, std::log(split->params / most)) : 0};
}

/// Another N, by `params` in ln N, for a budget that is another by `cost` in ln T: D takes the rest
/// of T = 6 N D + 2 N D_inf. Down to one parameter or one token, up to the bound.
void shift(double params, double cost, double inference_tokens, const Bound& bound,
           Solution& draw) {
  constexpr double kAtBound = 1 - 1e-9;
  if (draw.split.params >= kAtBound * bound.most_params) params += bound.beyond;
  const double read_later = inference_tokens / 3;
  const double tokens = draw.split.tokens + read_later;
  const double most = std::min(cost + std::log(tokens / (1 + read_later)),
                               std::log(bound.most_params / draw.split.params));
  const double moved = std::min(std::max(params, -std::log(draw.split.params)), most);
  const double before = draw.split.tokens;
  draw.split.params *= std::exp(moved);
  draw.split.tokens = tokens * std::exp(cost - moved) - read_later;
  draw.flops *= draw.split.tokens / before * std::exp(moved);
}

/// What the draws lack, in ln N and ln C.
struct Missing {
  double params = 0;   // deviation
  double towards = 0;  // deviation to one side, with its sign: to what parabolas say
  CostOfLoss cost;

  bool any() const { return params > 0 || towards != 0 || cost.deviation > 0; }
};

/// As shifts that know nothing of the draws: where these lie off the optimum, that stays as it is.
void widen(const Missing& missing, const Demand& demand, const Bound& bound,
           std::vector<Solution>& draws) {
  constexpr double kGolden = 0.6180339887498949;
  constexpr double kRootOfTwo = 0.4142135623730950;
  constexpr double kRootOfThree = 0.7320508075688772;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    if (!std::isfinite(draws[i].flops)) continue;
    const double costs = missing.cost.deviation * evenly_normal(i, kRootOfTwo);
    const double params = missing.params * evenly_normal(i, kGolden) +
                          missing.towards * std::max(0.0, evenly_normal(i, kRootOfThree));
    shift(params + missing.cost.params_share * costs, costs, demand.inference_tokens, bound,
          draws[i]);
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

DrawnSolutions draw_solutions(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                              const Optimum& optimum) {
  DrawnSolutions drawn = draw_laws(fit, planner, goal);
  std::vector<Solution>& draws = drawn.solutions;
  const Rollout& rollout = fit.rollout;
  const double distance =
      distance_beyond(rollout.reach, extent_of(rollout.growth, RunSize{.flops = optimum.flops}));
  const double strayed = std::sqrt(rollout.stray) * std::max(0.0, distance);
  const double own = deviation_of(draws, 0);
  drawn.deviation = std::max(strayed, own);
  Missing missing;
  missing.params = missing_deviation(strayed, own);
  if (rollout.parabolas) missing.towards = rollout.parabolas->at(optimum.flops);
  if (goal.loss) missing.cost = cost_of_loss(fit, planner, optimum);
  missing.cost.deviation = missing_deviation(missing.cost.deviation, deviation_of(draws, 2));
  if (missing.any() || goal.demand.most_params)
    widen(missing, goal.demand, bound_of(fit, goal.demand, optimum), draws);
  return drawn;
}

}  // namespace isoflop::laws
