// Where to cut a model into pipeline stages.
#pragma once

#include <span>
#include <vector>

#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::parallel {

/// Cuts a row of items of known cost (embedding, blocks, head; any unit, none negative) into
/// `parts` runs of neighbours, none empty, whose dearest is as cheap as can be; among those cuts
/// one with the least sum of squares, so that the rest is even too, and among those the one with
/// the longest runs first. Exact, in O(items^2 parts). Needs 1 <= parts <= items.
std::vector<Extent> even_cuts(std::span<const double> costs, std::size_t parts);

}  // namespace isoflop::parallel
