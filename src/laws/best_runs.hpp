// The best run of each size, where learning rates or batches were swept: a law of the loss is one
// of well-tuned runs, and the others only bend it.
#pragma once

#include "laws/points.hpp"

namespace isoflop::laws {

/// The points prepared; of those with the same params, tokens and unique_tokens the one of lowest
/// loss stays, the others are left out. For each of learning_rate and batch that the points have,
/// notes say at how many sizes the best is the smallest or the largest that was tried. Throws
/// InputError for points without params, tokens or loss, and what prepare() throws.
Points keep_best(const Points& points);

}  // namespace isoflop::laws
