// A run's training losses as a curve to fit, and what is wrong with them.
#pragma once

#include <string>
#include <vector>

#include "record/run_data.hpp"

namespace isoflop::experiment {

/// Why the last loss of a finished run says nothing about its size and tokens; empty: it does.
///   - the learning rate was highest at the last of several steps: it never left its warmup
///   - the mean loss of the last twentieth of the steps is more than a tenth above the lowest mean
///     of a twentieth before it: it ended in a spike, or was diverging
/// Fewer than 100 steps after warmup are too noisy to call a spike.
std::string curve_trouble(const std::vector<record::TrainRow>& rows);

/// Whether the last learning rate is the highest one still, to 1%: a constant rate, whose loss lies
/// above that of a run that decayed.
bool ends_at_its_peak(const std::vector<record::TrainRow>& rows);

struct LossAtTokens {
  double tokens;
  double loss;  // nats/token
};

/// Means over at most `bins` equal steps of ln tokens (the geometric mean of the tokens), from the
/// end of warmup on: the step of the highest learning rate.
std::vector<LossAtTokens> smoothed_curve(const std::vector<record::TrainRow>& rows,
                                         std::size_t bins);

}  // namespace isoflop::experiment
