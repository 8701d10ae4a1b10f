// Fits of a law by the robust objective: approach 3 and every one-formula law.
#pragma once

#include <span>

#include "laws/fit.hpp"
#include "laws/law.hpp"

namespace isoflop::laws {

/// Fills parameters, derived, objective, search, residual_rms, rollout and draws of `result` from
/// prepared points that are enough for `law`.
void fit_robust(const Points& prepared, const Law& law, std::span<const Variable> variables,
                const FitOptions& options, Fit& result);

/// Throws InputError unless the points have the columns that the law reads and predicts.
void require_columns(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// Throws InputError, naming what the law needs, unless `prepared` can determine it.
void require_enough(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// As require_enough, without the message.
bool is_enough(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// Refits on the points below a series of compute cuts and predicts those above (rollout.cpp).
Rollout measure_rollout(const Points& prepared, const Law& law, std::span<const Variable> variables,
                        double huber_delta, const Vector& theta, double residual_rms);

/// The better of a direct descent from `start` and one through smoothed objectives.
Vector refit(const Law& law, const Samples& samples, double huber_delta, const Vector& start);

}  // namespace isoflop::laws
