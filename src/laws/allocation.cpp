#include "laws/allocation.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/frontier.hpp"
#include "laws/root.hpp"

namespace isoflop::laws {
namespace {

Vector to_vector(const std::vector<double>& values) {
  Vector vector{};
  std::copy(values.begin(), values.end(), vector.begin());
  return vector;
}

/// ln loss as a function of ln N and ln D.
class Surface {
 public:
  Surface(const Law& law, const std::vector<double>& values, const Demand& demand)
      : law_(law),
        theta_(law.coordinates(to_vector(values))),
        log_unique_(std::log(demand.unique_tokens.value_or(1))) {}

  double operator()(double log_params, double log_tokens) const {
    double x[kMaxVariables] = {};
    for (std::size_t i = 0; i < law_.variables.size(); ++i)
      x[i] = log_of(law_.variables[i], log_params, log_tokens);
    return law_.evaluate(x, theta_.data(), nullptr, nullptr);
  }

 private:
  static constexpr std::size_t kMaxVariables = 8;

  double log_of(Variable variable, double log_params, double log_tokens) const {
    if (variable == Variable::params) return log_params;
    if (variable == Variable::tokens) return log_tokens;
    if (variable == Variable::unique_tokens) return log_unique_;
    return std::log(6.0) + log_params + log_tokens;
  }

  const Law& law_;
  Vector theta_;
  double log_unique_;
};

/// The splits of one T, by ln D.
struct Line {
  const Surface& surface;
  double log_product;  // ln(T / 6)
  double third;        // D_inf / 3

  double log_params(double log_tokens) const {
    return log_product - std::log(std::exp(log_tokens) + third);
  }
  double operator()(double log_tokens) const { return surface(log_params(log_tokens), log_tokens); }
  /// ln D that leaves one parameter.
  double limit() const { return std::log(std::exp(log_product) - third); }
};

/// ln D of the lowest loss on the line; empty when it lies at an end.
std::optional<double> best_log_tokens(const Line& line) {
  constexpr int kScan = 96;
  const double high = line.limit();
  if (!(high > 0)) return std::nullopt;
  int best = 0;
  double lowest = line(0);
  for (int k = 1; k <= kScan; ++k) {
    const double loss = line(high * k / kScan);
    if (loss < lowest) {
      lowest = loss;
      best = k;
    }
  }
  if (best == 0 || best == kScan) return std::nullopt;
  const auto slope = [&](double log_tokens) { return derivative(line, log_tokens); };
  return find_root(slope, high * (best - 1) / kScan, high * (best + 1) / kScan, 1e-12);
}

bool is_known(Variable variable) {
  return variable == Variable::params || variable == Variable::tokens ||
         variable == Variable::flops || variable == Variable::unique_tokens;
}

bool reads(const Law& law, Variable variable) {
  return std::ranges::find(law.variables, variable) != law.variables.end();
}

}  // namespace

Planner::Planner(const Fit& fit, const Demand& demand)
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
  require(unique || !reads(*law_, Variable::unique_tokens),
          "law {} reads how many of the tokens are different: give --unique-tokens", fit.law);
}

bool Planner::has_trade_off() const {
  if (fit_->is_frontier()) return true;
  return law_->response == Variable::loss && reads(*law_, Variable::params) &&
         reads(*law_, Variable::tokens) && std::ranges::all_of(law_->variables, is_known);
}

std::optional<Split> Planner::best(const std::vector<double>& values, double total_flops) const {
  if (!has_trade_off()) return std::nullopt;
  if (fit_->is_frontier())
    return Split{frontier_params(values, total_flops), frontier_tokens(values, total_flops),
                 std::log(frontier_loss(values, total_flops))};
  const Surface surface(*law_, values, demand_);
  if (demand_.inference_tokens == 0) {
    if (const auto closed = law_->optimum(to_vector(values), total_flops))
      return Split{closed->params, closed->tokens,
                   surface(std::log(closed->params), std::log(closed->tokens))};
  }
  const Line line{surface, std::log(total_flops / 6), demand_.inference_tokens / 3};
  const auto log_tokens = best_log_tokens(line);
  if (!log_tokens) return std::nullopt;
  return Split{std::exp(line.log_params(*log_tokens)), std::exp(*log_tokens), line(*log_tokens)};
}

std::optional<double> Planner::cheapest(const std::vector<double>& values, double loss) const {
  constexpr double kLeastFlops = 1e6;
  constexpr double kStep = 10;
  const auto miss = [&](double log_flops) {
    const auto split = best(values, std::exp(log_flops));
    return split ? split->log_loss - std::log(loss) : 1e3;
  };
  double low = std::log(kLeastFlops);
  while (std::exp(low) < kMostFlops) {
    const double high = low + std::log(kStep);
    if (miss(high) <= 0) return std::exp(find_root(miss, low, high, 1e-13));
    low = high;
  }
  return std::nullopt;
}

}  // namespace isoflop::laws
