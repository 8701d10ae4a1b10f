#include "laws/fit/outliers.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/numerics/robust_deviation.hpp"

namespace isoflop::laws {
namespace {

constexpr double kRobustDelta = 1e-3;

// Of the 245 points read out of Hoffmann's figure 4 four of the five that are known to be wrong lie
// further out, of the 240 others none: their tails reach to 10.
constexpr double kGross = 12;        // standard deviations
constexpr double kLeastMiss = 0.01;  // of a noise-free fit any rounding is a gross miss
// Where more points lie so far out the law is wrong or the noise has heavy tails: no few runs are
// to blame.
constexpr std::size_t kShareOfAll = 10;
constexpr std::size_t kAlways = 2;  // of few points one or two are more than a tenth

std::string describe_miss(const Law& law, double miss) {
  return law.scale == Scale::log ? fmt::format("{:+.3g}%", 100 * (std::exp(miss) - 1))
                                 : fmt::format("{:+.3g}", miss);
}

std::string describe_width(const Law& law, double width) {
  return law.scale == Scale::log ? fmt::format("{:.3g}%", 100 * width)
                                 : fmt::format("{:.3g}", width);
}

/// The positions of what is larger than `limit`, the largest first.
std::vector<std::size_t> beyond(const std::vector<double>& sizes, double limit) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] > limit) rows.push_back(i);
  std::ranges::stable_sort(rows, std::ranges::greater{}, [&](std::size_t i) { return sizes[i]; });
  return rows;
}

/// "run 7, run 9 and 3 more".
std::string describe_names(const Points& prepared, std::span<const std::size_t> rows) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> names;
  for (const std::size_t row : rows.first(std::min(kShown, rows.size())))
    names.push_back(name_of(prepared, row));
  const std::string text = fmt::format("{}", fmt::join(names, ", "));
  return rows.size() > kShown ? fmt::format("{} and {} more", text, rows.size() - kShown) : text;
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

std::string describe_outliers(const Contender& contender, const Points& prepared,
                              const Vector& theta, std::optional<std::size_t> dropped) {
  const Law& law = *contender.law;
  const Samples samples = law.rows(prepared, contender.variables);
  if (samples.size() != prepared.size() || samples.size() <= law.free_parameters()) return "";
  const Objective objective(law, samples, kRobustDelta);
  if (!std::isfinite(objective.value(theta))) return "";
  const std::vector<double> misses = objective.residuals(theta);
  std::vector<double> sizes;
  for (const double miss : misses) sizes.push_back(std::fabs(miss));
  const double deviation = robust_deviation(sizes, law.free_parameters());
  const std::vector<std::size_t> gross = beyond(sizes, std::max(kLeastMiss, kGross * deviation));
  if (gross.empty() || gross.size() > std::max(kAlways, sizes.size() / kShareOfAll)) return "";
  const std::size_t worst = gross.front();
  return fmt::format(
      "{} of {} points {} further than {:g} standard deviations (by the median: {}) from the fit, "
      "the worst {} by {}: look at {}",
      gross.size(), sizes.size(), gross.size() == 1 ? "lies" : "lie", kGross,
      describe_width(law, deviation), name_of(prepared, worst), describe_miss(law, -misses[worst]),
      dropped && samples.weighs_evenly()  // --drop-outliers ranks points by weight too
          ? fmt::format("these runs, or leave them out with --drop-outliers {}",
                        *dropped + gross.size())
          : describe_names(prepared, gross));
}

}  // namespace isoflop::laws
