#include <algorithm>
#include <cmath>

#include "laws/objective.hpp"
#include "laws/robust_fit.hpp"

namespace isoflop::laws {
namespace {

/// Largest fitted compute of each cut: where 50, 60, 70, 80 and 90% of the points lie below.
std::vector<double> cuts(const Points& prepared) {
  std::vector<double> flops = prepared.flops;
  if (flops.empty()) return {};
  std::sort(flops.begin(), flops.end());
  std::vector<double> cuts;
  for (const std::size_t percent : {50, 60, 70, 80, 90}) {
    const double cut = flops[(flops.size() - 1) * percent / 100];
    if (cut < flops.back() && (cuts.empty() || cut > cuts.back())) cuts.push_back(cut);
  }
  return cuts;
}

}  // namespace

Rollout measure_rollout(const Points& prepared, const Law& law, std::span<const Variable> variables,
                        double huber_delta, const Vector& theta, double residual_rms) {
  Rollout rollout;
  double squares = 0;
  double excess = 0;
  double lever = 0;
  for (const double cut : cuts(prepared)) {
    std::vector<std::size_t> below;
    std::vector<std::size_t> above;
    for (std::size_t i = 0; i < prepared.size(); ++i)
      (prepared.flops[i] <= cut ? below : above).push_back(i);
    const Points small = select(prepared, below);
    if (!is_enough(small, law, variables)) continue;
    const Vector fitted = refit(law, law.rows(small, variables), huber_delta, theta);
    const Points large = select(prepared, above);
    const Samples held_out = make_samples(law, large, variables);
    const std::vector<double> misses = Objective(law, held_out, huber_delta).residuals(fitted);
    for (std::size_t i = 0; i < misses.size(); ++i) {
      const double distance = std::log(large.flops[i] / cut);
      squares += misses[i] * misses[i];
      excess += misses[i] * misses[i] - residual_rms * residual_rms;
      lever += distance * distance;
    }
    ++rollout.cuts;
    rollout.points += misses.size();
  }
  if (rollout.points == 0) return rollout;
  rollout.rms_miss = std::sqrt(squares / static_cast<double>(rollout.points));
  rollout.growth = std::sqrt(std::max(0.0, excess) / lever);
  return rollout;
}

}  // namespace isoflop::laws
