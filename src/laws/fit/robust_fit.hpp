// Fits of a law by the robust objective: approach 3 and every one-formula law.
#pragma once

#include <span>

#include "laws/fit/fit.hpp"
#include "laws/fit/rollout.hpp"
#include "laws/law/law.hpp"
#include "laws/search/search.hpp"

namespace isoflop::laws {

/// What a fit with `options` fits: its law, or every law of the ensemble, and what they read.
/// Throws InputError unless the points suffice; where parameters are fixed, fewer may.
std::vector<Contender> choose_contenders(const Points& prepared, const FitOptions& options);

/// The search over all points and the refits below every cut.
struct Rolled {
  Search found;
  LawRollout rollout;
};
Rolled search_and_roll(const Contender& contender, const Points& prepared, const Cuts& cuts,
                       double huber_delta, Starts which);

/// What predicts by a law: its fit to all points. `error`: rms miss over its cuts.
Member member_of(const LawRollout& rollout, double weight, double error);

/// Fits every contender, rolls each out and weighs them. Fills members and rollout of `result`, and
/// from the heaviest contender, whose index it returns, parameters, derived, objective, search,
/// residual_rms and draws. The prepared points are enough for every contender; `with_outliers`: as
/// find_alternatives() takes them.
std::size_t fit_robust(const Points& prepared, const Points& with_outliers,
                       std::span<const Contender> contenders, const FitOptions& options,
                       Fit& result);

/// Throws InputError unless the points have the columns that the law reads and predicts.
void require_columns(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// Throws InputError, naming what the law needs, unless `prepared` can determine it.
void require_enough(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// As require_enough, without the message.
bool is_enough(const Points& prepared, const Law& law, std::span<const Variable> variables);

/// The better of a direct descent from `start` and one through smoothed objectives.
Vector refit(const Law& law, const Samples& samples, double huber_delta, const Vector& start);

}  // namespace isoflop::laws
