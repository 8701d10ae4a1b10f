#include "laws/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "laws/bootstrap.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kSharpness = 3;    // of weights
constexpr double kPriorCuts = 0.5;  // of equal weights, and of misses as large as claimed
constexpr double kSmallestMiss = 1e-6;
constexpr double kLargestScore = 9;     // of z^2
constexpr double kRounding = 1e-14;     // variance of ln loss
constexpr double kDriftPower = 1.5;     // of the distance, for ln loss
constexpr double kDriftFactor = 2;      // few cuts see it
constexpr double kClaimedShare = 0.25;  // of the claimed variance, which misses may have by chance
constexpr double kDriftSharpness = 8;   // of a cut's share of the points
constexpr std::size_t kFewestOfOneSign = 3;  // two misses agree in sign every second time
constexpr std::size_t kMostProbes = 2000;
constexpr std::size_t kFewestForNested = 12;

/// What makes intervals hold, as it is estimated at one cut.
struct Factor {
  double scale = 1;
  double drift = 0;

  double variance(const Mixture& mixture, double distance) const {
    const double drifted = drift * std::pow(std::max(0.0, distance), 2 * kDriftPower);
    return scale * mixture.noise + std::max(scale * mixture.spread, drifted);
  }
};

/// One held-out point above a cut.
struct Held {
  std::size_t point;
  double miss;  // of the mixture, ln predicted - ln measured
  Mixture mixture;
  double distance;  // h
};

/// Sum of the products of every two different numbers.
struct PairSum {
  double sum = 0;
  double squares = 0;
  std::size_t count = 0;

  void add(double number) {
    sum += number;
    squares += number * number;
    ++count;
  }
  double value() const { return sum * sum - squares; }
};

class Ladder {
 public:
  Ladder(const Points& prepared, std::span<const double> cuts, std::span<const LawRollout> rollouts)
      : points_(prepared), cuts_(cuts.begin(), cuts.end()), rollouts_(rollouts) {
    cuts_.push_back(std::numeric_limits<double>::infinity());
    const std::size_t step = (prepared.size() + kMostProbes - 1) / kMostProbes;
    for (std::size_t i = 0; i < prepared.size(); i += step) probes_.push_back(i);
    measure_cuts();
    compute_misses();
    for (std::size_t k = 0; k < cuts_.size(); ++k) {
      weights_.push_back(weights_at(k));
      held_.push_back(hold_out(k));
    }
  }

  std::size_t last() const { return cuts_.size() - 1; }
  const std::vector<double>& weights() const { return weights_.back(); }

  /// Points above cut j that fits up to cut `k` may look at.
  template <class F>
  void for_each_held(std::size_t j, std::size_t k, F&& f) const {
    for (const Held& held : held_[j])
      if (points_.flops[held.point] <= cuts_[k]) f(held);
  }

  Factor factor_at(std::size_t k) const { return {scale_at(k), drift_at(k)}; }
  std::vector<RolloutCut> cuts() const;
  std::vector<double> errors() const;
  /// |miss| / (s sqrt f) of every point above every inner cut, each cut knowing what is below it.
  std::vector<double> nested_scores(std::size_t& counted_cuts) const;

 private:
  double measured(std::size_t i) const { return rollouts_.front().samples.y[i]; }
  void measure_cuts();
  void compute_misses();
  double rms_miss(std::size_t law, std::size_t j, std::size_t k) const;
  std::vector<double> weights_at(std::size_t k) const;
  std::vector<Held> hold_out(std::size_t k) const;
  double scale_at(std::size_t k) const;
  double drift_at(std::size_t k) const;

  const Points& points_;
  std::vector<double> cuts_;  // the last: all points
  std::span<const LawRollout> rollouts_;
  std::vector<std::size_t> probes_;
  std::vector<std::size_t> fitted_;                            // points up to each cut
  std::vector<double> params_, tokens_;                        // largest up to each cut
  std::vector<std::vector<std::vector<Forecast>>> forecasts_;  // [law][cut][probe], empty: no fit
  std::vector<std::vector<double>> weights_;                   // [cut][law]
  std::vector<std::vector<Held>> held_;                        // [cut]
};

void Ladder::measure_cuts() {
  for (const double cut : cuts_) {
    fitted_.push_back(0);
    params_.push_back(0);
    tokens_.push_back(0);
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (!points_.flops.empty() && points_.flops[i] > cut) continue;
      ++fitted_.back();
      if (!points_.params.empty()) params_.back() = std::max(params_.back(), points_.params[i]);
      if (!points_.tokens.empty()) tokens_.back() = std::max(tokens_.back(), points_.tokens[i]);
    }
  }
}

void Ladder::compute_misses() {
  for (const LawRollout& rollout : rollouts_) {
    forecasts_.emplace_back(cuts_.size());
    for (std::size_t j = 0; j < cuts_.size(); ++j) {
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
    if (points_.flops[i] <= cuts_[j] || points_.flops[i] > cuts_[k]) continue;
    const double miss = capped_miss(forecasts_[law][j][p].value - measured(i));
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
    if (points_.flops[i] <= cuts_[k]) continue;
    terms.clear();
    for (std::size_t m = 0; m < rollouts_.size(); ++m)
      if (rollouts_[m].stages[k])
        terms.push_back(
            {weights_[k][m], rollouts_[m].stages[k]->residual_rms, forecasts_[m][k][p]});
    if (terms.empty()) return {};
    const Mixture mixture = mix(terms);
    double distance = std::log(points_.flops[i] / cuts_[k]);
    if (!points_.params.empty())
      distance = std::max(distance, std::log(points_.params[i] / params_[k]));
    if (!points_.tokens.empty())
      distance = std::max(distance, std::log(points_.tokens[i] / tokens_[k]));
    const double miss = mixture.value - measured(i);
    held.push_back({i, std::isfinite(miss) ? miss : kLargestMiss, mixture, distance});
  }
  return held;
}

double Ladder::scale_at(std::size_t k) const {
  double weighted = kPriorCuts;  // with mean 1
  double weight = kPriorCuts;
  for (std::size_t j = 0; j < k; ++j) {
    double squares = 0;
    double count = 0;
    for_each_held(j, k, [&](const Held& held) {
      const double variance = held.mixture.variance() + kRounding;
      squares += std::fmin(held.miss * held.miss / variance, kLargestScore);
      count += 1;
    });
    if (count == 0) continue;
    const double share = static_cast<double>(fitted_[j]) / static_cast<double>(fitted_[k]);
    weighted += share * share * squares / count;
    weight += share * share;
  }
  return weighted / weight;
}

/// Products of the misses of two different points are free of the points' own noise.
double Ladder::drift_at(std::size_t k) const {
  double weighted = 0;
  double weight = 0;
  for (std::size_t j = 0; j < k; ++j) {
    PairSum missed;
    PairSum claimed;
    PairSum reached;
    for_each_held(j, k, [&](const Held& held) {
      missed.add(capped_miss(held.miss));
      claimed.add(std::sqrt(held.mixture.spread));
      reached.add(std::pow(std::max(held.distance, 0.0), kDriftPower));
    });
    if (reached.count < kFewestOfOneSign || !(reached.value() > 0)) continue;
    const double excess = missed.value() - kClaimedShare * claimed.value();
    const double share = std::pow(static_cast<double>(fitted_[j]) / static_cast<double>(fitted_[k]),
                                  kDriftSharpness);
    weighted += share * std::max(0.0, excess / reached.value());
    weight += share;
  }
  return weight > 0 ? kDriftFactor * weighted / weight : 0;
}

std::vector<RolloutCut> Ladder::cuts() const {
  std::vector<RolloutCut> cuts;
  for (std::size_t j = 0; j < last(); ++j) {
    RolloutCut cut{cuts_[j], fitted_[j], points_.size() - fitted_[j], held_[j].size(), 0, 0};
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

std::vector<double> Ladder::nested_scores(std::size_t& counted_cuts) const {
  std::vector<double> scores;
  counted_cuts = 0;
  for (std::size_t k = 1; k < last(); ++k) {
    if (fitted_[k] < kFewestForNested || held_[k - 1].empty() || held_[k].empty()) continue;
    const Factor factor = factor_at(k);
    for_each_held(k, last(), [&](const Held& held) {
      const double width = std::sqrt(factor.variance(held.mixture, held.distance) + kRounding);
      const double score = std::fabs(held.miss) / width;
      scores.push_back(std::isfinite(score) ? score : std::numeric_limits<double>::max());
    });
    ++counted_cuts;
  }
  std::sort(scores.begin(), scores.end());
  return scores;
}

/// At most 101 quantiles say what thousands of scores say.
std::vector<double> summarise_scores(const std::vector<double>& scores) {
  constexpr std::size_t kQuantiles = 101;
  if (scores.size() <= kQuantiles) return scores;
  std::vector<double> quantiles;
  for (std::size_t q = 0; q < kQuantiles; ++q)
    quantiles.push_back(quantile(scores, static_cast<double>(q) / (kQuantiles - 1)));
  return quantiles;
}

}  // namespace

Calibration calibrate(const Points& prepared, std::span<const double> cuts,
                      std::span<const LawRollout> rollouts) {
  const Ladder ladder(prepared, cuts, rollouts);
  Calibration result{ladder.weights(), ladder.errors(), {}};
  const Factor factor = ladder.factor_at(ladder.last());
  Rollout& rollout = result.rollout;
  rollout.cuts = ladder.cuts();
  rollout.scale = factor.scale;
  rollout.drift = factor.drift;
  const std::vector<double> scores = ladder.nested_scores(rollout.nested_cuts);
  rollout.nested_points = scores.size();
  rollout.nested_scores = summarise_scores(scores);
  return result;
}

double interval_variance(const Rollout& rollout, const Mixture& mixture, double distance) {
  return Factor{rollout.scale, rollout.drift}.variance(mixture, distance);
}

double measured_coverage(const Rollout& rollout, double level) {
  if (rollout.nested_scores.empty()) return kNan;
  const double width = normal_half_width(level);
  const auto inside =
      std::upper_bound(rollout.nested_scores.begin(), rollout.nested_scores.end(), width);
  return static_cast<double>(inside - rollout.nested_scores.begin()) /
         static_cast<double>(rollout.nested_scores.size());
}

}  // namespace isoflop::laws
