#include "laws/outliers.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "laws/robust_fit.hpp"

namespace isoflop::laws {
namespace {

constexpr double kRobustDelta = 1e-3;

std::string describe_miss(const Law& law, double miss) {
  return law.scale == Scale::log ? fmt::format("{:+.3g}%", 100 * (std::exp(miss) - 1))
                                 : fmt::format("{:+.3g}", miss);
}

}  // namespace

Points drop_outliers(const Contender& contender, const Points& prepared, std::size_t count,
                     double huber_delta) {
  const Law& law = *contender.law;
  const Samples samples = law.rows(prepared, contender.variables);
  require(samples.size() == prepared.size(),
          "drop-outliers: law {} does not fit a row a point: needed --drop-worst, or a column "
          "weight",
          law.name);
  require(count < prepared.size(), "drop-outliers: {} of {} points, at least one must stay", count,
          prepared.size());
  const Objective objective(law, samples, std::min(huber_delta, kRobustDelta));
  std::vector<double> miss = objective.residuals(search_quickly(objective));
  for (double& one : miss) one = -one;  // measured - predicted
  std::vector<std::size_t> order(prepared.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) {
    return std::sqrt(samples.weight[i]) * std::fabs(miss[i]);
  });
  std::vector<std::size_t> kept(order.begin() + static_cast<long>(count), order.end());
  std::ranges::sort(kept);
  Points remaining = select(prepared, kept);
  for (const std::size_t i : std::span(order).first(count))
    remaining.left_out.push_back(
        {name_of(prepared, i), fmt::format("one of the {} largest misses of a robust fit ({})",
                                           count, describe_miss(law, miss[i]))});
  require_enough(remaining, law, contender.variables);
  return remaining;
}

}  // namespace isoflop::laws
