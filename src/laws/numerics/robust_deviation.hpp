// The standard deviation of residuals that a few of them, however far off, do not move.
#pragma once

#include <cstddef>
#include <vector>

namespace isoflop::laws {

/// Of residuals around 0, from the median of their sizes |r|; infinite for none. A robust loss
/// passes through as many points as there are `parameters`: so many of the smallest sizes say
/// nothing.
double robust_deviation(std::vector<double> sizes, std::size_t parameters);

}  // namespace isoflop::laws
