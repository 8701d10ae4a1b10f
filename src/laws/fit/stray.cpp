#include "laws/fit/stray.hpp"

#include <algorithm>
#include <cmath>

#include "laws/fit/allocation.hpp"
#include "laws/fit/theta.hpp"

namespace isoflop::laws {
namespace {

constexpr double kSharpness = 4;                     // of a cut's share of the points
constexpr double kShortest = 0.3;                    // distance that an error is divided by
constexpr double kLargestError = 2.302585092994046;  // of ln N*; an N* that is not there, too

/// The mean described above.
class MeanStray {
 public:
  void add(double share, double error, double distance) {
    const double size = std::isfinite(error) ? std::fabs(error) : kLargestError;
    const double slope = std::min(size, kLargestError) / std::max(distance, kShortest);
    const double weight = std::pow(share, kSharpness);
    sum_ += weight * slope * slope;
    weight_ += weight;
  }
  double value() const { return weight_ > 0 ? sum_ / weight_ : 0; }

 private:
  double sum_ = 0;
  double weight_ = 0;
};

/// What predicts below cut k: enough of a fit to plan with.
Fit mixture_at(std::size_t k, std::span<const LawRollout> rollouts,
               const std::vector<double>& weights) {
  Fit mixture;
  for (std::size_t m = 0; m < rollouts.size(); ++m) {
    if (!rollouts[m].stages[k]) continue;
    Member member;
    member.law = rollouts[m].contender.law->name;
    member.weight = weights[m];
    member.coordinates = to_row(rollouts[m].stages[k]->theta, rollouts[m].contender.law->size());
    mixture.members.push_back(member);
  }
  std::ranges::stable_sort(mixture.members, std::ranges::greater{}, &Member::weight);
  mixture.is_ensemble = mixture.members.size() > 1;
  if (!mixture.members.empty()) mixture.law = mixture.members.front().law;
  return mixture;
}

double log_best_params(const Fit& mixture, const Demand& demand, double flops) {
  const auto split = SplitPlanner(mixture, demand).best(state_of(mixture), flops);
  return split ? std::log(split->params) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

double stray_of(const Points& prepared, const Cuts& cuts, std::span<const LawRollout> rollouts,
                const std::vector<std::vector<double>>& weights) {
  const Law& law = *rollouts.front().contender.law;
  const bool reads_both = law.variables.size() > 1 && !prepared.params.empty() &&
                          !prepared.tokens.empty() && !law.reads_curves;
  if (!reads_both || cuts.sizes.empty()) return 0;
  Demand demand;
  if (!prepared.unique_tokens.empty())
    demand.unique_tokens = std::ranges::max(prepared.unique_tokens);
  const Fit all = mixture_at(cuts.sizes.size(), rollouts, weights.back());
  if (!SplitPlanner(all, demand).has_trade_off()) return 0;
  double flops = 0;
  double largest = 0;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    flops = std::max(flops, 6 * prepared.params[i] * prepared.tokens[i]);
    largest = std::max(largest, cuts.size(i));
  }
  const double log_best = log_best_params(all, demand, flops);
  if (std::isnan(log_best)) return 0;
  MeanStray stray;
  for (std::size_t k = 0; k < cuts.sizes.size(); ++k) {
    const Fit below = mixture_at(k, rollouts, weights[k]);
    if (below.members.empty()) continue;
    const auto fitted = std::ranges::count_if(
        cuts.extents, [&](const auto& extent) { return extent.front() <= cuts.sizes[k]; });
    stray.add(static_cast<double>(fitted) / static_cast<double>(prepared.size()),
              log_best_params(below, demand, flops) - log_best, std::log(largest / cuts.sizes[k]));
  }
  return stray.value();
}

double stray_of(const Frontier& frontier, std::span<const RolloutCut> cuts) {
  const auto lines_up_to = [&](double size) {
    Frontier below;
    for (std::size_t i = 0; i < frontier.flops.size(); ++i) {
      if (frontier.flops[i] > size) continue;
      below.flops.push_back(frontier.flops[i]);
      below.params.push_back(frontier.params[i]);
      below.tokens.push_back(frontier.tokens[i]);
    }
    return fit_lines(below);
  };
  const double largest = std::ranges::max(frontier.flops);
  const auto log_best = [&](const FrontierLines& lines) {
    return std::log(lines.params_scale) + lines.params_exponent * std::log(largest / 6);
  };
  const double all = log_best(lines_up_to(largest));
  MeanStray stray;
  for (const RolloutCut& cut : cuts) {
    const FrontierLines lines = lines_up_to(cut.size);
    if (lines.ok)
      stray.add(static_cast<double>(cut.fitted) / static_cast<double>(frontier.flops.size()),
                log_best(lines) - all, std::log(largest / cut.size));
  }
  return stray.value();
}

}  // namespace isoflop::laws
