// The best setting of each size, where learning rates or batches were swept: a law of the loss is
// one of well-tuned runs, and the others only bend it.
#pragma once

#include <cstddef>
#include <tuple>

#include "laws/points/points.hpp"

namespace isoflop::laws {

/// Runs of one size differ in their settings and seeds alone: params, tokens, unique_tokens (0
/// without such a column).
using SweptSize = std::tuple<double, double, double>;
SweptSize size_of(const Points& points, std::size_t row);

/// The points prepared; of those of one size all runs of the setting (learning_rate and batch,
/// those that the points have) with the lowest mean loss stay, the others are left out: the lowest
/// single loss would favour settings with many seeds. For each of learning_rate and batch notes say
/// at how many sizes the best is the smallest or the largest that was tried. Throws InputError for
/// points without params, tokens, loss or a setting, and what prepare() throws.
Points keep_best(const Points& points);

}  // namespace isoflop::laws
