#include "laws/fit/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace isoflop::laws {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kOneBelow = 0.15865525393145705;  // of a normal, one standard deviation below

/// Share of the mixture's weight below `place`.
double share_below(std::span<const MixtureTerm> terms, double place) {
  constexpr double kSharpest = 1e-12;  // standard deviation of ln loss
  double below = 0;
  double weight = 0;
  for (const auto& [w, noise, forecast] : terms) {
    const double deviation = std::max(kSharpest, std::sqrt(forecast.variance));
    below += w * 0.5 * std::erfc((forecast.value - place) / (deviation * std::sqrt(2.0)));
    weight += w;
  }
  return below / weight;
}

/// Where the mixture has `share` of its weight below.
double place_of(std::span<const MixtureTerm> terms, double share) {
  constexpr double kReach = 9;  // standard deviations: beyond is no weight
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const MixtureTerm& term : terms) {
    const double reach = kReach * std::sqrt(term.forecast.variance);
    low = std::min(low, term.forecast.value - reach);
    high = std::max(high, term.forecast.value + reach);
  }
  for (;;) {  // a law of no weight may stretch the bracket: halve until no number lies between
    const double middle = std::midpoint(low, high);
    if (middle == low || middle == high) return middle;
    (share_below(terms, middle) < share ? low : high) = middle;
  }
}

/// The variance below which laws have half of the weight.
double middle_noise(std::span<const MixtureTerm> terms) {
  std::vector<MixtureTerm> sorted(terms.begin(), terms.end());
  std::ranges::stable_sort(sorted, {}, &MixtureTerm::noise);
  double left = 0;
  for (const MixtureTerm& term : sorted) left += 0.5 * term.weight;
  for (const MixtureTerm& term : sorted) {
    left -= term.weight;
    if (left <= 0) return term.noise * term.noise;
  }
  return kNan;
}

/// The harmonic mean by weight, in which no law knows the points much better than the middle one:
/// of few points a law of many parameters may leave nothing.
double noise_of(std::span<const MixtureTerm> terms) {
  constexpr double kLeast = 1.0 / 16;  // of the middle one's variance
  const double least = kLeast * middle_noise(terms);
  double precision = 0;
  double weight = 0;
  for (const MixtureTerm& term : terms) {
    weight += term.weight;
    if (term.weight > 0) precision += term.weight / std::max(least, term.noise * term.noise);
  }
  return weight / precision;
}

/// Variance of one normal that is as wide in its middle.
double spread_of(std::span<const MixtureTerm> terms) {
  if (terms.size() == 1) return terms.front().forecast.variance;
  const double deviation = 0.5 * (place_of(terms, 1 - kOneBelow) - place_of(terms, kOneBelow));
  return deviation * deviation;
}

}  // namespace

double mix_values(std::span<const WeightedValue> laws) {
  const WeightedValue* heaviest = nullptr;
  for (const WeightedValue& law : laws)
    if (std::isfinite(law.value) && (heaviest == nullptr || law.weight > heaviest->weight))
      heaviest = &law;
  if (heaviest == nullptr) return kNan;
  double pull = 0;
  double weight = 0;
  for (const WeightedValue& law : laws) {
    if (!std::isfinite(law.value)) continue;
    pull += law.weight * capped_miss(law.value - heaviest->value);
    weight += law.weight;
  }
  return heaviest->value + pull / weight;
}

Mixture mix(std::span<const MixtureTerm> terms) {
  const bool any_sure = std::ranges::any_of(
      terms, [](const MixtureTerm& term) { return std::isfinite(term.forecast.variance); });
  std::vector<MixtureTerm> counted;
  std::vector<WeightedValue> values;
  for (const MixtureTerm& term : terms) {
    const Forecast& forecast = term.forecast;
    if (!std::isfinite(forecast.value) || (any_sure && !std::isfinite(forecast.variance))) continue;
    counted.push_back(term);
    values.push_back({term.weight, forecast.value});
  }
  const bool is_sure = any_sure && !counted.empty();
  return {mix_values(values), noise_of(counted), is_sure ? spread_of(counted) : kNan,
          terms.size() - counted.size()};
}

}  // namespace isoflop::laws
