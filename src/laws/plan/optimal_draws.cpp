#include "laws/plan/optimal_draws.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/random.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/fit/theta.hpp"

namespace isoflop::laws {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Solution kNone = {{kInfinity, kInfinity, kInfinity}, kInfinity};
constexpr double kFurthest = 50;  // of a logarithm, so that every size stays a finite number

/// The best split without the bound of N, and T within it: what a draw that ends there costs.
struct Draw {
  Solution free;
  double total_within;
};
constexpr Draw kNoDraw = {kNone, kInfinity};

using Logs = std::array<double, 4>;  // ln N, ln D, ln C without the bound, ln T within it

Logs logs_of(const Draw& draw) {
  const auto& [split, flops] = draw.free;
  return {std::log(split.params), std::log(split.tokens), std::log(flops),
          std::log(draw.total_within)};
}

/// What is to be planned, with and without the bound of N.
struct Plan {
  Plan(const Fit& planned, const Goal& bounded)
      : fit(planned),
        goal(bounded),
        free_goal(without_bound(bounded)),
        planner(fit, goal.demand),
        free(fit, free_goal.demand) {}

  const Fit& fit;
  Goal goal, free_goal;
  SplitPlanner planner, free;
};

double total_of(const Solution& solution, const Demand& demand) {
  return solution.flops + 2 * solution.split.params * demand.inference_tokens;
}

/// Empty where no run within the bound will do. Where the loss falls with N down to one token, that
/// is where the best N lies without the bound.
std::optional<Draw> solve_both(const Plan& plan, const std::vector<double>& state) {
  const auto within = solve(plan.fit, plan.planner, plan.goal, state);
  if (!within) return std::nullopt;
  const Demand& demand = plan.goal.demand;
  const double total = total_of(*within, demand);
  if (!is_at_bound(within->split, demand)) return Draw{*within, total};
  const double most = total / (6 + 2 * demand.inference_tokens);
  const auto free = solve(plan.fit, plan.free, plan.free_goal, state);
  return Draw{free.value_or(Solution{{most, 1, within->split.log_loss}, 6 * most}), total};
}

/// Enough of a fit to plan with one of its laws.
Fit alone(const Fit& fit, const Member& member) {
  Fit one;
  one.law = member.law;
  one.method = fit.method;
  one.members = {member};
  one.params = fit.params;
  one.tokens = fit.tokens;
  return one;
}

/// The optimum of one law as its parameters vary: linear around it.
struct Tangent {
  double weight;
  Draw centre;
  std::vector<Logs> slopes;  // by each coordinate
  Stage stage;
};

/// Empty when the law has no optimum, here or close by, or leaves its parameters open.
std::optional<Tangent> tangent_of(const Fit& fit, const Member& member, const Goal& goal) {
  constexpr double kStep = 1e-4;
  const Fit one = alone(fit, member);
  const Plan plan(one, goal);
  const std::vector<double> state = to_row(theta_of(member), find_law(member.law).size());
  const auto centre = solve_both(plan, state);
  if (!centre) return std::nullopt;
  Tangent tangent{member.weight, *centre, {}, stage_of(member)};
  for (const double entry : tangent.stage.information)
    if (!std::isfinite(entry)) return std::nullopt;
  for (std::size_t i = 0; i < state.size(); ++i) {
    std::vector<double> lower = state;
    std::vector<double> upper = state;
    lower[i] -= kStep;
    upper[i] += kStep;
    const auto below = solve_both(plan, lower);
    const auto above = solve_both(plan, upper);
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

Draw draw_from(const Tangent& tangent, std::uint64_t seed, std::uint32_t draw) {
  constexpr double kTwoPi = 6.283185307179586;
  RandomStream stream(seed, Purpose::bootstrap, draw);
  Vector moved{};
  for (std::size_t i = 0; i < tangent.slopes.size(); ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    moved[i] = tangent.stage.noise * radius * std::cos(kTwoPi * stream.next_uniform());
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
  const auto& [split, flops] = tangent.centre.free;
  return {{{moved_from(split.params, step[0]), moved_from(split.tokens, step[1]), split.log_loss},
           moved_from(flops, step[2])},
          moved_from(tangent.centre.total_within, step[3])};
}

/// Half the range of the central 68.3%; 0 for fewer than two.
double deviation_of(const std::vector<Draw>& draws, std::size_t which) {
  constexpr double kOneBelow = 0.15865525393145705;
  std::vector<double> logs;
  for (const Draw& draw : draws)
    if (std::isfinite(draw.total_within)) logs.push_back(logs_of(draw)[which]);
  if (logs.size() < 2) return 0;
  std::ranges::sort(logs);
  return 0.5 * (quantile(logs, 1 - kOneBelow) - quantile(logs, kOneBelow));
}

/// How sure the cost of a loss is, by the slopes of the best loss and the best split.
struct CostOfLoss {
  double deviation = 0;     // of ln T, that the interval of the loss to reach allows
  double params_share = 0;  // d ln N* / d ln T, without the bound
};

CostOfLoss cost_of_loss(const Plan& plan, const Optimum& optimum) {
  constexpr double kStep = 0.05;  // of ln C
  const auto& interval = optimum.prediction.interval;
  if (!interval) return {};
  const double half = 0.5 * std::log(interval->high / interval->low);
  const double deviation = half / normal_half_width(interval->level);
  const double noise = optimum.prediction.noise_variance;
  const auto at = [&](const SplitPlanner& planner, double step) {
    return planner.best(state_of(plan.fit), optimum.total_flops() * std::exp(step));
  };
  const auto below = at(plan.planner, -kStep);
  const auto above = at(plan.planner, kStep);
  if (!below || !above) return {};
  const double slope = (below->log_loss - above->log_loss) / (2 * kStep);
  CostOfLoss cost{std::sqrt(std::max(0.0, deviation * deviation - noise)) / slope, 0};
  const auto fewer = at(plan.free, -kStep);
  const auto more = at(plan.free, kStep);
  if (fewer && more) cost.params_share = std::log(more->params / fewer->params) / (2 * kStep);
  return cost;
}

struct DrawsOfLaws {
  std::vector<Draw> draws;
  std::size_t laws;
};

/// Those of the fit's draws that know the goal: of a frontier a draw may leave the loss open.
std::vector<std::vector<double>> states_for(const Fit& fit, const Goal& goal) {
  std::vector<std::vector<double>> states = drawn_states(fit);
  if (fit.is_frontier() && goal.loss)
    std::erase_if(states, [](const auto& state) { return std::isnan(state[kFloor]); });
  return states;
}

/// Of every law as many as it has of the weight.
DrawsOfLaws draw_laws(const Fit& fit, const Goal& goal) {
  const std::vector<std::vector<double>> states = states_for(fit, goal);
  const double first = fit.is_ensemble ? fit.members.front().weight : 1;
  double weight = first;
  std::vector<Tangent> others;
  for (std::size_t m = 1; fit.is_ensemble && m < fit.members.size(); ++m)
    if (const auto tangent = tangent_of(fit, fit.members[m], goal)) {
      others.push_back(*tangent);
      weight += tangent->weight;
    }
  const Fit heaviest = fit.is_ensemble ? alone(fit, fit.members.front()) : Fit{};
  const Plan own(fit.is_ensemble ? heaviest : fit, goal);
  std::vector<Draw> draws;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(states.size());
    double place = share * weight - first;
    if (place < 0 || others.empty()) {
      draws.push_back(solve_both(own, states[i]).value_or(kNoDraw));
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

/// Another N, by `params` in ln N, for a budget that is another by `cost` in ln T: D takes the rest
/// of T = 6 N D + 2 N D_inf. Down to one parameter or one token.
void shift(double params, double cost, double inference_tokens, Draw& draw) {
  auto& [split, flops] = draw.free;
  const double read_later = inference_tokens / 3;
  const double tokens = split.tokens + read_later;
  const double most = cost + std::log(tokens / (1 + read_later));
  const double moved = std::min(std::max(params, -std::log(split.params)), most);
  const double before = split.tokens;
  split.params *= std::exp(moved);
  split.tokens = tokens * std::exp(cost - moved) - read_later;
  flops *= split.tokens / before * std::exp(moved);
  draw.total_within *= std::exp(cost);
}

/// The draw's N without the bound if it lies below that, else the bound.
Solution clip(const Draw& draw, const Demand& demand) {
  const double most = demand.most_params.value_or(kInfinity);
  if (!(draw.free.split.params > most) || std::isinf(draw.total_within)) return draw.free;
  const double tokens = std::max(1.0, draw.total_within / (6 * most) - demand.inference_tokens / 3);
  return {{most, tokens, draw.free.split.log_loss}, 6 * most * tokens};
}

/// N* and D* of a frontier are two lines, which have no end.
std::vector<End> ends_of(const Fit& fit, const std::vector<Draw>& draws) {
  std::vector<End> ends;
  for (const Draw& draw : draws)
    ends.push_back(fit.is_frontier() ? End::none : end_of(draw.free.split));
  return ends;
}

/// Nothing holds a draw at its end but that the search stops there.
Solution without_end(Solution solution, End end, const Demand& demand) {
  if (is_at_bound(solution.split, demand)) return solution;
  if (end == End::one_token) solution.split.params = kInfinity;
  if (end == End::one_parameter) solution.split.tokens = kInfinity;
  return solution;
}

/// What the draws lack, in ln N and ln T.
struct Missing {
  double params = 0;   // deviation
  double towards = 0;  // deviation to one side, with its sign: to what parabolas say
  CostOfLoss cost;

  bool any() const { return params > 0 || towards != 0 || cost.deviation > 0; }
};

/// As shifts that know nothing of the draws: where these lie off the optimum, that stays as it is.
void widen(const Missing& missing, const Demand& demand, std::vector<Draw>& draws) {
  constexpr double kGolden = 0.6180339887498949;
  constexpr double kRootOfTwo = 0.4142135623730950;
  constexpr double kRootOfThree = 0.7320508075688772;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    if (!std::isfinite(draws[i].total_within)) continue;
    const double costs = missing.cost.deviation * evenly_normal(i, kRootOfTwo);
    const double params = missing.params * evenly_normal(i, kGolden) +
                          missing.towards * std::max(0.0, evenly_normal(i, kRootOfThree));
    shift(params + missing.cost.params_share * costs, costs, demand.inference_tokens, draws[i]);
  }
}

}  // namespace

bool is_at_bound(const Split& split, const Demand& demand) {
  constexpr double kRounding = 1e-9;
  return split.params >= (1 - kRounding) * demand.most_params.value_or(kInfinity);
}

Goal without_bound(Goal goal) {
  goal.demand.most_params.reset();
  return goal;
}

std::optional<Solution> solve(const Fit& fit, const SplitPlanner& planner, const Goal& goal,
                              const std::vector<double>& state) {
  const auto total = goal.flops ? goal.flops : planner.cheapest(state, *goal.loss);
  if (!total) return std::nullopt;
  const auto split = planner.best(state, *total);
  if (!split) return std::nullopt;
  // The N* and D* of a frontier are two lines of their own: 6 N D is only about the budget.
  return Solution{*split, fit.is_frontier() ? *total : 6 * split->params * split->tokens};
}

DrawnSolutions draw_solutions(const Fit& fit, const Goal& goal, const Optimum& optimum) {
  auto [draws, laws] = draw_laws(fit, goal);
  const Rollout& rollout = fit.rollout;
  const double distance =
      distance_beyond(rollout.reach, extent_of(rollout.growth, RunSize{.flops = optimum.flops}));
  const double strayed = std::sqrt(rollout.stray) * std::max(0.0, distance);
  const double own = deviation_of(draws, 0);
  Missing missing;
  missing.params = missing_deviation(strayed, own);
  if (rollout.parabolas)
    missing.towards =
        rollout.parabolas->at(optimum.flops) * (optimum.flops / optimum.total_flops());
  if (goal.loss) missing.cost = cost_of_loss(Plan(fit, goal), optimum);
  missing.cost.deviation = missing_deviation(missing.cost.deviation, deviation_of(draws, 3));
  const std::vector<End> ends = ends_of(fit, draws);  // before anything moves them
  if (missing.any()) widen(missing, goal.demand, draws);
  DrawnSolutions drawn{{}, laws, std::max(strayed, own)};
  for (std::size_t i = 0; i < draws.size(); ++i)
    drawn.solutions.push_back(without_end(clip(draws[i], goal.demand), ends[i], goal.demand));
  return drawn;
}

}  // namespace isoflop::laws
