// Fits of a law by the robust objective: approach 3 and every one-formula law.
#pragma once

#include <span>

#include "laws/fit.hpp"
#include "laws/law.hpp"
#include "laws/rollout.hpp"

namespace isoflop::laws {

/// Fits every contender, rolls each out and weighs them. Fills members and rollout of `result`, and
/// from the heaviest contender, whose index it returns, parameters, derived, objective, search,
/// residual_rms and draws. The prepared points are enough for every contender.
std::size_t fit_robust(const Points& prepared, std::span<const Contender> contenders,
                       const FitOptions& options, Fit& result);

/// Throws InputError unless the points have the columns that the law reads and predicts.
void require_columns(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// Throws InputError, naming what the law needs, unless `prepared` can determine it.
void require_enough(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// As require_enough, without the message.
bool is_enough(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// The better of a direct descent from `start` and one through smoothed objectives.
Vector refit(const Law& law, const Samples& samples, double huber_delta, const Vector& start);

}  // namespace isoflop::laws
