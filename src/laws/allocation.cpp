#include "laws/allocation.hpp"

#include <algorithm>

#include "laws/frontier.hpp"

namespace isoflop::laws {

std::optional<Allocation> compute_optimal(const Fit& fit, const std::vector<double>& values,
                                          double flops) {
  if (fit.is_frontier())
    return Allocation{frontier_params(values, flops), frontier_tokens(values, flops)};
  Vector vector{};
  std::copy(values.begin(), values.end(), vector.begin());
  return find_law(fit.law).optimum(vector, flops);
}

}  // namespace isoflop::laws
