// Weights of points from what is known of them, for fits that should not be ruled by many small
// cheap runs or by noisy ones.
#pragma once

#include <string_view>

#include "laws/points/points.hpp"

namespace isoflop::laws {

/// The points prepared, their weights multiplied; says so in their notes:
///   compute      by C over the mean C of the points (6 N D without flops)
///   replicates   by the pooled variance of ln loss between runs of the same size over the
///                variance at the point's size, the latter drawn towards the pooled one as if by
///                four runs more: two replicates alone say little about their noise
/// Throws InputError for another name, for points without compute or loss, and when no two points
/// share all that they were run with, and what prepare() throws.
Points weigh(const Points& points, std::string_view by);

}  // namespace isoflop::laws
