#include "laws/fit/allocation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/fit/mixture.hpp"
#include "laws/fit/theta.hpp"
#include "laws/numerics/root.hpp"

namespace isoflop::laws {
namespace {

/// One law of the mixture.
struct Term {
  const Law* law;
  Vector theta;
  double weight;
};

/// ln loss of the mixture as a function of ln N and ln D.
class Surface {
 public:
  Surface(std::vector<Term> terms, const Demand& demand)
      : terms_(std::move(terms)), log_unique_(std::log(demand.unique_tokens.value_or(1))) {}

  double operator()(double log_params, double log_tokens) const {
    std::vector<WeightedValue> values;
    values.reserve(terms_.size());
    for (const Term& term : terms_) {
      double x[kMaxVariables] = {};
      for (std::size_t i = 0; i < term.law->variables.size(); ++i)
        x[i] = log_of(term.law->variables[i], log_params, log_tokens);
      values.push_back({term.weight, term.law->evaluate(x, term.theta.data(), nullptr, nullptr)});
    }
    return mix_values(values);
  }

 private:
  static constexpr std::size_t kMaxVariables = 8;

  double log_of(Variable variable, double log_params, double log_tokens) const {
    if (variable == Variable::params) return log_params;
    if (variable == Variable::tokens) return log_tokens;
    if (variable == Variable::unique_tokens) return log_unique_;
    return std::log(6.0) + log_params + log_tokens;
  }

  std::vector<Term> terms_;
  double log_unique_;
};

/// The optimum that a law knows in closed form, or by its own search; empty where the law has none
/// and where a value overflows.
std::optional<Allocation> own_optimum(const Term& term, double flops) {
  const Vector values = term.law->values(term.theta);
  for (const double value : values)
    if (!std::isfinite(value)) return std::nullopt;
  return term.law->optimum(values, flops);
}

/// The splits of one T, by ln D.
struct Line {
  const Surface& surface;
  double log_product;      // ln(T / 6)
  double third;            // D_inf / 3
  double most_log_params;  // infinite: no bound

  double log_params(double log_tokens) const {
    return log_product - std::log(std::exp(log_tokens) + third);
  }
  double operator()(double log_tokens) const { return surface(log_params(log_tokens), log_tokens); }
  /// ln D that leaves one parameter.
  double limit() const { return std::log(std::exp(log_product) - third); }
  /// ln D that leaves the largest N there may be; one token where N has no bound.
  double least() const {
    return std::log(std::max(1.0, std::exp(log_product - most_log_params) - third));
  }
};

/// How far a split lies outside the points of the fit, in the logarithm.
double distance_from_points(const Fit& fit, double log_params, double log_tokens) {
  double distance = 0;
  const auto add = [&](const Range& range, double log_size) {
    distance = std::fmax(distance, log_size - std::log(range.high));  // NaN: not known
    distance = std::fmax(distance, std::log(range.low) - log_size);
  };
  add(fit.params, log_params);
  add(fit.tokens, log_tokens);
  return distance;
}

/// ln D of the lowest loss on the line, where there are several minima of that of the least
/// distance; empty when it lies at an end that no bound of N makes. A loss that is least at the
/// bound has a minimum there.
template <class Distance>
std::optional<double> best_log_tokens(const Line& line, Distance&& distance) {
  constexpr int kScan = 96;
  const double low = line.least();
  const double high = line.limit();
  if (!(high > low)) return std::nullopt;
  const auto place = [&](int k) { return low + (high - low) * k / kScan; };
  std::vector<double> losses;
  for (int k = 0; k <= kScan; ++k) losses.push_back(line(place(k)));
  const auto rank = [&](std::size_t k) {
    return std::pair(distance(place(static_cast<int>(k))), losses[k]);
  };
  const int best = static_cast<int>(lowest_inside(losses, rank, low > 0));
  const auto slope = [&](double log_tokens) { return derivative(line, log_tokens); };
  if (best == 0 && low > 0 && slope(low) >= 0) return low;
  if ((best == 0 && low == 0) || best == kScan) return std::nullopt;
  return find_root(slope, place(std::max(0, best - 1)), place(best + 1), 1e-12);
}

bool is_known(Variable variable) {
  return variable == Variable::params || variable == Variable::tokens ||
         variable == Variable::flops || variable == Variable::unique_tokens;
}

}  // namespace

End end_of(const Split& split) {
  constexpr double kEnd = 2;  // searches stop a little before one
  if (!(split.tokens >= kEnd)) return End::one_token;
  return split.params >= kEnd ? End::none : End::one_parameter;
}

const Split& require_inside(const std::optional<Split>& best, double flops) {
  require(best && end_of(*best) == End::none,
          "flops: at {:g} FLOP the lowest loss of this fit lies at an end, one token or one "
          "parameter: needed another budget, or a fit whose loss rises towards both ends",
          flops);
  return *best;
}

SplitPlanner::SplitPlanner(const Fit& fit, const Demand& demand)
    : fit_(&fit), law_(&find_law(fit.law)), demand_(demand) {
  require(std::isfinite(demand.inference_tokens) && demand.inference_tokens >= 0,
          "inference-tokens: saw {}, needed a number, 0 or above", demand.inference_tokens);
  require(!fit.is_frontier() || demand.inference_tokens == 0,
          "inference-tokens: {} knows the loss on the compute-optimal frontier only; fit with "
          "--method approach3",
          fit.method);
  const auto unique = demand.unique_tokens;
  require(!unique || (std::isfinite(*unique) && *unique > 0),
          "unique-tokens: saw {}, needed a number above 0", unique.value_or(0));
  require(!demand.most_params || (std::isfinite(*demand.most_params) && *demand.most_params >= 1),
          "a bound of params: saw {}, needed a number, 1 or above", demand.most_params.value_or(0));
  require(!fit.is_frontier() || !demand.most_params,
          "a bound of params: {} knows the loss on the compute-optimal frontier only; fit with "
          "--method approach3",
          fit.method);
  require(unique || !reads(law_->variables, Variable::unique_tokens),
          "law {} reads how many of the tokens are different: give --unique-tokens", fit.law);
}

bool SplitPlanner::has_trade_off() const {
  if (fit_->is_frontier()) return true;
  return law_->response == Variable::loss && reads(law_->variables, Variable::params) &&
         reads(law_->variables, Variable::tokens) && std::ranges::all_of(law_->variables, is_known);
}

std::optional<Split> SplitPlanner::best(const std::vector<double>& state,
                                        double total_flops) const {
  if (!has_trade_off()) return std::nullopt;
  if (fit_->is_frontier())
    return Split{frontier_params(state, total_flops), frontier_tokens(state, total_flops),
                 std::log(frontier_loss(state, total_flops))};
  std::vector<Term> terms = {{law_, to_vector(state), 1}};
  if (fit_->is_ensemble) {
    terms.front().weight = fit_->members.front().weight;
    for (std::size_t m = 1; m < fit_->members.size(); ++m) {
      const Member& member = fit_->members[m];
      terms.push_back({&find_law(member.law), theta_of(member), member.weight});
    }
  }
  const Surface surface(terms, demand_);
  const double most = demand_.most_params.value_or(std::numeric_limits<double>::infinity());
  if (demand_.inference_tokens == 0 && terms.size() == 1) {
    if (const auto own = own_optimum(terms.front(), total_flops); own && own->params <= most)
      return Split{own->params, own->tokens, surface(std::log(own->params), std::log(own->tokens))};
  }
  const Line line{surface, std::log(total_flops / 6), demand_.inference_tokens / 3, std::log(most)};
  const auto log_tokens = best_log_tokens(line, [&](double log_tokens) {
    return distance_from_points(*fit_, line.log_params(log_tokens), log_tokens);
  });
  if (!log_tokens) return std::nullopt;
  return Split{std::exp(line.log_params(*log_tokens)), std::exp(*log_tokens), line(*log_tokens)};
}

std::optional<double> SplitPlanner::cheapest(const std::vector<double>& state, double loss) const {
  constexpr double kLeastFlops = 1e6;
  constexpr double kStep = 10;
  const auto miss = [&](double log_flops) {
    const auto split = best(state, std::exp(log_flops));
    return split ? split->log_loss - std::log(loss) : 1e3;
  };
  double low = std::log(kLeastFlops);
  if (miss(low) <= 0) return kLeastFlops;
  while (std::exp(low) < kMostFlops) {
    const double high = low + std::log(kStep);
    if (miss(high) <= 0) return std::exp(find_root(miss, low, high, 1e-13));
    low = high;
  }
  return std::nullopt;
}

}  // namespace isoflop::laws
