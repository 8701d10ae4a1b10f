// The forecasts of several laws as one: where it lies and how far the laws leave it open.
//
// Value: the mean of ln L by weight, in which no law pulls further than kLargestMiss from the
// heaviest. A law of many parameters and few points may be anywhere far beyond them.
//
// Spread: each law's forecast is a normal distribution of ln L (its value, the variance by its
// parameters), their weighted sum the distribution of the mixture. Its standard deviation counts
// as half of the range that holds the central 68.3%, as it is for one normal: a law with a
// hundredth of the weight moves the ranks of its ends by a hundredth at most, wherever it lies,
// while it could move the variance without a limit.
#pragma once

#include <span>

#include "laws/fit/rollout.hpp"

namespace isoflop::laws {

struct WeightedValue {
  double weight;
  double value;  // of ln loss
};

/// The mean described above, over the values that are finite; NaN when none is.
double mix_values(std::span<const WeightedValue> laws);

/// One law's part of a mixture.
struct MixtureTerm {
  double weight;
  double noise;  // standard deviation of ln loss
  Forecast forecast;
};

/// A law whose forecast or variance is not finite is dropped; when no variance is, the values alone
/// are mixed and the spread is NaN.
struct Mixture {
  double value = 0;
  double noise = 0;         // variances of ln loss: of the points, the harmonic mean over the laws
  double spread = 0;        // of the laws: their parameters and their disagreement
  std::size_t dropped = 0;  // laws without a finite forecast; all NaN when none is left
  double variance() const { return noise + spread; }
};
Mixture mix(std::span<const MixtureTerm> terms);

}  // namespace isoflop::laws
