#include "laws/fit/ladder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/integers.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kSharpness = 3;    // of weights
constexpr double kPriorCuts = 0.5;  // of equal weights
constexpr double kSmallestMiss = 1e-6;
constexpr std::size_t kMostProbes = 2000;

}  // namespace

Ladder::Ladder(const Points& prepared, const Cuts& cuts, std::span<const LawRollout> rollouts)
    : points_(prepared),
      cuts_(cuts),
      sizes_(cuts.sizes),
      rollouts_(rollouts),
      largest_miss_(largest_miss(*rollouts.front().contender.law)) {
  sizes_.push_back(std::numeric_limits<double>::infinity());
  const std::size_t step = ceil_div(prepared.size(), kMostProbes);
  for (std::size_t i = 0; i < prepared.size(); i += step) probes_.push_back(i);
  measure_cuts();
  compute_forecasts();
  for (std::size_t k = 0; k < sizes_.size(); ++k) {
    weights_.push_back(weights_at(k));
    held_.push_back(hold_out(k));
  }
}

void Ladder::measure_cuts() {
  for (const double cut : sizes_) {
    reach_.emplace_back();
    fitted_.push_back(0);
    for (std::size_t i = 0; i < cuts_.extents.size(); ++i) {
      if (cuts_.size(i) > cut) continue;
      ++fitted_.back();
      stretch(reach_.back(), cuts_.extents[i]);
    }
  }
}

void Ladder::compute_forecasts() {
  for (const LawRollout& rollout : rollouts_) {
    forecasts_.emplace_back(sizes_.size());
    for (std::size_t j = 0; j < sizes_.size(); ++j) {
      if (!rollout.stages[j]) continue;
      for (const std::size_t i : probes_)
        forecasts_.back()[j].push_back(
            forecast(*rollout.contender.law, rollout.samples.row(i), *rollout.stages[j]));
    }
  }
}

/// Of one law fitted up to cut j, over the points between the cuts j and k; NaN for none.
double Ladder::rms_miss(std::size_t law, std::size_t j, std::size_t k) const {
  if (forecasts_[law][j].empty()) return kNan;
  double squares = 0;
  std::size_t count = 0;
  for (std::size_t p = 0; p < probes_.size(); ++p) {
    const std::size_t i = probes_[p];
    if (cuts_.size(i) <= sizes_[j] || cuts_.size(i) > sizes_[k]) continue;
    const double miss = capped(forecasts_[law][j][p].value - measured(i));
    squares += miss * miss;
    ++count;
  }
  return count == 0 ? kNan : std::sqrt(squares / static_cast<double>(count)) + kSmallestMiss;
}

std::vector<double> Ladder::weights_at(std::size_t k) const {
  const std::size_t laws = rollouts_.size();
  std::vector<double> excess(laws, 0.0);
  std::vector<double> count(laws, kPriorCuts);
  for (std::size_t j = 0; j < k; ++j) {
    std::vector<double> rms;
    for (std::size_t m = 0; m < laws; ++m)
      rms.push_back(rollouts_[m].stages[k] ? rms_miss(m, j, k) : kNan);
    double best = kNan;
    for (const double value : rms) best = std::fmin(best, value);
    for (std::size_t m = 0; m < laws; ++m) {
      if (!std::isfinite(rms[m])) continue;
      excess[m] += std::log(rms[m] / best);
      count[m] += 1;
    }
  }
  std::vector<double> weights(laws, 0.0);
  for (std::size_t m = 0; m < laws; ++m)
    if (rollouts_[m].stages[k]) weights[m] = std::exp(-kSharpness * excess[m] / count[m]);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight = sum > 0 ? weight / sum : 0;
  return weights;
}

std::vector<Held> Ladder::hold_out(std::size_t k) const {
  std::vector<Held> held;
  if (k == last()) return held;
  std::vector<MixtureTerm> terms;
  for (std::size_t p = 0; p < probes_.size(); ++p) {
    const std::size_t i = probes_[p];
    if (cuts_.size(i) <= sizes_[k]) continue;
    terms.clear();
    for (std::size_t m = 0; m < rollouts_.size(); ++m)
      if (rollouts_[m].stages[k])
        terms.push_back({weights_[k][m], rollouts_[m].stages[k]->noise, forecasts_[m][k][p]});
    if (terms.empty()) return {};
    const Mixture mixture = mix(terms);
    const double distance = distance_beyond(reach_[k], cuts_.extents[i]);
    const double miss = mixture.value - measured(i);
    held.push_back({i, std::isfinite(miss) ? miss : largest_miss_, mixture, distance});
  }
  return held;
}

std::vector<RolloutCut> Ladder::cuts() const {
  std::vector<RolloutCut> cuts;
  for (std::size_t j = 0; j < last(); ++j) {
    RolloutCut cut{sizes_[j], fitted_[j], points_.size() - fitted_[j], held_[j].size(), 0, 0};
    if (held_[j].empty()) continue;
    const auto count = static_cast<double>(held_[j].size());
    for (const Held& held : held_[j]) {
      cut.rms_miss += held.miss * held.miss / count;
      cut.mean_miss += held.miss / count;
    }
    cut.rms_miss = std::sqrt(cut.rms_miss);
    cuts.push_back(cut);
  }
  return cuts;
}

std::vector<double> Ladder::errors() const {
  std::vector<double> errors;
  for (std::size_t m = 0; m < rollouts_.size(); ++m) {
    double squares = 0;
    std::size_t count = 0;
    for (std::size_t j = 0; j < last(); ++j) {
      const double rms = rms_miss(m, j, last());
      if (!std::isfinite(rms)) continue;
      squares += rms * rms;
      ++count;
    }
    errors.push_back(count == 0 ? kNan : std::sqrt(squares / static_cast<double>(count)));
  }
  return errors;
}

}  // namespace isoflop::laws
