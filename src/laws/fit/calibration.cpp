#include "laws/fit/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "laws/fit/bootstrap.hpp"
#include "laws/fit/ladder.hpp"
#include "laws/fit/parabolas.hpp"
#include "laws/fit/stray.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPriorCuts = 0.1;    // of misses as large as claimed
constexpr double kSharpness = 4;      // of a cut's share of the points
constexpr double kLargestScore = 9;   // of z^2
constexpr double kRounding = 1e-14;   // variance of ln loss
constexpr double kDriftPower = 1.5;   // of the distance, for ln loss
constexpr double kShortest = 0.3;     // distance that a miss tells the drift from
constexpr double kDriftFactor = 1.5;  // few cuts see it
// A drift that is small beside the noise shows in no miss, and grows.
constexpr double kHidden = 0.08;  // of the noise
// Misses beyond what the laws say of themselves are the drift's part. Laws that follow no surface
// disagree by more than their mean misses (docs/laws/intervals.md counts 1 in its place).
constexpr double kLargestSpread = 0.7;
constexpr double kClaimedShare = 0.25;  // of the claimed variance, which misses may have by chance
constexpr std::size_t kFewestOfOneSign = 3;  // two misses agree in sign every second time

/// What makes intervals hold, as it is estimated at one cut.
struct Factor {
  double scale = 1;
  double drift = 0;

  double variance(const Mixture& mixture, double distance) const {
    const double drifted = std::max(drift, kHidden * mixture.noise) *
                           std::pow(std::max(0.0, distance), 2 * kDriftPower);
    return scale * mixture.noise +
           std::max(std::min(scale, kLargestSpread) * mixture.spread, drifted);
  }
};

/// Sum of the products of every two different numbers.
struct PairSum {
  double sum = 0;
  double squares = 0;

  void add(double number) {
    sum += number;
    squares += number * number;
  }
  double value() const { return sum * sum - squares; }
};

/// What cut j counts for at cut k.
double weight_of(const Ladder& ladder, std::size_t j, std::size_t k) {
  const double share =
      static_cast<double>(ladder.fitted(j)) / static_cast<double>(ladder.fitted(k));
  return std::pow(share, kSharpness);
}

double scale_at(const Ladder& ladder, std::size_t k) {
  double weighted = kPriorCuts;  // with mean 1
  double weight = kPriorCuts;
  for (std::size_t j = 0; j < k; ++j) {
    double squares = 0;
    double count = 0;
    ladder.for_each_held(j, k, [&](const Held& held) {
      const double variance = held.mixture.variance() + kRounding;
      squares += std::fmin(held.miss * held.miss / variance, kLargestScore);
      count += 1;
    });
    if (count == 0) continue;
    const double of_cut = weight_of(ladder, j, k);
    weighted += of_cut * squares / count;
    weight += of_cut;
  }
  return weighted / weight;
}

/// Standard deviation that the laws themselves allow, counted as misses are; a spread that is not
/// known allows nothing.
double claim_of(const Ladder& ladder, const Mixture& mixture) {
  return std::isnan(mixture.spread) ? 0 : ladder.capped(std::sqrt(mixture.spread));
}

double reach_of(const Held& held) {
  return std::pow(std::max(held.distance, kShortest), kDriftPower);
}

/// Sum, over every two points, of the product of what fits said of each. Both are added up over the
/// cuts below both points: those fits have seen neither, so that products are free of the points'
/// own noise. A fit up to a cut between the two has seen the lower one, and its noise with it.
class PairProducts {
 public:
  explicit PairProducts(std::size_t points) : sums_(points, 0.0) {}

  /// Cuts come upwards: only pairs above this one change.
  template <class F>
  void add_cut(std::span<const Held> above, F&& number_of) {
    PairSum before;
    PairSum after;
    for (const Held& held : above) {
      double& sum = sums_[held.point];
      before.add(sum);
      sum += number_of(held);
      after.add(sum);
    }
    value_ += after.value() - before.value();
  }
  double value() const { return value_; }

 private:
  std::vector<double> sums_;  // of each point
  double value_ = 0;
};

/// A surface that bends away is missed on one side at every cut; chance misses turn, and cancel
/// before they are multiplied.
double drift_at(const Ladder& ladder, std::size_t k) {
  const std::size_t points = ladder.fitted(ladder.last());
  PairProducts missed(points);
  PairProducts claimed(points);
  PairProducts reached(points);
  for (std::size_t j = 0; j < k; ++j) {
    std::vector<Held> above;
    double reach = 0;
    ladder.for_each_held(j, k, [&](const Held& held) {
      above.push_back(held);
      reach += reach_of(held);
    });
    if (above.size() < kFewestOfOneSign) continue;
    const double weight = weight_of(ladder, j, k) / reach;
    missed.add_cut(above, [&](const Held& held) { return weight * ladder.capped(held.miss); });
    claimed.add_cut(above,
                    [&](const Held& held) { return weight * claim_of(ladder, held.mixture); });
    reached.add_cut(above, [&](const Held& held) { return weight * reach_of(held); });
  }
  if (reached.value() <= 0) return 0;
  const double excess = missed.value() - kClaimedShare * claimed.value();
  return kDriftFactor * std::max(0.0, excess / reached.value());
}

Factor factor_at(const Ladder& ladder, std::size_t k) {
  return {scale_at(ladder, k), drift_at(ladder, k)};
}

/// |miss| / standard deviation of every point above every inner cut, each cut knowing what is below
/// it.
std::vector<double> nested_scores(const Ladder& ladder, std::size_t fewest,
                                  std::size_t& counted_cuts) {
  std::vector<double> scores;
  counted_cuts = 0;
  for (std::size_t k = 1; k < ladder.last(); ++k) {
    if (ladder.fitted(k) < fewest || ladder.held(k - 1).empty() || ladder.held(k).empty()) continue;
    const Factor factor = factor_at(ladder, k);
    ladder.for_each_held(k, ladder.last(), [&](const Held& held) {
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

Calibration calibrate(const Points& prepared, const Cuts& cuts,
                      std::span<const LawRollout> rollouts, std::size_t fewest_for_nested) {
  const Ladder ladder(prepared, cuts, rollouts);
  Calibration result{ladder.weights(ladder.last()), ladder.errors(), {}};
  const Factor factor = factor_at(ladder, ladder.last());
  Rollout& rollout = result.rollout;
  rollout.cuts = ladder.cuts();
  rollout.growth = cuts.growth;
  rollout.reach = ladder.reach();
  std::vector<std::vector<double>> weights;
  for (std::size_t k = 0; k <= ladder.last(); ++k) weights.push_back(ladder.weights(k));
  rollout.stray = stray_of(prepared, cuts, rollouts, weights);
  rollout.parabolas = parabolas_against(prepared, rollouts, weights.back());
  rollout.scale = factor.scale;
  rollout.drift = factor.drift;
  const std::vector<double> scores = nested_scores(ladder, fewest_for_nested, rollout.nested_cuts);
  rollout.nested_points = scores.size();
  rollout.nested_scores = summarise_scores(scores);
  return result;
}

double interval_variance(const Rollout& rollout, const Mixture& mixture, double distance) {
  if (rollout.cuts.empty()) return mixture.variance();
  return Factor{rollout.scale, rollout.drift}.variance(mixture, distance);
}

double noise_variance(const Rollout& rollout, const Mixture& mixture) {
  return rollout.cuts.empty() ? mixture.noise : rollout.scale * mixture.noise;
}

std::string why_not_calibrated(const Fit& fit) {
  if (!fit.rollout.cuts.empty()) return "";
  if (reads_curves(fit.law))
    return "whole curves have no size by which some could be foretold from smaller ones";
  return fmt::format("the points do not span enough {} to fit some and foretell others",
                     describe(fit.rollout.growth));
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
